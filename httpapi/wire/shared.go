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

// Settings are the settings for all requests and answers, whatever they are about.
type Settings struct {
	MaxRequestSize    int64
	MaxDocumentSize   int64
	MaxIDLength       int64
	MaxAttachmentSize int64          // 0: any
	BulkDocs          int            // documents that one _bulk_docs may have
	Budget            *intake.Budget // of memory for bodies and what is made from them
	FeedsPerUser      int            // 0: any number
	BodyStall         time.Duration  // how long a body may stall; 0: for ever
	AnswerStall       time.Duration  // how long a client may take no byte of an answer; 0: for ever
	Proxies           Proxies        // whose X-Forwarded headers are trusted
	JSONP             bool           // JSON may be answered as a call of a function
	AuditRevisions    bool           // the audit trail has the revisions that were written
	ProxyToken        string         // header with the token of a proxy
	PlusIsPlus        bool           // in paths; otherwise it is a space
	MinimalHeaders    []string       // of answers to Prefer: return=minimal
	FeedTimeout       time.Duration  // how long a feed without rows waits, unless it says so
	FunctionPolicy    []string       // Content-Security-Policy of what functions answer; nil: none
	LoginPage         string         // that a browser is sent to by a 401; "": none
	// Headers in which a proxy says how the server is reached: the host, https, or on for https.
	ForwardedHost, ForwardedProto, ForwardedSSL string
	Challenge                                   []string // WWW-Authenticate of a 401; nil: none
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
		JSONP:             c.Bool("chttpd", "allow_jsonp"),
		AuditRevisions:    c.Bool("audit", "revisions"),
		ProxyToken:        http.CanonicalHeaderKey(c.String("chttpd_auth", "x_auth_token")),
		PlusIsPlus:        !c.Bool("chttpd", "decode_plus_to_space"),
		MinimalHeaders:    []string{},
		FeedTimeout:       min(c.Duration("chttpd", "changes_timeout"), FeedTimeout),
		LoginPage:         c.String("chttpd_auth", "authentication_redirect"),
		ForwardedHost:     c.String("chttpd", "x_forwarded_host"),
		ForwardedProto:    c.String("chttpd", "x_forwarded_proto"),
		ForwardedSSL:      c.String("chttpd", "x_forwarded_ssl"),
	}
	if set.MaxIDLength = c.Int("couchdb", "max_document_id_length"); set.MaxIDLength == 0 {
		set.MaxIDLength = set.MaxDocumentSize // an id is a part of its document
	}
	if c.Bool("csp", "showlist_enable") {
		set.FunctionPolicy = []string{c.String("csp", "showlist_header_value")}
	}
	for _, name := range c.List("chttpd", "prefer_minimal") {
		set.MinimalHeaders = append(set.MinimalHeaders, http.CanonicalHeaderKey(name))
	}
	if old != nil {
		set.Budget = old.Budget
	}
	if memory, wait := c.Int("limits", "body_memory"), c.Duration("limits", "body_wait"); !set.Budget.Is(memory, wait) {
		set.Budget = intake.NewBudget(memory, wait)
	}
	switch challenge := c.String("chttpd", "WWW-Authenticate"); {
	case challenge != "":
		set.Challenge = []string{challenge}
	case c.RequireValidUser():
		set.Challenge = []string{`Basic realm="server"`} // as in CouchDB: nobody can reach a page that could ask
	}
	return set
}

func readIDs(c *config.Config, _ *uuids.Settings) *uuids.Settings {
	return &uuids.Settings{Algorithm: c.String("uuids", "algorithm"), Suffix: c.String("uuids", "utc_id_suffix")}
}

// SharedOptions are what the exchanges of a server need.
type SharedOptions struct {
	Config *config.Config
	Log    *slog.Logger
	Spool  *intake.Spool // where long bodies wait
	// Faults returns the answer to an error (package fault).
	Faults func(error) Failure
	// Audited tells whether there is an audit trail for the notes of exchanges.
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

// NewShared makes a Shared. It starts nothing.
func NewShared(opt SharedOptions) *Shared {
	s := &Shared{
		opt: opt, settings: config.Follow(opt.Config, readSettings),
		ids: uuids.New(config.Follow(opt.Config, readIDs)), turns: NewTurns(), closing: make(chan struct{}),
	}
	s.endFeeds = sync.OnceFunc(func() { close(s.closing) })
	return s
}

// Settings returns the settings in force.
func (s *Shared) Settings() *Settings { return s.settings() }

// SettingsOf returns the settings in force for a request.
func SettingsOf(r *http.Request) *Settings { return ExchangeOf(r).shared.settings() }

// Turns returns the turns of large queries.
func (s *Shared) Turns() *Turns { return s.turns }

// Feeds returns how many feeds wait.
func (s *Shared) Feeds() int { return s.feeds.count() }

// ClientAddr returns the address that a request comes from.
func (s *Shared) ClientAddr(r *http.Request) netip.Addr { return s.settings().Proxies.client(r) }

// IDs returns the source of ids for documents that come without one.
func (s *Shared) IDs() *uuids.Source { return s.ids }

// Closing returns a channel that is closed when feeds should end.
func (s *Shared) Closing() <-chan struct{} { return s.closing }

// EndFeeds brings all feeds to a well-formed end. Later feeds end at once. It may be called
// again.
func (s *Shared) EndFeeds() { s.endFeeds() }
