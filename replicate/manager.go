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

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/fair"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/members"
)

// Options are what a Manager needs.
type Options struct {
	Store *store.Store // for databases that are named without a URL; nil: there are none
	// Open opens such a database for a user. Its handle shows what that user may see and
	// accepts what they may write. Errors: ErrNoDB, ErrUnauthorized, ErrForbidden. nil: there
	// are no such databases.
	Open func(ctx context.Context, name string, user User) (*store.DB, error)
	// IsAdmin tells whether a name belongs to a server administrator. It is called for the
	// owners of documents. nil: everybody is one.
	IsAdmin func(name string) bool
	// Filters opens the filters of sources that are databases of this server. nil: filter
	// functions do not run here, and a selector looks at every change.
	Filters *filter.Opener
	Server  string       // the server's uuid, part of replication ids
	Log     *slog.Logger // nil: nothing is logged
	TLS     *tls.Config  // which certificates are trusted; nil: as the system says
	// Wrap, if not nil, wraps the transports that send requests to peers.
	Wrap     func(http.RoundTripper) http.RoundTripper
	Now      func() time.Time
	Settings Settings
	// Allowed, if not nil, tells whether users with an account may still do what they could do
	// when they asked. It is called before each run of a job and from time to time during it,
	// even for a job between two other servers. Its error ends the run.
	Allowed func(context.Context, User) error
	// Origin takes from the context of a request for a replication what the requests to its
	// peers shall pass on. It returns a function that puts it into their contexts. nil: they
	// pass on nothing.
	Origin func(context.Context) func(context.Context) context.Context
	// Patient jobs retry a failing peer for ever, and end with an error that retrying cannot
	// help. Commands want this. Other jobs give up after Spec.Retries, and the scheduler runs
	// them again later.
	Patient bool
	// Members are the processes that run the documents of the same databases. The job of a document
	// then needs a lease. nil: this process is alone.
	Members *members.Members
	// Node is what this process is called where jobs are shown (as a single CouchDB calls itself).
	Node string
}

// User is a user for whom a replication works on databases of this server.
type User struct {
	Name  string
	Roles []string
	Admin bool // of the server
	// Account says that they have an account on this server. Then the account decides what they
	// may do each time it is asked, and they may do nothing once it is gone. Others keep the
	// rights that they had when they asked.
	Account bool `json:",omitempty"`
	// Mark tells the account apart from earlier and later ones with the same name; "" if this is
	// not known.
	Mark string `json:",omitempty"`
}

func (u User) is(o User) bool {
	return u.Name == o.Name && u.Admin == o.Admin && u.Mark == o.Mark && slices.Equal(u.Roles, o.Roles)
}

// Manager runs the replications of a server. If the same replication is requested twice, it
// runs once.
type Manager struct {
	opt  Options
	ctx  context.Context // of all jobs
	halt context.CancelFunc
	wg   sync.WaitGroup
	look chan struct{} // there may be something for the scheduler to do

	askAgain  time.Duration // after it was found that another process runs a job
	lostAgain time.Duration // after it was found that perhaps none does

	awayWithin time.Duration // see there
	askEvery   time.Duration // Options.Allowed

	mu       sync.Mutex // guards what follows
	set      Settings
	docs     *documents // nil: documents are not followed
	tasks    map[string]*task
	number   int
	line     fair.Line[*task] // tasks that may run now, and running ones
	sleeping fair.Line[*task] // tasks whose time has not come
	rotated  time.Time
	closed   bool

	sessions *simplelru.LRU[[sha256.Size]byte, *login]

	ways *ways // from here to peers
}

// NewManager makes a Manager. Its jobs outlive ctx. They end with Close.
func NewManager(ctx context.Context, opt Options) (*Manager, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Node == "" {
		opt.Node = singleNode
	}
	m := &Manager{
		askAgain: askAgain, lostAgain: lostAgain, awayWithin: awayWithin, askEvery: askEvery, opt: opt, set: opt.Settings.withDefaults(), look: make(chan struct{}, 1),
		tasks: map[string]*task{}, rotated: opt.Now(),
		ways: newWays(opt.TLS, opt.Wrap),
	}
	m.line = fair.Line[*task]{Slots: m.set.MaxJobs, Rule: fair.Fewest, Less: byTurn}
	m.sleeping.Less = byNextTry
	m.sessions, _ = simplelru.NewLRU[[sha256.Size]byte, *login](maxSessions, nil) // it fails only for a size below 1
	m.ways.setNetworks(opt.Settings.Networks)
	m.ctx, m.halt = context.WithCancel(context.WithoutCancel(ctx))
	m.wg.Go(func() { m.schedule(m.ctx) })
	m.meet()
	return m, nil
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
	m.ways.close()
	return nil
}

// peer makes one side of a replication. It is a database of this server as user may use it,
// or one elsewhere, which gets its requests in the name of by. The lock is held.
func (m *Manager) peer(e Endpoint, user, by User) Peer {
	if e.URL != "" {
		client := m.ways.client(by, e.Proxy)
		return newRemotePeer(e, client, m.session(newLogin(&e, client), by, e.Proxy))
	}
	p := &localPeer{store: m.opt.Store, filters: m.opt.Filters, name: e.Local, instance: e.Instance, user: user.Name, newDB: e.NewDB}
	p.open = func(ctx context.Context) (*store.DB, error) { return m.opt.Open(ctx, e.Local, user) }
	p.mayNotCreate = !user.Admin
	return p
}

// session returns the session that all jobs of a user with the same credentials at a server
// share. The lock is held.
func (m *Manager) session(s *login, user User, proxy *url.URL) *login {
	if s == nil {
		return nil
	}
	key := s.key(user, proxy)
	if shared, known := m.sessions.Get(key); known {
		return shared
	}
	m.sessions.Add(key, s)
	return s
}

// check refuses sides that name nothing.
func (m *Manager) check(spec *Spec) error {
	for _, e := range []Endpoint{spec.Source, spec.Target} {
		if e.URL == "" && (m.opt.Store == nil || m.opt.Open == nil || e.Local == "") {
			return &PeerError{Peer: e.Local, Err: ErrNoDB}
		}
	}
	return nil
}

// MaySend refuses a replication if this user may not send its headers. The error is
// *RefusedHeader.
func (m *Manager) MaySend(spec *Spec, user User) error {
	if user.Admin {
		return nil
	}
	set := m.settings()
	return set.Headers.Check(spec)
}

// newJob makes a job for one run. The lock is held.
func (m *Manager) newJob(req *Request) *Job {
	by := req.by()
	return NewJob(req.Spec, JobOptions{
		Server: m.opt.Server, Source: observe(m.peer(req.Spec.Source, req.User, by), req.Source), Target: observe(m.peer(req.Spec.Target, req.User, by), req.Target),
		Log: m.opt.Log, Now: m.opt.Now, Patient: m.opt.Patient, Awaited: req.OneTry, Reopened: m.reopened,
	})
}

// reopened has all running jobs with this peer look whether they still have what they had there. A
// job that only writes to a peer hears nothing from it.
func (m *Manager) reopened(peer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tasks {
		if t.job != nil && (t.job.source.Name() == peer || t.job.target.Name() == peer) {
			t.job.lookSoon()
		}
	}
}

func (j *Job) close() {
	j.source.Close()
	j.target.Close()
}

// Run replicates as the spec says and returns when it is done or ctx ends. Use it if there
// is no server to hold the job.
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
