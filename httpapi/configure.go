package httpapi

import (
	"maps"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
)

// inForce is the settings that requests ask for, read and made ready once for each
// change. A request loads it when it needs it, so that a change counts from the next
// request on.
type inForce struct {
	cors              *cors
	challenge         []string // WWW-Authenticate of a 401; nil: none
	sandbox           []string // Content-Security-Policy of attachments; nil: none
	maxRequestSize    int64
	maxDocumentSize   int64
	maxAttachmentSize int64 // 0: any

	byUser, byAddress *rates // nil: as often as they like
	proxies           proxies
	feedsPerUser      int // 0: any number
	auditRevisions    bool
	bodyStall         time.Duration // 0: for ever
	answerStall       time.Duration // 0: for ever
}

// readInForce reads the settings; what of old is still right goes on.
func readInForce(c *config.Config, old *inForce) *inForce {
	set := &inForce{
		maxRequestSize:    c.Int("chttpd", "max_http_request_size"),
		maxDocumentSize:   c.Int("couchdb", "max_document_size"),
		maxAttachmentSize: c.Int("couchdb", "max_attachment_size"),

		byUser:         newRates(old.byUser, c.Float("limits", "user_requests"), c.Int("limits", "user_burst")),
		byAddress:      newRates(old.byAddress, c.Float("limits", "address_requests"), c.Int("limits", "address_burst")),
		proxies:        parseProxies(c.List("limits", "trusted_proxies")),
		feedsPerUser:   int(c.Int("limits", "feeds_per_user")),
		auditRevisions: c.Bool("audit", "revisions"),
		bodyStall:      c.Duration("limits", "body_stall"),
		answerStall:    c.Duration("limits", "answer_stall"),
	}
	if c.CORS() {
		set.cors = newCORS(c)
	}
	switch challenge := c.WWWAuthenticate(); {
	case challenge != "":
		set.challenge = []string{challenge}
	case c.RequireValidUser():
		set.challenge = []string{`Basic realm="server"`} // as CouchDB: nobody gets to a page that could ask
	}
	if c.Bool("csp", "attachments_enable") {
		set.sandbox = []string{c.String("csp", "attachments_header_value")}
	}
	return set
}

// configureFirst takes in the settings and sees to it that changes are taken in too.
func (s *Server) configureFirst() error {
	c := s.config
	admins := c.Section("admins")
	secret, timeout := sessionSettings(c)
	var err error
	s.auth, err = auth.New(auth.Options{Admins: admins, Secret: secret, Timeout: timeout, Now: s.opt.Now})
	if err != nil {
		return err
	}
	s.configure()
	c.Watch(func() {
		s.configure()
		s.auth.SetSessions(sessionSettings(c))
		// Only when they have changed: it ends what is remembered of verified passwords.
		if now := c.Section("admins"); !maps.Equal(now, admins) {
			if err := s.auth.SetAdmins(now); err != nil {
				s.log.Error("the administrators stay as they were", "error", err)
				return
			}
			admins = now
		}
	})
	return nil
}

// configure takes in the settings as they are now.
func (s *Server) configure() {
	old := s.set.Load()
	if old == nil {
		old = &inForce{}
	}
	s.set.Store(readInForce(s.config, old))
}

func sessionSettings(c *config.Config) (secret []byte, timeout time.Duration) {
	return []byte(c.String("chttpd_auth", "secret")), c.Duration("chttpd_auth", "timeout")
}
