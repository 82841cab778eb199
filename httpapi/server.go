package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"go.opentelemetry.io/otel/trace"

	"github.com/tododb/tododb/httpapi/audit"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/script"
)

// Options say what a Server stands on. Only Store is needed; without administrators
// in Config nobody may do anything but ask for the welcome and whether the server is up.
type Options struct {
	Store   *store.Store
	Log     *slog.Logger // nil: nothing is logged
	Version string       // of tododb
	UUID    string       // of the server: clients build checkpoint ids from it, so it never changes

	// Config is the settings, administrators among them. What is changed there is in
	// force for the next request. nil: the defaults, and nobody is an administrator.
	Config *config.Config

	// Reload reads the files of Config again, and does what else that calls for
	// (Config.Reload).
	Reload func() error

	// Metrics count what is done here. Whoever gives them may have counted more (none
	// but what the server counts).
	Metrics *metrics.Metrics

	// Tracer makes a span of each request (nothing is traced).
	Tracer trace.Tracer

	// Trail records who changed what (nothing is recorded).
	Trail *audit.Trail
	// Indexes keeps the indexes of design documents; nil: there are none, and what needs
	// one answers 501. Compilers compile their functions, by language.
	Indexes   *index.Manager
	Compilers view.Compilers
	// Designs has the design documents of Store, and says where their functions run (this
	// process, which hostile ones can end).
	Designs *design.Cache

	// Replicator runs replications; nil: POST /_replicate answers 501.
	Replicator Replicator
	// Synchronizer runs synchronizations; nil: _synchronizations answers 501.
	Synchronizer Synchronizer
	// Spool is where long bodies wait (the system's folder for such files).
	Spool *intake.Spool
	// Now is the clock (time.Now).
	Now func() time.Time
}

// Server is CouchDB's HTTP API over a store: an http.Handler.
type Server struct {
	opt    Options
	store  *store.Store
	log    *slog.Logger
	config *config.Config
	auth   *auth.Authenticator
	set    atomic.Pointer[inForce]
	router *mux.Router
	uuids  *uuids
	server []string // the Server header
	spool  *intake.Spool
	turns  *turns // of large queries

	feeds   openFeeds
	finder  *mango.Finder
	metrics *metrics.Metrics
	trail   *audit.Trail

	designs *design.Cache
	opener  *view.Opener // of indexes; nil: there are none

	// users is asked for each document of _users.
	users   *systemDB
	devices *devices

	// closing is closed when the server wants feeds to come to their end.
	closing chan struct{}

	mu      sync.Mutex // guards what follows
	closed  bool
	running int           // requests being served
	idle    chan struct{} // closed once closed and nothing is running
}

// New makes a Server. It starts nothing; Close it all the same, for the feeds.
func New(opt Options) (*Server, error) {
	if opt.Store == nil {
		return nil, errors.New("httpapi: Options.Store is missing")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Config == nil {
		var err error
		if opt.Config, err = config.Open(config.Options{}); err != nil {
			return nil, err
		}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Version == "" {
		opt.Version = "devel"
	}
	s := &Server{
		opt: opt, store: opt.Store, log: opt.Log, config: opt.Config, uuids: newUUIDs(),
		server:  []string{"CouchDB/" + couchVersion + " (tododb/" + opt.Version + ")"},
		closing: make(chan struct{}), idle: make(chan struct{}), turns: newTurns(),
	}
	if s.spool = opt.Spool; s.spool == nil {
		s.spool = &intake.Spool{}
	}
	s.users, s.devices = s.newUsersDB(), &devices{s}
	if err := s.configureFirst(); err != nil {
		return nil, err
	}
	if s.metrics = opt.Metrics; s.metrics == nil {
		s.metrics = metrics.New()
	}
	s.ownMetrics()
	if s.trail = opt.Trail; s.trail == nil {
		s.trail = &audit.Trail{}
	}
	if s.designs = opt.Designs; s.designs == nil {
		s.designs = design.NewCache(opt.Store, script.InProcess(script.Options{Timeout: s.config.Duration("couchdb", "os_process_timeout"), Log: s.log}))
	}
	if opt.Indexes != nil {
		s.opener, s.finder = view.NewOpener(opt.Indexes, opt.Compilers), mango.NewFinder(opt.Indexes, s.designs)
	}
	s.router = s.routes()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	set := s.set.Load()
	x := &exchange{ResponseWriter: w, conn: http.NewResponseController(w), stall: set.answerStall, id: newRequestID(), turns: s.turns, spool: s.spool}
	h := w.Header()
	h["Server"] = s.server
	h["X-Couch-Request-Id"] = []string{x.id}
	h["X-Content-Type-Options"] = noSniff
	x.from = cameFrom(r)
	x.proxies, x.asked = set.proxies, r
	ctx := r.Context()
	if s.opt.Tracer != nil {
		ctx = s.startSpan(x, r)
	}
	ctx = store.WithRoom(ctx, exchangeRoom{s, x})
	r = r.WithContext(script.WithAsker(x.in(ctx), func() string { return s.asker(x.user, r) }))
	began := s.opt.Now()
	defer s.over(x, r, began)
	defer s.letGo(x, r)
	defer x.finish()
	defer s.recover(x, r)

	if !s.enter() {
		s.fail(x, r, store.ErrClosed)
		return
	}
	defer s.leave()
	if set.bodyStall > 0 && r.Body != nil && r.Body != http.NoBody {
		x.body = &steadyBody{ReadCloser: r.Body, conn: x.conn, stall: set.bodyStall}
		r.Body = x.body
	}
	if set.cors.handle(x, r) {
		return
	}
	if set.byAddress != nil {
		if wait := set.byAddress.wait(addressKey(set.proxies.client(r)), began); wait > 0 {
			s.tooMany(x, r, wait)
			return
		}
	}
	overrideMethod(r)
	cleanPath(r)
	user, renew, err := s.auth.Authenticate(r)
	if err == nil {
		x.user = user
		err = s.letIn(r, set, user)
	}
	if err != nil {
		s.fail(x, r, err)
		return
	}
	if renew != "" {
		h.Set("Set-Cookie", renew)
	}
	if set.byUser != nil && user.Name != "" && !user.Admin {
		if wait := set.byUser.wait(user.Name, began); wait > 0 {
			s.tooMany(x, r, wait)
			return
		}
	}
	s.router.ServeHTTP(x, r)
}

// letGo ends what a request held.
func (s *Server) letGo(x *exchange, r *http.Request) {
	if err := x.letGo(); err != nil {
		s.log.ErrorContext(r.Context(), "request's body", "request", x.id, "error", err)
	}
}

// noSniff keeps a browser from taking what an attachment or an answer holds for a page
// or a script when its type says otherwise.
var noSniff = []string{"nosniff"}

// recover turns a panic into a 500, or into a cut connection where the answer has begun.
func (s *Server) recover(x *exchange, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause != any(http.ErrAbortHandler) {
		s.log.ErrorContext(r.Context(), "panic", "request", x.id, "method", r.Method, "path", r.URL.EscapedPath(), "cause", cause, "stack", string(debug.Stack()))
		if !x.begun() {
			s.sendError(x, r, http.StatusInternalServerError, errUnforeseen)
			return
		}
	}
	x.cut = true
	panic(http.ErrAbortHandler)
}

// enter counts a request in, unless the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.closed && s.running == 0 {
		close(s.idle)
	}
}

// Close brings the feeds to a well-formed end, refuses new requests and waits for the
// running ones, for as long as ctx lets it. It may be called again.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
		if s.running == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// segment returns an unescaped part of the path. CouchDB reads a plus as a space.
func segment(r *http.Request, name string) (string, error) {
	s, err := url.QueryUnescape(mux.Vars(r)[name])
	if err != nil {
		return "", errURLEncoding
	}
	return s, nil
}
