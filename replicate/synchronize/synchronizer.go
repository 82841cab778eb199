package synchronize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

var (
	// ErrNone says that a database has no such synchronization.
	ErrNone = errors.New("no such synchronization")
	// ErrChanged says that a synchronization no longer has the given revision.
	ErrChanged = errors.New("the synchronization has changed")
)

// Options are what a Synchronizer needs.
type Options struct {
	Store      *store.Store
	Replicator Replicator
	Members    *members.Members // the processes that share the databases; nil: this one is alone
	Log        *slog.Logger     // nil: nothing is logged
	Now        func() time.Time // nil: time.Now
	// FirstPause is how long to wait after a failure outside a replication, which has pauses of
	// its own. The pause grows with each further failure, up to MaxPause (5 seconds, 5 minutes).
	FirstPause, MaxPause time.Duration
}

// Replicator runs replications; *replicate.Manager is one.
type Replicator interface {
	// Add runs a replication, again and again until it is done. The error is
	// *replicate.Taken if it has another owner.
	Add(replicate.Request) (id string, err error)
	// MaySend refuses a replication if the user may not send its headers.
	MaySend(*replicate.Spec, replicate.User) error
	// Remove ends a replication, and returns when it has ended.
	Remove(ctx context.Context, id string) error
}

// Synchronizer holds the synchronizations of a server.
type Synchronizer struct {
	opt     Options
	records records
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup

	reading chan struct{} // one slot, taken while the changes of other processes are read
	read    store.Seq     // of the definitions, guarded by it

	mu      sync.Mutex // guards what follows; no I/O under it
	all     map[string]*synchronization
	started bool
	closed  bool
}

// Open reads the synchronizations of a store. Start resumes them, and Close stops them.
func Open(ctx context.Context, opt Options) (*Synchronizer, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.FirstPause <= 0 {
		opt.FirstPause = 5 * time.Second
	}
	if opt.MaxPause <= 0 {
		opt.MaxPause = 5 * time.Minute
	}
	s := &Synchronizer{opt: opt, records: records{opt.Store}, reading: make(chan struct{}, 1), all: map[string]*synchronization{}}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	err := s.records.all(ctx, func(id string, rev revtree.Rev, d definition, st status) {
		s.all[id] = newSynchronization(s, id, rev, d, st)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the synchronizations: %w", err), s.Close())
	}
	s.meet()
	return s, nil
}

// Start resumes the synchronizations that Open has read. Call it once, before any request.
func (s *Synchronizer) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		x.start()
	}
	if s.opt.Members != nil {
		s.started = true
		s.wg.Go(s.follow)
	}
}

// Reload takes those that the store has now in the place of all others: their database was restored.
func (s *Synchronizer) Reload(ctx context.Context) error {
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.read = store.Seq{}
	return s.reload(ctx)
}

// reload is Reload with the slot for reading taken.
func (s *Synchronizer) reload(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return replicate.ErrClosed
	}
	old := s.all
	s.all = map[string]*synchronization{}
	s.mu.Unlock()
	for _, x := range old {
		x.changing.Lock()
		x.dismiss()
		x.end()
		x.changing.Unlock()
	}
	return s.records.all(ctx, func(id string, rev revtree.Rev, d definition, st status) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed || s.all[id] != nil { // it was created in the meantime
			return
		}
		x := newSynchronization(s, id, rev, d, st)
		s.all[id] = x
		x.start()
	})
}

// Close stops all synchronizations and waits until each has saved its status.
func (s *Synchronizer) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.wg.Wait()
	return nil
}

// Request is what a user wants of a synchronization.
type Request struct {
	By       replicate.User
	Settings []byte // a JSON object
	// May tells whether the user may read or write another database of this server.
	May func(db string, write bool) error
}

// Create makes a synchronization of a database, and starts it. Errors include
// *replicate.BadRequest and *replicate.BadEndpoint.
func (s *Synchronizer) Create(ctx context.Context, db string, request Request) (id string, err error) {
	d := definition{DB: db, Owner: request.By, Created: s.now()}
	if d.settings, err = readSettings(request.Settings, settings{}); err != nil {
		return "", err
	}
	if err := s.judge(ctx, &d, request.May); err != nil {
		return "", err
	}
	if err := s.maySend(&d, request.By); err != nil {
		return "", err
	}
	if d.Instance, err = s.instance(ctx, db); err != nil {
		return "", err
	}
	id = newID()
	rev, err := s.records.save(ctx, id, revtree.Rev{}, &d)
	if err != nil {
		return "", err
	}
	x := newSynchronization(s, id, rev, d, newStatus(waiting))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", replicate.ErrClosed // it starts after the restart
	}
	if s.all[id] == nil { // else it has already been read
		s.all[id] = x
		x.start()
	}
	return id, nil
}

// now returns the time as it is shown.
func (s *Synchronizer) now() time.Time { return shownTime(s.opt.Now()) }

// shownTime is a time to the millisecond.
func shownTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// judge refuses what cannot be done, or what this user may not do.
func (s *Synchronizer) judge(ctx context.Context, d *definition, may func(db string, write bool) error) error {
	remote, err := d.remote()
	if err != nil {
		return err
	}
	if remote.URL != "" {
		return nil
	}
	if remote.Local == d.DB {
		return badRequest("`remote` is the database itself")
	}
	if d.CreateRemote {
		if there, err := s.opt.Store.Exists(ctx, remote.Local); !there || err != nil {
			return err
		}
	}
	return may(remote.Local, d.Direction != pull)
}

// maySend refuses a definition if the user may not send its headers to the remote.
func (s *Synchronizer) maySend(d *definition, by replicate.User) error {
	spec, err := d.spec(push)
	if err != nil {
		return err
	}
	return s.opt.Replicator.MaySend(&spec, by)
}

// instance identifies the database that has a name now.
func (s *Synchronizer) instance(ctx context.Context, db string) (string, error) {
	local, err := s.opt.Store.Bare(ctx, db, store.ForSynchronizations)
	if err != nil {
		return "", err
	}
	defer local.Release()
	return local.Instance(), nil
}

// local tells which synchronizations are those of the database that has a name now. A database that
// was restored keeps its own.
func (s *Synchronizer) local(ctx context.Context, db string) (of func(*synchronization) bool, err error) {
	local, err := s.opt.Store.Bare(ctx, db, store.ForSynchronizations)
	if err != nil {
		return nil, err
	}
	local.Release() // what it was, it stays
	return func(x *synchronization) bool { return x.db == db && local.Was(x.instance) }, nil
}

// find finds a synchronization of a database.
func (s *Synchronizer) find(ctx context.Context, db, id string) (*synchronization, error) {
	ofDB, err := s.local(ctx, db)
	if err == nil {
		err = s.catchUp(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[id]
	if x == nil || !ofDB(x) {
		return nil, ErrNone
	}
	return x, nil
}

// hold finds a synchronization that is to be changed, and keeps other changes away until
// its changing is unlocked. rev, if not "", is the revision that it must have: ErrChanged.
func (s *Synchronizer) hold(ctx context.Context, db, id, rev string) (*synchronization, error) {
	x, err := s.find(ctx, db, id)
	if err != nil {
		return nil, err
	}
	x.changing.Lock()
	x.takeOn()
	if err := x.at(rev); err != nil {
		x.changing.Unlock()
		return nil, err
	}
	return x, nil
}

// IDs lists the synchronizations of a database, oldest first.
func (s *Synchronizer) IDs(ctx context.Context, db string) ([]string, error) {
	ofDB, err := s.local(ctx, db)
	if err == nil {
		err = s.catchUp(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*synchronization
	for _, x := range s.all {
		if ofDB(x) {
			found = append(found, x)
		}
	}
	slices.SortFunc(found, func(a, b *synchronization) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	ids := make([]string, len(found))
	for i, x := range found {
		ids[i] = x.id
	}
	return ids, nil
}

// Change changes the settings that a request names. rev, if not "", is the revision that the
// user knows. If it is no longer the current one, the error is ErrChanged.
func (s *Synchronizer) Change(ctx context.Context, db, id, rev string, request Request) error {
	return s.overtaken(func() error { return s.change(ctx, db, id, rev, request) })
}

func (s *Synchronizer) change(ctx context.Context, db, id, rev string, request Request) error {
	x, err := s.hold(ctx, db, id, rev)
	if err != nil {
		return err
	}
	defer x.changing.Unlock()
	d := x.definition()
	if d.settings, err = readSettings(request.Settings, d.settings); err != nil {
		return err
	}
	if err := x.sameRemote(&d); err != nil {
		return err
	}
	if err := s.judge(ctx, &d, request.May); err != nil {
		return err
	}
	if !bytes.Equal(d.Remote, x.definition().Remote) { // else this user did not choose the headers
		if err := errors.Join(s.maySend(&d, request.By), s.maySend(&d, d.Owner)); err != nil {
			return err
		}
	}
	next, err := s.records.save(ctx, id, x.revision(), &d)
	if err != nil {
		return err
	}
	x.end()
	x.become(next, d)
	err = s.restart(x)
	s.tell(ctx, x)
	return err
}

// Delete ends a synchronization. What it has moved stays where it is.
func (s *Synchronizer) Delete(ctx context.Context, db, id, rev string) error {
	return s.overtaken(func() error { return s.remove(ctx, db, id, rev) })
}

func (s *Synchronizer) remove(ctx context.Context, db, id, rev string) error {
	x, err := s.hold(ctx, db, id, rev)
	if err != nil {
		return err
	}
	defer x.changing.Unlock()
	x.end() // first, because ending it saves the status
	if err := s.records.remove(ctx, id, x.revision()); err != nil {
		return errors.Join(err, s.restart(x))
	}
	s.forget(x)
	s.free(ctx, x)
	return s.records.removeStatus(ctx, id)
}

// restart starts a synchronization again, unless the Synchronizer is being closed.
func (s *Synchronizer) restart(x *synchronization) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return replicate.ErrClosed
	}
	x.start()
	return nil
}

func (s *Synchronizer) forget(x *synchronization) {
	s.mu.Lock()
	delete(s.all, x.id)
	s.mu.Unlock()
	x.dismiss()
}

// Wait waits until the first run of a synchronization has ended or failed, or until ctx ends.
func (s *Synchronizer) Wait(ctx context.Context, db, id string) error {
	x, err := s.find(ctx, db, id)
	if err != nil {
		return err
	}
	if s.opt.Members != nil {
		return x.waitElsewhere(ctx)
	}
	select {
	case <-x.tried:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
