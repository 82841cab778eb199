package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/account"
	"github.com/tododb/tododb/httpapi/audit"
	"github.com/tododb/tododb/httpapi/backups"
	"github.com/tododb/tododb/httpapi/changes"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/documents"
	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/operate"
	"github.com/tododb/tododb/httpapi/page"
	"github.com/tododb/tododb/httpapi/query"
	"github.com/tododb/tododb/httpapi/replications"
	"github.com/tododb/tododb/httpapi/snapshot"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/expiry"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/smoosh"
	"github.com/tododb/tododb/store/updates"
)

// Options are what a Server needs. Only Store must be set. Without administrators in Config,
// people may only read the welcome and ask whether the server is up.
type Options struct {
	Store   *store.Store
	Log     *slog.Logger // nil: nothing is logged
	Lines   *slog.Logger // gets the line of each request (Log)
	Version string       // of tododb
	UUID    string       // of the server: clients build checkpoint ids from it, so it never changes

	// FirstAdmin is the administrator whose password was printed at this start, because it was the
	// first and nobody had chosen one. The web page tells where to look for it ("": nobody).
	FirstAdmin string

	// Config has the settings, including the administrators. A change is in force for the next
	// request. nil: the defaults, and nobody is an administrator.
	Config *config.Config

	// Reload reads the files of Config again (Config.Reload), and does what else must be done then.
	Reload func() error

	// Metrics count what the server does. The caller may add other figures (nil: only what the
	// server counts).
	Metrics *metrics.Metrics

	// History has the figures of the last hour; the caller has it run (nil: there are none).
	History *metrics.History
	// Tail has the last lines of Log (nil: there are none).
	Tail operate.LogTail

	// Health looks at the data folder, for administrators (nil: there is none).
	Health operate.Look

	// Tracer makes a span of each request (nothing is traced).
	Tracer trace.Tracer

	// Trail records who changed what (nothing is recorded).
	Trail *audit.Trail
	// Smoosh compacts without being asked to; its work is among the tasks (nil: there is none).
	Smoosh *smoosh.Smoosh
	// Indexes keeps the indexes of design documents; nil: there are none, and requests that need
	// one answer 501. Views opens the ones of views, and Finder the ones of selectors.
	Indexes *index.Manager
	// Expiry ends tombstones; nil: it is no task.
	Expiry *expiry.Keeper
	Views  *view.Opener
	Finder *mango.Finder
	// Designs has the design documents of Store, and decides where their functions run (in this
	// process, which hostile functions can end).
	Designs *design.Cache

	// Replicator runs replications; nil: POST /_replicate answers 501.
	Replicator replications.Replicator
	// Synchronizer runs synchronizations; nil: _synchronizations answers 501.
	Synchronizer replications.Synchronizer
	// Updates notes what happens to databases; nil: _db_updates answers 501.
	Updates *updates.Log
	// Snapshots keeps the files of snapshots; nil: _snapshot answers 501.
	Snapshots *snapshot.Files
	// Members are the processes that share the storage (this one is alone).
	Members *members.Members
	// Keeper backs the server up by itself (nobody does).
	Keeper operate.Keeper
	// Access knows who asks and what they may do. nil: the server makes one from Store, Config,
	// Designs, Spool, Trail and Now. If you set it, make it from the same values.
	Access *access.Access
	// Spool is where long bodies wait (the system's folder for such files).
	Spool *intake.Spool
	// Now is the clock (time.Now).
	Now func() time.Time
}

// Server is CouchDB's HTTP API over a store: an http.Handler.
type Server struct {
	opt          Options
	store        *store.Store
	log          *slog.Logger
	config       *config.Config
	settings     func() *doorSettings
	shared       *wire.Shared
	access       *access.Access
	router       *router
	account      *account.Room
	backups      *backups.Room
	documents    *documents.Room
	operate      *operate.Room
	page         *page.Room
	changes      *changes.Room
	query        *query.Room
	replications *replications.Room
	snapshots    *snapshot.Room
	routes       []Route  // the table
	everywhere   []string // first segments of paths that are the same on every virtual host
	// The lines for documents and attachments. Unusual paths lead to them too.
	toDocument, toAttachment Route

	server string // the Server header with its versions

	metrics *metrics.Metrics
	trail   *audit.Trail

	designs *design.Cache

	mu      sync.Mutex // guards what follows
	closed  bool
	running int           // requests being served
	idle    chan struct{} // closed once closed and nothing is running
}

// New makes a Server. It starts nothing, but call Close to end the feeds.
func New(opt Options) (*Server, error) {
	if opt.Store == nil {
		return nil, errors.New("httpapi: Options.Store is missing")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Lines == nil {
		opt.Lines = opt.Log
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
	if opt.Spool == nil {
		opt.Spool = &intake.Spool{}
	}
	if opt.Metrics == nil {
		opt.Metrics = metrics.New()
	}
	if opt.History == nil {
		opt.History = metrics.NewHistory(opt.Metrics)
	}
	if opt.Trail == nil {
		opt.Trail = &audit.Trail{}
	}
	if opt.Designs == nil {
		opt.Designs = design.NewCache(opt.Store, script.InProcess(script.Options{
			Timeout:    opt.Config.Duration("couchdb", "os_process_timeout"),
			Reductions: script.Reductions(opt.Config.String("query_server_config", "reduce_limit")), Log: opt.Log,
		}))
	}
	s := &Server{
		opt: opt, store: opt.Store, log: opt.Log, config: opt.Config, metrics: opt.Metrics, trail: opt.Trail,
		server: "CouchDB/" + wire.CouchVersion + " (tododb/" + opt.Version + ")",
		idle:   make(chan struct{}), designs: opt.Designs, access: opt.Access,
	}
	s.settings = config.Follow(opt.Config, s.readDoorSettings)
	if s.access == nil {
		shared := wire.NewShared(wire.SharedOptions{Config: opt.Config, Log: opt.Log, Spool: opt.Spool, Audited: opt.Trail.On, Faults: fault.Of})
		var err error
		if s.access, err = access.New(access.Options{Store: opt.Store, Config: opt.Config, Log: opt.Log, Shared: shared, Designs: opt.Designs, Now: opt.Now}); err != nil {
			return nil, err
		}
	}
	s.shared = s.access.Shared()
	ids := s.shared.IDs()
	s.account = account.New(account.Options{Access: s.access, Config: opt.Config, FirstAdmin: opt.FirstAdmin, Now: opt.Now})
	s.documents = documents.New(s.access, opt.Config, ids, opt.Spool, opt.Metrics)
	s.query = query.New(query.Options{Access: s.access, Config: opt.Config, Designs: opt.Designs, Indexes: opt.Indexes, Opener: opt.Views, Finder: opt.Finder, Reroute: s.reroute})
	s.operate = operate.New(operate.Options{
		Access: s.access, Store: opt.Store, Config: opt.Config, Metrics: opt.Metrics, IDs: ids,
		Version: opt.Version, UUID: opt.UUID, Reload: opt.Reload, RenewFunctions: s.designs.Renew, CompactIndex: s.query.CompactIndex, Smoosh: opt.Smoosh, Keeper: opt.Keeper,
		History: opt.History, Log: opt.Tail, Health: opt.Health, Members: opt.Members,
	})
	filters := &filter.Opener{Designs: s.designs, Views: opt.Views, Finder: opt.Finder}
	s.page = page.New(opt.Config)
	s.changes = changes.New(s.access, opt.Store, opt.Updates, filters)
	s.snapshots = snapshot.New(s.access, filters, opt.Snapshots)
	s.backups = backups.New(backups.Options{Access: s.access, Store: opt.Store, Config: opt.Config, Spool: opt.Spool, Closing: s.shared.Closing(), Restored: s.restored, Target: opt.Keeper, Log: opt.Log})
	s.replications = replications.New(replications.Options{Access: s.access, Replicator: opt.Replicator, Synchronizer: opt.Synchronizer, Indexes: opt.Indexes, Expiry: opt.Expiry, Smoosh: opt.Smoosh, Store: opt.Store, Members: opt.Members, Others: s.otherTasks})
	s.ownMetrics()
	s.routes = s.table()
	s.everywhere = onEveryHost(s.routes)
	s.router = newRouter(s.routes)
	return s, nil
}

// restored has the synchronizations follow their database.
func (s *Server) restored(ctx context.Context, db string) error {
	if db != store.SynchronizationsDB || s.opt.Synchronizer == nil {
		return nil
	}
	return s.opt.Synchronizer.Reload(ctx)
}

// otherTasks are the backups and restores that are going on.
func (s *Server) otherTasks() []map[string]any {
	return append(s.backups.Tasks(), s.operate.BackupTasks()...)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	set := s.settings()
	x := s.shared.Begin(w, r)
	h := w.Header()
	h["Server"] = set.server
	wire.SetHeader(x, "X-Couch-Request-Id", x.ID)
	h["X-Content-Type-Options"] = noSniff
	ctx := r.Context()
	if s.opt.Tracer != nil {
		ctx = x.StartSpan(s.opt.Tracer, r)
	}
	r = r.WithContext(x.In(ctx))
	began := s.opt.Now()
	defer s.over(x, r, began)
	defer s.letGo(x, r)
	defer x.Finish()
	defer x.Recover(r)

	if !s.enter() {
		wire.Fail(x, r, store.ErrClosed)
		return
	}
	defer s.leave()
	x.Watch(r)
	if set.frames != nil {
		h["X-Frame-Options"] = []string{set.frames.option(r)}
	}
	tooLong := set.maxURI > 0 && len(r.RequestURI) > set.maxURI
	if tooLong && len(r.RequestURI) > alwaysURI {
		wire.Fail(x, r, errURITooLong)
		return
	}
	if err := x.ReadCallback(r); err != nil {
		wire.Fail(x, r, err)
		return
	}
	if set.cors.of(r).handle(x, r) {
		return
	}
	if set.byAddress != nil {
		if wait := set.byAddress.wait(wire.AddressKey(s.shared.ClientAddr(r)), began); wait > 0 {
			tooMany(x, r, wait)
			return
		}
	}
	overrideMethod(r)
	cleanPath(r)
	r, err := toVhost(set.vhosts, s.everywhere, r)
	if err != nil {
		wire.Fail(x, r, err)
		return
	}
	cleanPath(r) // the path that a rule leads to
	rt := s.router.find(r, &x.At)
	x.Path = rt.Path
	if tooLong && !rt.always {
		wire.Fail(x, r, errURITooLong)
		return
	}
	x.Action = s.foreseen(r, rt)
	cookie, err := s.access.LetIn(r)
	if cookie != "" {
		h.Set("Set-Cookie", cookie)
	}
	if err == nil {
		err = ifUser(r, x.User)
	}
	if err != nil {
		wire.Fail(x, r, err)
		return
	}
	if set.byUser != nil && x.User.Name != "" && !x.User.Admin {
		if wait := set.byUser.wait(x.User.Name, began); wait > 0 {
			tooMany(x, r, wait)
			return
		}
	}
	s.serve(rt, x, r)
}

// inside serves a request whose user is known already.
func (s *Server) inside(w http.ResponseWriter, r *http.Request) {
	r, rt := s.find(r)
	s.serve(rt, w, r)
}

// find finds the line that the path of a request leads to, and tells the request where its parts are.
func (s *Server) find(r *http.Request) (*http.Request, *Route) {
	at := &wire.Place{}
	rt := s.router.find(r, at)
	return r.WithContext(wire.WithPlace(r.Context(), at)), rt
}

// serve answers a request by a line of the table.
func (s *Server) serve(rt *Route, w http.ResponseWriter, r *http.Request) {
	if err := s.answer(rt, w, r); err != nil {
		wire.Fail(w, r, err)
	}
}

// alwaysURI is the length in bytes up to which a route that always answers takes a request's path
// and query, whatever the setting says.
const alwaysURI = 1 << 10

var errURITooLong = wire.Errorf(http.StatusRequestURITooLong, "too_long", "the request uri is too long")

// letGo releases what a request held.
func (s *Server) letGo(x *wire.Exchange, r *http.Request) {
	if err := x.LetGo(); err != nil {
		s.log.ErrorContext(r.Context(), "request's body", "request", x.ID, "error", err)
	}
}

// noSniff keeps a browser from treating an attachment or an answer as a page or a script if its
// type says otherwise.
var noSniff = []string{"nosniff"}

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

// Close brings the feeds to a well-formed end, refuses new requests and waits for the running
// ones until ctx ends. It may be called again.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.shared.EndFeeds()
		if s.running == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return s.backups.Wait(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Access returns what knows who asks and what they may do. Replications use it too.
func (s *Server) Access() *access.Access { return s.access }
