package replicate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
)

// Options say what a Manager stands on.
type Options struct {
	Store *store.Store // for databases that are named without a URL; nil: there are none
	// Open opens such a database for a user, with a handle that shows and takes what that
	// user may see and write: ErrNoDB, ErrUnauthorized, ErrForbidden. nil: everybody may do
	// everything.
	Open func(ctx context.Context, name string, user User) (*store.DB, error)
	// Finder finds changes of the documents that match a selector; nil: they are looked for.
	Finder   *mango.Finder
	Server   string       // the server's uuid, part of replication ids
	Log      *slog.Logger // nil: nothing is logged
	Client   *http.Client // nil: NewClient
	TLS      *tls.Config  // whom that trusts, and clients that go through proxies; nil: as the system does
	Now      func() time.Time
	Settings Settings
	// Origin takes from the context of a request for a replication what the requests to
	// its peers shall tell, and returns what puts it into theirs (they tell nothing).
	Origin func(context.Context) func(context.Context) context.Context
	// Patient jobs ask a peer that fails again for ever, and end with whatever no patience
	// mends: what a command wants. Otherwise they give up after Spec.Retries, and the
	// scheduler tries them again later.
	Patient bool
	// Shared tells that other processes run the documents of the same databases: a job of
	// a document then needs a lease. Not set, it is as the store says.
	Shared bool
}

// User is for whom a replication works on databases of this server.
type User struct {
	Name  string
	Roles []string
	Admin bool // of the server
}

func (u User) is(o User) bool {
	return u.Name == o.Name && u.Admin == o.Admin && slices.Equal(u.Roles, o.Roles)
}

// Manager runs the replications of a server. The same replication, asked for twice, runs
// once.
type Manager struct {
	opt  Options
	ctx  context.Context // of all jobs
	halt context.CancelFunc
	wg   sync.WaitGroup
	look chan struct{} // there may be something for the scheduler to do

	holder   string // name of this Manager among those that share databases
	leaseFor time.Duration

	mu        sync.Mutex // guards what follows
	set       Settings
	local     func(User) http.Handler
	docs      *documents // nil: documents are not followed
	tasks     map[string]*task
	number    int
	lines     map[string]*queue // tasks whose turn it may be, by their owner's database
	sleeping  *queue            // tasks whose time has not come
	running   int
	runningOf map[string]int // by owner's database
	rotated   time.Time
	closed    bool

	sessions map[[sha256.Size]byte]*login
	proxied  map[string]*http.Client // by the proxy's URL
}

// NewManager makes a Manager. Its jobs outlive ctx: they end with Close.
func NewManager(ctx context.Context, opt Options) (*Manager, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Client == nil {
		opt.Client = newClient(nil, opt.TLS)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	opt.Shared = opt.Shared || opt.Store != nil && opt.Store.Shared()
	m := &Manager{
		holder: newSessionID(), leaseFor: leaseFor, opt: opt, set: opt.Settings.withDefaults(), look: make(chan struct{}, 1),
		tasks: map[string]*task{}, lines: map[string]*queue{}, sleeping: &queue{less: byNextTry}, runningOf: map[string]int{}, rotated: opt.Now(),
		sessions: map[[sha256.Size]byte]*login{}, proxied: map[string]*http.Client{},
	}
	m.ctx, m.halt = context.WithCancel(context.WithoutCancel(ctx))
	m.wg.Go(func() { m.schedule(m.ctx) })
	return m, nil
}

// ServeLocal gives jobs the API of this server: the handler serves what a user asks for,
// with his rights. They need it for filter functions of a source that is here, which are
// for the API to run.
func (m *Manager) ServeLocal(as func(User) http.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.local = as
}

// Close stops all jobs and waits for them; each writes a last checkpoint.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	for _, t := range m.tasks {
		if t.job == nil {
			t.err = ErrClosed
			m.forget(t)
		}
	}
	m.mu.Unlock()
	m.halt()
	m.wg.Wait()
	m.opt.Client.CloseIdleConnections()
	for _, c := range m.proxied {
		c.CloseIdleConnections()
	}
	return nil
}

// peer makes one side of a replication. The lock is held.
func (m *Manager) peer(e Endpoint, user User) Peer {
	if e.URL != "" {
		client := m.client(e.Proxy)
		return newRemotePeer(e, client, m.session(newLogin(&e, client)))
	}
	p := &localPeer{store: m.opt.Store, finder: m.opt.Finder, name: e.Local}
	if m.opt.Open != nil {
		p.open = func(ctx context.Context) (*store.DB, error) { return m.opt.Open(ctx, e.Local, user) }
		p.mayNotCreate = !user.Admin
	}
	return p
}

// client is the HTTP client for a proxy. The lock is held.
func (m *Manager) client(proxy *url.URL) *http.Client {
	if proxy == nil {
		return m.opt.Client
	}
	c := m.proxied[proxy.String()]
	if c == nil {
		c = newClient(proxy, m.opt.TLS)
		m.proxied[proxy.String()] = c
	}
	return c
}

// session is the one that all jobs with the same credentials at a server share. The lock
// is held.
func (m *Manager) session(s *login) *login {
	if s == nil {
		return nil
	}
	if len(m.sessions) >= maxSessions { // most are of documents that are gone
		clear(m.sessions)
	}
	key := s.key()
	if shared := m.sessions[key]; shared != nil && shared.client == s.client {
		return shared
	}
	m.sessions[key] = s
	return s
}

// source is peer, for one whose filter may have to be run.
func (m *Manager) source(req *Request) Peer {
	if e := req.Spec.Source; e.URL == "" && req.Spec.Filter.Name != "" && m.local != nil {
		return servedPeer(e.Local, m.local(req.User))
	}
	return m.peer(req.Spec.Source, req.User)
}

// check refuses sides that name nothing.
func (m *Manager) check(spec *Spec) error {
	for _, e := range []Endpoint{spec.Source, spec.Target} {
		if e.URL == "" && (m.opt.Store == nil || e.Local == "") {
			return &PeerError{Peer: e.Local, Err: ErrNoDB}
		}
	}
	return nil
}

// newJob makes a job for one run. The lock is held.
func (m *Manager) newJob(req *Request) *Job {
	return NewJob(req.Spec, JobOptions{
		Server: m.opt.Server, Source: observe(m.source(req), req.Source), Target: observe(m.peer(req.Spec.Target, req.User), req.Target),
		Log: m.opt.Log, Now: m.opt.Now, Patient: m.opt.Patient,
	})
}

func (j *Job) close() {
	j.source.Close()
	j.target.Close()
}

// Run replicates as the spec says and returns when that is done, or when ctx ends. Use
// it where there is no server to hold the job.
func (m *Manager) Run(ctx context.Context, spec Spec) (Result, error) {
	if err := m.check(&spec); err != nil {
		return Result{}, err
	}
	m.mu.Lock()
	spec.inherit(m.set.Defaults)
	job := m.newJob(&Request{Spec: spec, User: User{Admin: true}})
	m.mu.Unlock()
	defer job.close()
	return job.Run(ctx)
}
