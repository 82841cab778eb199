package store

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/anykey"
)

// Store is the set of databases of one server. Its methods may be called from any
// goroutine.
type Store struct {
	eng    engine.Engine
	clock  engine.Clock    // the engine's, nil if it has none
	ctx    context.Context // for work that outlives its request; never cancelled
	opt    Options
	events *Events

	uploads *uploadMemory

	maxOpen, maxDocumentSize, maxIDLength, maxPartitionSize atomic.Int64 // from the options; they may change
	security                                                atomic.Pointer[func(name string) []byte]

	mu    sync.Mutex // guards what follows; no I/O under it
	open  map[string]*DB
	idle  *list.List      // of *DB without users, longest idle first
	going map[string]bool // databases that are being deleted or replaced: nobody may open them
	// Those of them that are being replaced, until there is the new one. Who wants the database waits
	// for that, and does not take it for deleted.
	replaced map[string]chan struct{}
	lefts    map[string]leftAt // of databases that were closed for want of use
	closed   bool
	wg       sync.WaitGroup // databases that have left open and are not closed yet; counted while not closed

	superseded map[string]superseded
	asked      askedCompactions
	waiting    atomic.Int64 // writes in queues; not guarded
	wrote      atomic.Int64 // when the last write ended, as Unix time in ns; not guarded
	visited    atomic.Int64 // when a user last opened a database; not guarded
}

// Open makes a Store on an engine. The engine remains the caller's: Close does not close it.
func Open(ctx context.Context, eng engine.Engine, opt Options) (*Store, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{eng: anykey.New(eng), ctx: context.WithoutCancel(ctx), opt: opt, events: newEvents(), uploads: newUploadMemory(opt.UploadMemory, opt.UploadWait), open: map[string]*DB{}, idle: list.New(), going: map[string]bool{}, replaced: map[string]chan struct{}{}, lefts: map[string]leftAt{}, superseded: map[string]superseded{}}
	s.clock, _ = eng.(engine.Clock)
	return s, s.SetLimits(opt)
}

// Shared reports whether other processes may write to the same databases.
func (s *Store) Shared() bool { return s.eng.Caps().Shared }

// Now is the time by the storage's clock, which is the same for all processes that share it. A storage
// without a clock has that of this process.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if s.clock == nil {
		return s.opt.Clock(), nil
	}
	now, err := s.clock.Now(ctx)
	return now, translate(err)
}

// Events is the feed of what happens to databases.
func (s *Store) Events() *Events { return s.events }

// Limits returns the options in force.
func (s *Store) Limits() Options {
	opt := s.opt
	opt.MaxOpen, opt.MaxDocumentSize = int(s.maxOpen.Load()), s.maxDocumentSize.Load()
	opt.MaxIDLength, opt.MaxPartitionSize = s.maxIDLength.Load(), s.maxPartitionSize.Load()
	return opt
}

// SetLimits changes the options that may change while the store is in use: MaxOpen,
// MaxDocumentSize, MaxIDLength and MaxPartitionSize. Existing documents stay, even if they exceed
// a new limit.
func (s *Store) SetLimits(opt Options) error {
	opt, err := opt.withDefaults()
	if err != nil {
		return err
	}
	s.maxOpen.Store(int64(opt.MaxOpen))
	s.maxDocumentSize.Store(opt.MaxDocumentSize)
	s.maxIDLength.Store(opt.MaxIDLength)
	s.maxPartitionSize.Store(opt.MaxPartitionSize)
	return nil
}

// SetNewSecurity says which security object a database gets when it is created. nil stands for
// DefaultSecurity. Databases that exist keep what they have.
func (s *Store) SetNewSecurity(of func(name string) []byte) { s.security.Store(&of) }

func (s *Store) newSecurity(name string) []byte {
	if of := s.security.Load(); of != nil {
		return (*of)(name)
	}
	return nil
}

// OpenDatabases is how many databases of those that Names lists are open at the moment.
func (s *Store) OpenDatabases() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.open)
	for _, name := range hiddenNames {
		if s.open[name] != nil && unlisted(name) {
			n--
		}
	}
	return n
}

// Close ends every feed, finishes the writes already begun and closes all databases.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	dbs := make([]*DB, 0, len(s.open))
	for _, db := range s.open {
		dbs = append(dbs, db)
	}
	s.mu.Unlock()

	var errs []error
	for _, db := range dbs {
		<-db.opened
		if db.openErr == nil {
			errs = append(errs, db.shut(ErrClosed))
		}
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

// Drop deletes a database and everything in it; feeds on it end.
func (s *Store) Drop(ctx context.Context, name string) error {
	if !ValidName(name) {
		return ErrNoDB
	}
	drop := s.dropTaken
	if s.Shared() {
		drop = s.dropShared
	}
	of, err := drop(ctx, name)
	switch {
	case errors.Is(err, engine.ErrNoDB):
		return ErrNoDB
	case errors.Is(err, ErrNoDB), errors.Is(err, ErrClosed):
		return err
	case err != nil:
		return fmt.Errorf("delete database %q: %w", name, translate(err))
	}
	s.events.add(Event{DB: name, Type: "deleted", At: At{Of: of, Era: s.Era()}})
	return nil
}

// dropTaken deletes a database that nobody can open meanwhile.
func (s *Store) dropTaken(ctx context.Context, name string) (of string, err error) {
	db, err := s.takeAway(ctx, name)
	if err != nil {
		return "", err
	}
	defer s.putBack(name, db)
	if of, err = s.dropped(ctx, name); err == nil {
		err = s.eng.Drop(ctx, name)
	}
	return of, err
}

// dropShared deletes a database that others may use as well. Until that is done it is there, here too: with the storage
// away it may take long, and not come to pass.
func (s *Store) dropShared(ctx context.Context, name string) (of string, err error) {
	if err := s.lockFor(ctx, name); err != nil {
		return "", err
	}
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return "", ErrClosed
	}
	if of, err = s.dropped(ctx, name); err != nil {
		return "", err
	}
	if err := s.eng.Drop(ctx, name); err != nil {
		return "", err
	}
	s.mu.Lock()
	db := s.open[name]
	delete(s.lefts, name)
	delete(s.superseded, name)
	s.mu.Unlock()
	if db != nil {
		<-db.opened
		if db.openErr == nil && (of == "" || string(db.edb.ID()) == of) { // another process may have made it again
			s.giveUp(db, ErrNoDB)
		}
	}
	return of, nil
}

// dropped is which database it is that is about to go, for those who tell of it late (Event.Before); "" if nobody
// else could, or if it is not known. The one that is open here may be another one, which was dropped elsewhere. An error
// says that the storage is away.
func (s *Store) dropped(ctx context.Context, name string) (of string, err error) {
	if _, tells := s.eng.(engine.Newest); !tells {
		return "", nil
	}
	edb, err := s.eng.Open(ctx, name)
	if errors.Is(err, engine.ErrUnavailable) {
		return "", err
	}
	if err != nil {
		return "", nil // Drop says what it is
	}
	defer edb.Close()
	return string(edb.ID()), nil
}

// takeAway ends the use of a database whose storage is about to go, and keeps everybody from opening
// it until putBack. The result is the open database, nil if it is not open. The error is ErrNoDB if
// somebody else has taken it away, or ErrClosed.
func (s *Store) takeAway(ctx context.Context, name string) (*DB, error) {
	return s.take(ctx, name, nil)
}

// takeToReplace is takeAway for a database in whose place another one comes: who wants to open it
// waits for that.
func (s *Store) takeToReplace(ctx context.Context, name string) (*DB, error) {
	return s.take(ctx, name, make(chan struct{}))
}

func (s *Store) take(ctx context.Context, name string, replaced chan struct{}) (*DB, error) {
	if err := s.lockFor(ctx, name); err != nil {
		return nil, err
	}
	if s.closed || s.going[name] {
		defer s.mu.Unlock()
		if s.closed {
			return nil, ErrClosed
		}
		return nil, ErrNoDB
	}
	s.going[name] = true
	if replaced != nil {
		s.replaced[name] = replaced
	}
	delete(s.lefts, name)
	db := s.open[name]
	if db != nil {
		s.part(db)
	}
	s.mu.Unlock()
	if db != nil {
		<-db.opened
		if db.openErr == nil {
			why := ErrNoDB
			if replaced != nil {
				why = ErrReplaced
			}
			db.stop(why)
		}
	}
	return db, nil
}

// putBack lets everybody open what is there now, and closes the database that was taken away.
func (s *Store) putBack(name string, db *DB) {
	s.mu.Lock()
	delete(s.going, name)
	delete(s.superseded, name)
	if over := s.replaced[name]; over != nil {
		delete(s.replaced, name)
		close(over)
	}
	s.mu.Unlock()
	switch {
	case db == nil:
	case db.openErr == nil:
		s.closeLater(db, ErrNoDB)
	default:
		s.wg.Done()
	}
}

// lockFor takes mu, after waiting until a database that is being replaced is there again.
func (s *Store) lockFor(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		over := s.replaced[name]
		if over == nil {
			return nil
		}
		s.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Exists reports whether there is a database of this name.
func (s *Store) Exists(ctx context.Context, name string) (bool, error) {
	db, _, err := s.current(ctx, name, 0)
	if errors.Is(err, ErrNoDB) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	db.Release()
	return true, nil
}

// Names lists databases in byte order: those after a name, at most limit of them (all if it is
// negative).
func (s *Store) Names(ctx context.Context, after string, limit int) ([]string, error) {
	var found []string
	for {
		names, err := s.eng.List(ctx, after, limit)
		if err != nil {
			return nil, fmt.Errorf("list databases: %w", translate(err))
		}
		shown := slices.DeleteFunc(slices.Clone(names), unlisted)
		if found = append(found, shown...); len(shown) == len(names) || len(names) < limit || limit < 0 {
			return found, nil
		}
		after, limit = names[len(names)-1], limit-len(shown) // who pages takes a short page for the last
	}
}

// db opens a database, or hands out the open one. The caller releases it when done.
func (s *Store) db(ctx context.Context, name string) (*DB, error) {
	db, joined, err := s.openOrJoin(ctx, name)
	if joined && errors.Is(err, ErrNoDB) { // it may have been made after that opening had begun
		db, _, err = s.openOrJoin(ctx, name)
	}
	return db, err
}

// openOrJoin is db, and tells whether somebody else had opened it, or had begun to.
func (s *Store) openOrJoin(ctx context.Context, name string) (_ *DB, joined bool, _ error) {
	if !ValidName(name) {
		return nil, false, ErrNoDB
	}
	if err := s.lockFor(ctx, name); err != nil {
		return nil, false, err
	}
	if s.closed {
		s.mu.Unlock()
		return nil, false, ErrClosed
	}
	if s.going[name] {
		s.mu.Unlock()
		return nil, false, ErrNoDB
	}
	db, found := s.open[name]
	if !found {
		db = newDB(s, name)
		s.open[name] = db
	}
	s.acquire(db)
	evicted := s.evict()
	s.mu.Unlock()

	for _, old := range evicted {
		s.closeLater(old, ErrNoDB)
	}
	if found {
		if err := db.whenOpened(ctx); err != nil {
			db.Release()
			return nil, false, err
		}
	} else {
		// Others wait for this opening, so it must not end with the first caller's request.
		db.openErr = db.start(context.WithoutCancel(ctx))
		close(db.opened)
	}
	if db.openErr != nil {
		s.mu.Lock()
		s.forget(db)
		s.mu.Unlock()
		return nil, found, db.openErr
	}
	return db, found, nil
}

// whenOpened waits until start is over.
func (db *DB) whenOpened(ctx context.Context) error {
	select {
	case <-db.opened:
		return nil
	default:
	}
	select {
	case <-db.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// acquire counts a user of db, which stays on the list of idle ones until somebody looks for one. The
// caller holds mu.
func (s *Store) acquire(db *DB) {
	db.users++
}

// release takes a user off the count.
func (s *Store) release(db *DB) {
	s.mu.Lock()
	db.users--
	if db.users == 0 && s.open[db.name] == db {
		if db.idle == nil {
			db.idle = s.idle.PushBack(db)
		} else {
			s.idle.MoveToBack(db.idle)
		}
	}
	evicted := s.evict()
	s.mu.Unlock()
	for _, old := range evicted {
		s.closeLater(old, ErrNoDB)
	}
}

// oldestIdle takes the database off the list of idle ones that nobody has used for longest; nil if there
// is none. The caller holds mu.
func (s *Store) oldestIdle() *DB {
	for first := s.idle.Front(); first != nil; first = s.idle.Front() {
		db := first.Value.(*DB)
		s.idle.Remove(first)
		db.idle = nil
		if db.users == 0 {
			return db
		}
	}
	return nil
}

// evict removes idle databases until no more than MaxOpen are left. The caller holds mu, and
// closes the returned databases after releasing it.
func (s *Store) evict() (out []*DB) {
	for int64(len(s.open)) > s.maxOpen.Load() && !s.closed {
		db := s.oldestIdle()
		if db == nil {
			break
		}
		s.leaving(db)
		s.part(db)
		out = append(out, db)
	}
	return out
}

// room is how many databases MakeRoom closes at a time.
const room = 16

// MakeRoom closes some databases that nobody uses, the longest idle first, for a caller that
// has run out of files to open. It returns false if there are none.
func (s *Store) MakeRoom() bool {
	var out []*DB
	s.mu.Lock()
	for len(out) < room && !s.closed {
		db := s.oldestIdle()
		if db == nil {
			break
		}
		s.leaving(db)
		s.part(db)
		out = append(out, db)
	}
	s.mu.Unlock()
	for _, db := range out {
		s.parted(db, ErrNoDB)
	}
	return len(out) > 0
}

// forget takes db off the books. The caller holds mu.
func (s *Store) forget(db *DB) {
	if s.open[db.name] == db {
		delete(s.open, db.name)
	}
	if db.idle != nil {
		s.idle.Remove(db.idle)
		db.idle = nil
	}
}

// part is forget for a database that the caller goes on to close (parted): Close waits for that. The caller holds mu,
// and the store is not closed.
func (s *Store) part(db *DB) {
	s.forget(db)
	s.wg.Add(1)
}

// parted closes a database that part has taken off the books.
func (s *Store) parted(db *DB, why error) {
	defer s.wg.Done()
	if err := db.shut(why); err != nil {
		s.opt.Logger.Error("cannot close a database", "db", db.name, "error", err)
	}
}

// closeLater is parted without keeping the caller waiting.
func (s *Store) closeLater(db *DB, why error) { go s.parted(db, why) }

// giveUp closes a database whose storage is damaged, or that another process has dropped. The next
// caller opens it anew: by then it may have been repaired, or made again.
func (s *Store) giveUp(db *DB, why error) {
	s.mu.Lock()
	ours := s.open[db.name] == db && !s.closed
	if ours {
		s.part(db)
	}
	s.mu.Unlock()
	db.stop(why)
	if ours {
		s.closeLater(db, why)
	}
}

// translate maps an engine's error to the store's.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrNoDB):
		return ErrNoDB
	case errors.Is(err, engine.ErrForeign):
		return fmt.Errorf("%w: %v", ErrDamaged, err)
	case errors.Is(err, engine.ErrFull):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, engine.ErrUnknown):
		return fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrUnknown, err)
	case errors.Is(err, engine.ErrHeld):
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrHeld)
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, engine.ErrTooManyOpen):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, engine.ErrClosed):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}
