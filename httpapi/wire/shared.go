package wire

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/uuids"
)

// Settings are what is set of requests and answers whatever they are about.
type Settings struct {
	MaxRequestSize    int64
	MaxDocumentSize   int64
	MaxAttachmentSize int64          // 0: any
	BulkDocs          int            // that one _bulk_docs may have
	Budget            *intake.Budget // of memory for bodies and what is made of them
	FeedsPerUser      int            // 0: any number
	BodyStall         time.Duration  // how long a body may stand still; 0: for ever
	AnswerStall       time.Duration  // the same of the client that takes an answer
	Proxies           Proxies        // whose X-Forwarded headers are believed
	AuditRevisions    bool           // the trail tells which revisions were written
	ProxyToken        string         // header with which a proxy proves itself
	Challenge         []string       // WWW-Authenticate of a 401; nil: none
}

func readSettings(c *config.Config, old *Settings) *Settings {
	set := &Settings{
		BulkDocs:          int(c.Int("limits", "bulk_docs")),
		MaxRequestSize:    c.Int("chttpd", "max_http_request_size"),
		MaxDocumentSize:   c.Int("couchdb", "max_document_size"),
		MaxAttachmentSize: c.Int("couchdb", "max_attachment_size"),
		FeedsPerUser:      int(c.Int("limits", "feeds_per_user")),
		BodyStall:         c.Duration("limits", "body_stall"),
		AnswerStall:       c.Duration("limits", "answer_stall"),
		Proxies:           c.Networks("limits", "trusted_proxies"),
		AuditRevisions:    c.Bool("audit", "revisions"),
		ProxyToken:        http.CanonicalHeaderKey(c.String("chttpd_auth", "x_auth_token")),
	}
	if old != nil {
		set.Budget = old.Budget
	}
	if memory, wait := c.Int("limits", "body_memory"), c.Duration("limits", "body_wait"); !set.Budget.Is(memory, wait) {
		set.Budget = intake.NewBudget(memory, wait)
	}
	switch challenge := c.WWWAuthenticate(); {
	case challenge != "":
		set.Challenge = []string{challenge}
	case c.RequireValidUser():
		set.Challenge = []string{`Basic realm="server"`} // as CouchDB: nobody gets to a page that could ask
	}
	return set
}

// SharedOptions say what the exchanges of a server stand on.
type SharedOptions struct {
	Config *config.Config
	Log    *slog.Logger
	Spool  *intake.Spool // where long bodies wait
	// Audited tells whether there is a trail that the notes of exchanges go to.
	Audited func() bool
}

// Shared is what all exchanges of a server share: their settings, the memory and the files
// for bodies, the turns of large queries, and the count of open feeds.
type Shared struct {
	opt      SharedOptions
	ids      *uuids.Source
	settings func() *Settings
	turns    *Turns
	feeds    openFeeds

	closing  chan struct{}
	endFeeds func()
}

// NewShared makes it. It starts nothing.
func NewShared(opt SharedOptions) *Shared {
	s := &Shared{
		opt: opt, settings: config.Follow(opt.Config, readSettings),
		ids: uuids.New(), turns: NewTurns(), closing: make(chan struct{}),
	}
	s.endFeeds = sync.OnceFunc(func() { close(s.closing) })
	return s
}

// Settings are those in force.
func (s *Shared) Settings() *Settings { return s.settings() }

// SettingsOf are the settings in force for a request.
func SettingsOf(r *http.Request) *Settings { return ExchangeOf(r).shared.settings() }

// Turns are those of large queries.
func (s *Shared) Turns() *Turns { return s.turns }

// Feeds is how many feeds wait.
func (s *Shared) Feeds() int { return s.feeds.count() }

// ClientAddr is the address that a request comes from.
func (s *Shared) ClientAddr(r *http.Request) netip.Addr { return s.settings().Proxies.client(r) }

// IDs makes ids of what comes without one.
func (s *Shared) IDs() *uuids.Source { return s.ids }

// Closing is closed when feeds are to come to their end.
func (s *Shared) Closing() <-chan struct{} { return s.closing }

// EndFeeds has all feeds come to a well-formed end, and every later one at once. It may be
// called again.
func (s *Shared) EndFeeds() { s.endFeeds() }
