package replicate

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
)

// Options say what a Manager stands on.
type Options struct {
	Store *store.Store // for databases that are named without a URL; nil: there are none
	// Open opens such a database for a user, with a handle that shows and takes what that
	// user may see and write: ErrNoDB, ErrUnauthorized, ErrForbidden. nil: everybody may do
	// everything.
	Open   func(ctx context.Context, name string, user User) (*store.DB, error)
	Server string       // the server's uuid, part of replication ids
	Log    *slog.Logger // nil: nothing is logged
	Client *http.Client // nil: NewClient
	Now    func() time.Time
}

// User is for whom a replication works on databases of this server.
type User struct {
	Name  string
	Roles []string
	Admin bool // of the server
}

// Manager runs the replications of a server. The same replication, asked for twice, runs
// once.
type Manager struct {
	opt  Options
	ctx  context.Context // of all jobs
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	jobs   map[string]*running
	closed bool
}

// running is a job under way.
type running struct {
	job     *Job
	user    string
	ctx     context.Context // ends when the job is told to stop
	cancel  context.CancelFunc
	done    chan struct{} // closed when result and err are set
	result  Result
	err     error
	waiters int // requests that wait for a one-time job; guarded by Manager.mu
}

// NewManager makes a Manager. Its jobs outlive ctx: they end with Close.
func NewManager(ctx context.Context, opt Options) (*Manager, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Client == nil {
		opt.Client = NewClient()
	}
	m := &Manager{opt: opt, jobs: map[string]*running{}}
	m.ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	return m, nil
}

// Close stops all jobs and waits for them; each writes a last checkpoint.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop()
	m.wg.Wait()
	m.opt.Client.CloseIdleConnections()
	return nil
}

// peer makes one side of a replication.
func (m *Manager) peer(e Endpoint, user User) (Peer, error) {
	if e.URL != "" {
		return RemotePeer(e, m.opt.Client), nil
	}
	if m.opt.Store == nil || e.Local == "" {
		return nil, &PeerError{Peer: e.Local, Err: ErrNoDB}
	}
	p := &localPeer{store: m.opt.Store, name: e.Local}
	if m.opt.Open != nil {
		p.open = func(ctx context.Context) (*store.DB, error) { return m.opt.Open(ctx, e.Local, user) }
		p.mayNotCreate = !user.Admin
	}
	return p, nil
}

// Run replicates as the spec says and returns when that is done, or when ctx ends. Use
// it where there is no server to hold the job.
func (m *Manager) Run(ctx context.Context, spec Spec) (Result, error) {
	job, err := m.newJob(spec, User{Admin: true})
	if err != nil {
		return Result{}, err
	}
	defer job.close()
	return job.Run(ctx)
}

func (m *Manager) newJob(spec Spec, user User) (*Job, error) {
	source, err := m.peer(spec.Source, user)
	if err != nil {
		return nil, err
	}
	target, err := m.peer(spec.Target, user)
	if err != nil {
		return nil, err
	}
	return NewJob(spec, JobOptions{Server: m.opt.Server, Source: source, Target: target, Log: m.opt.Log, Now: m.opt.Now}), nil
}

func (j *Job) close() {
	j.source.Close()
	j.target.Close()
}

// Replicate does what a POST to /_replicate asks for; the request is its body. It
// returns the JSON to answer with: when a one-time replication is done, or a cancelled
// one has stopped; at once, with started, for a continuous one. When ctx ends, and
// nobody else waits for it, a one-time replication ends too.
func (m *Manager) Replicate(ctx context.Context, request []byte, user User) (answer []byte, started bool, err error) {
	spec, err := ParseSpec(request)
	if err != nil {
		return nil, false, err
	}
	if spec.Cancel {
		id := spec.ID
		if id == "" {
			id = spec.JobID(m.opt.Server)
		}
		if err := m.Cancel(ctx, id); err != nil {
			return nil, false, err
		}
		return localID(id), false, nil
	}
	r, err := m.start(ctx, spec, user)
	if err != nil {
		return nil, false, err
	}
	if spec.Continuous {
		return localID(r.job.id), true, nil
	}
	select {
	case <-r.done:
		m.leave(r)
	case <-ctx.Done():
		m.leave(r)
		return nil, false, ctx.Err()
	}
	if r.err != nil {
		return nil, false, r.err
	}
	answer, err = r.result.JSON()
	return answer, false, err
}

func localID(id string) []byte {
	b, err := json.Marshal(id)
	if err != nil {
		panic(err) // a string
	}
	return fmt.Appendf(nil, `{"ok":true,"_local_id":%s}`, b)
}

// start starts a job, or finds the one that is under way. One that is being stopped is
// waited for: whoever asks for it now wants it done.
func (m *Manager) start(ctx context.Context, spec Spec, user User) (*running, error) {
	job, err := m.newJob(spec, user)
	if err != nil {
		return nil, err
	}
	for {
		r, joined, err := m.join(job, user)
		if r == nil || joined && r.job != job {
			job.close()
		}
		if joined || err != nil {
			return r, err
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			job.close()
			return nil, ctx.Err()
		}
	}
}

// join counts a request to the job of its id, which it starts if there is none, unless
// that job is being stopped.
func (m *Manager) join(job *Job, user User) (r *running, joined bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, false, ErrClosed
	}
	r = m.jobs[job.id]
	if r != nil && r.ctx.Err() != nil {
		return r, false, nil
	}
	if r == nil {
		r = &running{job: job, user: user.Name, done: make(chan struct{})}
		r.ctx, r.cancel = context.WithCancel(m.ctx)
		m.jobs[job.id] = r
		m.wg.Go(func() { m.run(r) })
	}
	r.waiters++
	return r, true, nil
}

// run runs a job to its end. A continuous one has nobody who waits for its end, so
// what ends it is logged.
func (m *Manager) run(r *running) {
	defer r.cancel()
	r.result, r.err = r.job.Run(r.ctx)
	r.job.close()
	if r.err != nil && r.ctx.Err() == nil && r.job.spec.Continuous {
		m.opt.Log.Error("replication failed", "replication", r.job.id, "source", r.job.source.Name(), "target", r.job.target.Name(), "error", r.err)
	}
	m.mu.Lock()
	delete(m.jobs, r.job.id)
	m.mu.Unlock()
	close(r.done)
}

// leave counts a waiting request off; without any a one-time job is of no use.
func (m *Manager) leave(r *running) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.waiters--
	if r.waiters == 0 && !r.job.spec.Continuous {
		r.cancel()
	}
}

// Cancel stops a job and waits until it has written its last checkpoint: ErrNoJob.
func (m *Manager) Cancel(ctx context.Context, id string) error {
	m.mu.Lock()
	r := m.jobs[id]
	if r != nil {
		r.cancel()
	}
	m.mu.Unlock()
	if r == nil {
		return ErrNoJob
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tasks are the jobs under way as _active_tasks shows them.
func (m *Manager) Tasks() [][]byte {
	m.mu.Lock()
	all := make([]*running, 0, len(m.jobs))
	for _, r := range m.jobs {
		all = append(all, r)
	}
	m.mu.Unlock()
	out := make([][]byte, 0, len(all))
	for _, r := range all {
		out = append(out, r.task())
	}
	return out
}

// task is a job as _active_tasks shows it; source and target are without credentials.
func (r *running) task() []byte {
	j := r.job
	j.mu.Lock()
	defer j.mu.Unlock()
	task := map[string]any{
		"type": "replication", "node": "nonode@nohost", "pid": fmt.Sprintf("<0.%d.0>", os.Getpid()), "user": r.user,
		"replication_id": j.id, "doc_id": nil, "database": nil,
		"source": j.source.Name(), "target": j.target.Name(), "continuous": j.spec.Continuous,
		"checkpoint_interval": j.spec.CheckpointInterval.Milliseconds(),
		"started_on":          j.started.Unix(), "updated_on": j.updated.Unix(), "process_status": "waiting",
		"docs_read": j.stats.DocsRead, "docs_written": j.stats.DocsWritten, "doc_write_failures": j.stats.DocWriteFailures,
		"bulk_get_docs": j.stats.BulkGetDocs, "bulk_get_attempts": j.stats.BulkGetAttempts,
		"revisions_checked": j.stats.MissingChecked, "missing_revisions_found": j.stats.MissingFound,
		"source_seq": orZero(j.sourceAt), "through_seq": orZero(j.through), "checkpointed_source_seq": orZero(j.recorded),
	}
	if j.pending >= 0 {
		task["changes_pending"] = j.pending
	} else {
		task["changes_pending"] = nil
	}
	if j.trouble != nil {
		task["error"] = j.trouble.Error()
	}
	b, err := json.Marshal(task)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

func orZero(seq string) string {
	if seq == "" {
		return "0"
	}
	return seq
}
