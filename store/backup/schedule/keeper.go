package schedule

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/members"
)

// Setup is what the settings say about backups.
type Setup struct {
	Target string // as it is shown; "": no backups
	Plan   Plan
	Text   string // of the plan
	Keep   repository.Keep
	// Open opens the target to make backups in, and begins it if it is empty. Look opens it to read.
	Open, Look func(ctx context.Context) (*repository.Repository, error)
	Err        error // why the settings cannot be used
}

// Options are what a Keeper needs.
type Options struct {
	Source   backup.Source
	Server   func() string                       // the server's uuid
	Version  string                              // of the program
	Settings func() map[string]map[string]string // of the server, without secrets
	Watch    func() repository.Watch             // what changes
	Setup    func() Setup                        // read again before each run
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
	Members  *members.Members // the processes that share the databases; nil: this one is alone
}

// Run is a backup that was made, or was to be made.
type Run struct {
	ID        string    `json:"id,omitempty"`
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`
	Error     string    `json:"error,omitempty"`
	Databases int       `json:"databases"`
	Documents uint64    `json:"documents"`
	Stored    int64     `json:"stored_bytes"` // what the run brought
	Size      int64     `json:"total_bytes"`  // what the backup has
	Forgotten int       `json:"forgotten"`    // older backups
	Freed     int64     `json:"freed_bytes"`
}

// State is how the backups of a server are.
type State struct {
	Target   string     `json:"target"`
	Schedule string     `json:"schedule"`
	Error    string     `json:"error,omitempty"` // of the settings
	Next     *time.Time `json:"next"`            // null: nothing is planned, or it follows changes
	Running  *Running   `json:"running"`         // null: nothing is
	Made     uint64     `json:"made"`            // since the server started
	Failed   uint64     `json:"failed"`
	Stored   int64      `json:"stored_bytes"`
	Last     []Run      `json:"last"` // the newest first; since the server started
}

// Running is the run that is going on.
type Running struct {
	Began     time.Time `json:"began"`
	Updated   time.Time `json:"updated"`
	Database  string    `json:"database"`
	Done      int       `json:"databases_done"`
	Databases int       `json:"databases"`
	Documents uint64    `json:"documents"`
	Bytes     int64     `json:"bytes"`
}

// remembered is how many runs are shown.
const remembered = 20

// Keeper makes the backups of a server.
type Keeper struct {
	opt  Options
	wake chan struct{} // the settings have changed, or somebody wants a backup now

	following atomic.Bool // backups follow changes
	leads     atomic.Bool // this process makes the backups

	mu    sync.Mutex // guards what follows
	state State
	now   bool // somebody wants a backup
}

// New makes a Keeper. It does nothing before Run.
func New(opt Options) *Keeper {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Keeper{opt: opt, wake: make(chan struct{}, 1)}
}

// State tells how the backups of this process are.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.state
	s.Last = append([]Run{}, s.Last...) // [], not null
	if s.Running != nil {
		running := *s.Running
		s.Running = &running
	}
	return s
}

// ErrOff says that the settings name no target for backups.
var ErrOff = errors.New("no target for backups is set")

// SettingsError says why the settings of backups cannot be used.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string {
	return "The settings of [backup] cannot be used: " + e.Err.Error()
}
func (e *SettingsError) Unwrap() error { return e.Err }

// Look opens the target to read what is in it, which changes nothing. The error is ErrOff or
// *SettingsError, or says why nobody can read there.
func (k *Keeper) Look(ctx context.Context) (*repository.Repository, error) {
	setup := k.opt.Setup()
	if setup.Err != nil {
		return nil, &SettingsError{setup.Err}
	}
	if setup.Target == "" {
		return nil, ErrOff
	}
	repo, err := setup.Look(ctx)
	if err != nil {
		return nil, err
	}
	repo.Wait = patience
	return repo, nil
}

// patience is how long somebody who looks into backups waits for prune.
const patience = 15 * time.Second

// Start has a backup made now, by the process that makes them. The error is ErrOff or *SettingsError.
func (k *Keeper) Start(ctx context.Context) error {
	setup := k.opt.Setup()
	if setup.Err != nil {
		return &SettingsError{setup.Err}
	}
	if setup.Target == "" {
		return ErrOff
	}
	if k.opt.Members != nil {
		return k.wish(ctx)
	}
	k.startHere()
	return nil
}

func (k *Keeper) startHere() {
	k.mu.Lock()
	k.now = true
	k.mu.Unlock()
	k.Changed()
}

// Changed says that the settings may have changed.
func (k *Keeper) Changed() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Times between tries: after the start of the server, and after a run that failed.
const (
	settle = 2 * time.Second
	again  = 5 * time.Minute
)

// Run makes backups until the context ends. A run that is going on then is cut, and the next one goes
// on from there; backups that follow changes ship first what has changed. Of processes that share the databases, one at a time may run.
func (k *Keeper) Run(ctx context.Context) {
	if k.opt.Members != nil {
		k.lead(ctx)
		return
	}
	k.work(ctx)
}

func (k *Keeper) work(ctx context.Context) {
	var last, tried time.Time // the newest backup; the last try, if it failed
	known := ""               // the target whose newest backup last is
	wrong := ""               // what was wrong with the settings
	for ctx.Err() == nil {
		if now := k.wall(); last.After(now) { // the clock has been set back: it was made now at the latest
			last = now
		}
		setup := k.opt.Setup()
		was := wrong
		if wrong = ""; setup.Err != nil {
			wrong = setup.Err.Error()
		}
		if wrong != "" && wrong != was {
			k.opt.Log.ErrorContext(ctx, "no backups are made: the settings cannot be used", "target", setup.Target, "error", setup.Err)
		}
		if setup.Target != known {
			known, last, tried = setup.Target, time.Time{}, time.Time{}
			if setup.Target != "" && setup.Err == nil {
				last = k.newest(ctx, setup)
			}
		}
		next, planned := k.next(setup, last, tried)
		k.show(setup, next, planned)
		now, wanted := k.wait(ctx, next, planned)
		if !now {
			continue // something has changed
		}
		if setup = k.opt.Setup(); setup.Target != known || setup.Err != nil {
			if wanted && setup.Target != "" && setup.Err == nil {
				k.startHere() // in the target that there is now
			}
			continue
		}
		if setup.Plan.Continuous() {
			k.follow(ctx, setup)
			tried = k.opt.Now()
			continue
		}
		if k.once(ctx, setup) {
			last, tried = k.wall(), time.Time{}
		} else {
			tried = k.opt.Now()
		}
	}
}

// wall is the time of day, by which plans go: also while a machine sleeps.
func (k *Keeper) wall() time.Time { return k.opt.Now().Round(0) }

// next is when to make a backup.
func (k *Keeper) next(s Setup, last, tried time.Time) (at time.Time, planned bool) {
	now := k.opt.Now()
	switch {
	case s.Target == "" || s.Err != nil || s.Plan.IsZero():
		return at, false
	case last.IsZero() || s.Plan.Continuous():
		at = now
	default:
		at = s.Plan.Next(last)
	}
	if !tried.IsZero() && at.Before(tried.Add(again)) {
		at = tried.Add(again)
	}
	if soon := now.Add(settle); at.Before(soon) && tried.IsZero() {
		at = soon
	}
	return at, true
}

// wait waits until it is time for a backup, or somebody wants one. It returns false if something else has to be looked at.
func (k *Keeper) wait(ctx context.Context, at time.Time, planned bool) (now, wanted bool) {
	k.mu.Lock()
	wanted = k.now
	k.now = false
	k.mu.Unlock()
	if wanted {
		return true, true
	}
	var due <-chan time.Time
	if planned {
		timer := time.NewTimer(min(at.Sub(k.opt.Now()), time.Hour)) // clocks are set
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false, false
	case <-k.wake:
		return false, false
	case <-due:
		return !k.opt.Now().Before(at), false
	}
}

// newest is the time of the newest backup of this server, zero if there is none or nobody can say. One
// from the future was made by a clock that was wrong.
func (k *Keeper) newest(ctx context.Context, s Setup) time.Time {
	repo, err := s.Open(ctx)
	if err != nil {
		return time.Time{}
	}
	at, _ := repo.Newest(ctx, k.opt.Server())
	if at.After(k.opt.Now()) {
		return time.Time{}
	}
	return at.Local()
}

func (k *Keeper) show(s Setup, next time.Time, planned bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state.Target, k.state.Schedule, k.state.Error, k.state.Next = s.Target, s.Text, "", nil
	if s.Err != nil {
		k.state.Error = s.Err.Error()
	}
	if planned && !s.Plan.Continuous() {
		k.state.Next = &next
	}
}

func (k *Keeper) making() repository.Making {
	return repository.Making{
		Server: k.opt.Server(), Version: k.opt.Version, Settings: k.opt.Settings(), Wait: again,
		Progress: func(p repository.Progress) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if r := k.state.Running; r != nil {
				r.Updated = k.opt.Now()
				r.Database, r.Done, r.Databases, r.Documents, r.Bytes = p.Database, p.Done, p.All, p.Documents, p.Bytes
			}
		},
	}
}

func (k *Keeper) began() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.opt.Now()
	k.state.Running = &Running{Began: now, Updated: now}
	return now
}

// once makes one backup, and tells whether it was made.
func (k *Keeper) once(ctx context.Context, s Setup) bool {
	run := Run{Began: k.began()}
	repo, err := s.Open(ctx)
	var b *repository.Backup
	if err == nil {
		b, err = repo.Make(ctx, k.opt.Source, k.making())
	}
	if b != nil {
		err = errors.Join(err, k.tidy(ctx, repo, s, &run))
	}
	k.ended(ctx, run, b, err)
	return b != nil
}

// tidy forgets what no rule keeps, and deletes what only that needed.
func (k *Keeper) tidy(ctx context.Context, repo *repository.Repository, s Setup, run *Run) error {
	if s.Keep.IsZero() {
		return nil
	}
	gone, err := repo.Forget(ctx, repository.Forgetting{Keep: s.Keep, Server: k.opt.Server()})
	run.Forgotten = len(gone)
	if err != nil || len(gone) == 0 {
		return err
	}
	done, err := repo.Prune(ctx, repository.Pruning{Wait: again})
	run.Freed = done.Bytes
	return err
}

// ended takes a run in.
func (k *Keeper) ended(ctx context.Context, run Run, b *repository.Backup, err error) {
	run.Ended = k.opt.Now()
	if b != nil {
		run.ID, run.Databases, run.Stored, run.Size, run.Began = b.ID, len(b.Chains), b.Stored, b.Bytes(), b.Began
		for _, c := range b.Chains {
			run.Documents += c.Documents
		}
	}
	stopped := err != nil && ctx.Err() != nil
	switch {
	case stopped:
		k.opt.Log.InfoContext(ctx, "backup is cut; the next one goes on from here")
	case err != nil:
		run.Error = err.Error()
		k.opt.Log.ErrorContext(ctx, "backup", "id", run.ID, "error", err)
	default:
		level := slog.LevelInfo
		if k.following.Load() { // every few seconds
			level = slog.LevelDebug
		}
		k.opt.Log.Log(ctx, level, "backup made", "id", run.ID, "databases", run.Databases, "stored", run.Stored, "took", run.Ended.Sub(run.Began).Round(time.Millisecond).String())
	}
	if b != nil && b.Anew > 0 {
		k.opt.Log.WarnContext(ctx, "backup: parts that earlier backups need are missing; their databases are stored anew", "id", run.ID, "databases", b.Anew)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state.Running = nil
	if stopped && b == nil {
		return
	}
	if b != nil {
		k.state.Made++
		k.state.Stored += b.Stored
	}
	if err != nil && !stopped {
		k.state.Failed++
	}
	k.state.Last = slices.Insert(k.state.Last, 0, run)
	k.state.Last = k.state.Last[:min(len(k.state.Last), remembered)]
}

const (
	// followKeep is the time between backups that stay while they follow changes.
	followKeep = time.Minute
	// followEnd is how long changes may still be shipped when the server stops. Requests are answered for longer.
	followEnd = 5 * time.Second
)

// follow makes backups as databases change, until the settings do, and in the end one of what has changed until then.
func (k *Keeper) follow(ctx context.Context, s Setup) {
	following, stop := context.WithCancel(ctx)
	defer stop()
	k.following.Store(true)
	defer k.following.Store(false)
	began := k.began()
	repo, err := s.Open(ctx)
	if err != nil {
		k.ended(ctx, Run{Began: began}, nil, err)
		return
	}
	var run Run
	f := repository.Following{Making: k.making(), Watch: k.opt.Watch(), Every: followKeep, Ending: followEnd}
	f.Made = func(b *repository.Backup, err error) {
		run.Began = began
		k.ended(following, run, b, err)
		run, began = Run{}, k.opt.Now()
	}
	f.Idle = func(ctx context.Context) {
		if k.stale(s) {
			stop()
			return
		}
		began = k.opt.Now()
	}
	f.Tidy = func(ctx context.Context) {
		err := k.tidy(ctx, repo, s, &run)
		if err == nil { // without rules too: what has been replaced is not needed
			var done repository.Pruned
			done, err = repo.Prune(ctx, repository.Pruning{Wait: again})
			run.Freed += done.Bytes
		}
		if err != nil {
			k.opt.Log.ErrorContext(ctx, "backups: forget and prune", "error", err)
		}
	}
	if err := repo.Follow(following, k.opt.Source, f); err != nil {
		k.ended(ctx, Run{Began: began}, nil, err)
	}
	k.mu.Lock()
	k.state.Running = nil
	k.mu.Unlock()
}

// stale tells whether the settings are others than those that a run began with.
func (k *Keeper) stale(s Setup) bool {
	now := k.opt.Setup()
	return now.Err != nil || now.Target != s.Target || now.Text != s.Text || now.Keep != s.Keep
}
