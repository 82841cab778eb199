package index

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// Index is an open index. A caller that gets it from Manager.Open releases it when done.
type Index struct {
	m   *Manager
	id  indexID
	def *Definition

	opened  chan struct{} // closed when start is over; guards the fields that start sets
	openErr error
	closed  chan struct{} // closed when all is over
	retired chan struct{} // closed by retire
	poke    chan struct{} // signals that somebody waits

	db store.Bare

	users      int       // guarded by m.mu
	idleSince  time.Time // guarded by m.mu
	going      bool      // guarded by m.mu; retired is closed
	compacting bool      // guarded by m.mu

	mu       sync.Mutex // guards what follows; taken after m.mu
	sub      engine.DB
	made     int    // how often the storage was replaced
	damaged  bool   // the storage must be replaced before anyone extends or reads it
	lost     bool   // what it had reached is gone, and it has reached nothing since
	seq      uint64 // reached
	settled  uint64 // see settle; up to seq
	want     uint64 // asked for
	waiting  int    // callers of Wait
	begun    int    // builds
	ended    int
	err      error         // of the last build
	news     chan struct{} // closed and replaced when one of these fields changes
	building bool
	task     Task
}

func newIndex(m *Manager, id indexID, def *Definition) *Index {
	return &Index{
		m: m, id: id, def: def, idleSince: time.Now(), news: make(chan struct{}),
		opened: make(chan struct{}), closed: make(chan struct{}), retired: make(chan struct{}), poke: make(chan struct{}, 1),
	}
}

// Release releases the index.
func (ix *Index) Release() {
	ix.m.mu.Lock()
	ix.users--
	ix.idleSince = time.Now()
	ix.m.mu.Unlock()
}

// isOpen tells whether it is there to be read.
func (ix *Index) isOpen() bool {
	select {
	case <-ix.opened:
		return ix.openErr == nil
	default:
		return false
	}
}

// Definition is the definition that the index was opened with.
func (ix *Index) Definition() *Definition { return ix.def }

// retire makes the index close. The caller holds m.mu, and the index has no users.
func (ix *Index) retire() {
	if !ix.going {
		ix.going = true
		close(ix.retired)
	}
}

// start opens the storage.
func (ix *Index) start(ctx context.Context) error {
	db, err := ix.m.opt.Store.Bare(ctx, ix.id.db, store.ForIndexes)
	if err != nil {
		return err
	}
	if db.Instance() != ix.id.instance {
		db.Release()
		return store.ErrNoDB
	}
	ix.db = db
	sub, err := ix.open(ctx)
	if err != nil {
		db.Release()
		return err
	}
	ix.mu.Lock()
	ix.sub = sub
	ix.mu.Unlock()
	return nil
}

// open opens the storage. If it is damaged or another database's, it is replaced.
func (ix *Index) open(ctx context.Context) (engine.DB, error) {
	name := subPrefix + ix.id.signature
	for try := 0; ; try++ {
		sub, err := ix.db.OpenSub(ctx, name)
		var why string
		if err == nil {
			if why, err = ix.judge(ctx, sub); err == nil && why == "" {
				return sub, nil
			}
			err = errors.Join(err, sub.Close())
		}
		if damage(err) {
			why, err = err.Error(), nil
		}
		if err != nil {
			return nil, translate(err)
		}
		if try == 2 {
			return nil, fmt.Errorf("open index %s of %q: %s", ix.id.signature, ix.id.db, why)
		}
		ix.m.opt.Log.Warn("rebuilding an index", "db", ix.id.db, "index", ix.id.signature, "why", why)
		if err := ix.db.DropSub(ctx, name); err != nil {
			return nil, translate(err)
		}
	}
}

// judge reads how far the storage is, or says why it is unusable.
func (ix *Index) judge(ctx context.Context, sub engine.DB) (why string, err error) {
	st, found, err := loadState(ctx, sub, len(ix.def.Views))
	switch {
	case err != nil:
		return "", err
	case !found:
	case st.loader != "":
		return "its first build was cut short", nil
	case st.signature != ix.id.signature:
		return "it is another index", nil
	default:
		if why, err = foreign(ctx, ix.db, &st); why != "" || err != nil {
			return why, err
		}
	}
	ix.seq = st.seq
	return "", nil
}

// foreign says why an index does not belong to the present state of its database, "" if it does.
// The index holds data from states of the database up to st.of. If that state is from another
// history, somebody put back or exchanged the files of one of the two.
func foreign(ctx context.Context, db store.Bare, st *state) (why string, err error) {
	common, err := db.Common(ctx, st.of)
	if err == nil && common < st.of.N {
		why = "it belongs to another database, or to a later state than the database has"
	}
	return why, err
}

func loadState(ctx context.Context, sub engine.DB, views int) (st state, found bool, err error) {
	err = sub.View(ctx, func(r engine.Reader) error {
		st, found, err = readState(r, views)
		return err
	})
	return st, found, err
}

// run opens the index, builds it whenever somebody waits or the database has changed, and
// closes it.
func (ix *Index) run() {
	ctx := ix.m.ctx
	ix.openErr = ix.start(ctx)
	if ix.openErr != nil && ctx.Err() != nil { // which is not the context of anybody who waits
		ix.openErr = ErrClosed
	}
	close(ix.opened)
	if ix.openErr == nil {
		ix.follow(ctx)
	}
	ix.m.mu.Lock()
	ix.retire()
	delete(ix.m.open, ix.id)
	ix.m.mu.Unlock()
	if ix.openErr == nil {
		if err := ix.storage().Close(); err != nil {
			ix.m.opt.Log.Error("cannot close an index", "db", ix.id.db, "index", ix.id.signature, "error", err)
		}
		ix.db.Release()
	}
	close(ix.closed)
	ix.mu.Lock()
	ix.tell()
	ix.mu.Unlock()
}

// follow builds until the index is to close.
func (ix *Index) follow(ctx context.Context) {
	failed := false
	for {
		ix.mu.Lock()
		seq, wanted := ix.seq, ix.want > ix.settled || ix.damaged && !failed
		ix.mu.Unlock()
		changed := ix.db.Changed(seq)
		if failed || seq == 0 {
			changed = nil // not read yet: build it only on request
		}
		if !wanted {
			select {
			case <-ctx.Done():
				return
			case <-ix.retired:
				return
			case <-ix.db.Gone():
				return
			case <-ix.poke:
				continue
			case <-changed:
				ix.gather(ctx)
				if ix.m.opt.NoRoomBehind() {
					continue
				}
			}
		}
		failed = ix.build(ctx) != nil
		if ctx.Err() != nil {
			return
		}
	}
}

// gather lets more changes come in, unless somebody is waiting for the present ones.
func (ix *Index) gather(ctx context.Context) {
	timer := time.NewTimer(ix.m.opt.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ix.poke:
	case <-ix.retired:
	case <-ix.db.Gone():
	case <-ctx.Done():
	}
}

// tell wakes everybody who is waiting. The caller holds mu.
func (ix *Index) tell() {
	close(ix.news)
	ix.news = make(chan struct{})
}

// Wait waits until the index has everything that its database had at a sequence, or until the
// build for it fails. The error is ErrNoRoom if the disk has no room for the build.
func (ix *Index) Wait(ctx context.Context, seq uint64) error { return ix.wait(ctx, seq, nil, nil) }

// tellEvery is how often WaitTelling tells.
const tellEvery = 100 * time.Millisecond

// WaitTelling is Wait for a caller that must show that it is still waiting: it calls tell now
// and then, and an error of tell ends the wait.
func (ix *Index) WaitTelling(ctx context.Context, seq uint64, tell func() error) error {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	return ix.wait(ctx, seq, tick.C, tell)
}

func (ix *Index) wait(ctx context.Context, seq uint64, tick <-chan time.Time, tell func() error) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if (ix.seq < seq || ix.damaged) && ix.m.opt.NoRoom() {
		return ErrNoRoom
	}
	ticket := ix.begun + 1 // the first build that begins after this request
	ix.waiting++
	defer func() { ix.waiting-- }()
	for ix.settled < seq || ix.damaged {
		if ix.ended >= ticket {
			return ix.err
		}
		ix.want = max(ix.want, seq)
		if err := ix.listen(ctx, tick, tell); err != nil {
			return err
		}
	}
	return nil
}

// listen gives mu up until there is news, or until it is time to tell. Then it has mu again, even if tell panics:
// to unlock what is not locked would end the process.
func (ix *Index) listen(ctx context.Context, tick <-chan time.Time, tell func() error) error {
	news := ix.news
	ix.mu.Unlock()
	defer ix.mu.Lock()
	select {
	case ix.poke <- struct{}{}:
	default:
	}
	select {
	case <-news:
		return nil
	case <-ix.closed:
		return ix.failed(ErrClosed)
	case <-tick:
		return tell()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ask requests that the index be brought up to a sequence, and does not wait. It does nothing while
// the disk has no room (Options.NoRoomBehind).
func (ix *Index) Ask(seq uint64) {
	if ix.m.opt.NoRoomBehind() {
		return
	}
	ix.mu.Lock()
	ix.want = max(ix.want, seq)
	ix.mu.Unlock()
	select {
	case ix.poke <- struct{}{}:
	default:
	}
}

// failed maps an error to the one that the caller sees. If the database is gone, or all indexes
// are closing, the caller learns that, and not the error that it caused.
func (ix *Index) failed(err error) error {
	if err == nil {
		return nil
	}
	if why := ix.db.WhyGone(); why != nil {
		return why
	}
	if ix.m.ctx.Err() != nil {
		return ErrClosed
	}
	return translate(err)
}

// translate maps an engine's error to those of this package and the store.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrNoDB):
		return store.ErrNoDB
	case errors.Is(err, engine.ErrForeign):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case errors.Is(err, engine.ErrFull):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case errors.Is(err, engine.ErrUnknown), errors.Is(err, engine.ErrUnavailable), errors.Is(err, engine.ErrTooManyOpen):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case errors.Is(err, engine.ErrClosed):
		return ErrClosed
	}
	return err
}

// Built reports whether there is anything to read.
func (ix *Index) Built() bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.seq != 0 && !ix.damaged
}

// Info holds the figures of an index.
type Info struct {
	Signature      string
	Seq, PurgeSeq  uint64
	Rows           []uint64 // of each view
	File, Active   int64    // bytes of the storage, and of the rows in it
	Building       bool
	Compacting     bool
	WaitingClients int
}

// Info costs a few reads at any size.
func (ix *Index) Info(ctx context.Context) (Info, error) {
	info := Info{Signature: ix.id.signature}
	read := ix.read()
	read.lost = false // the figures are those of an index that is empty
	var st state
	err := read.view(ctx, func(r engine.Reader) (err error) {
		st, _, err = readState(r, len(ix.def.Views))
		return err
	})
	if err != nil {
		return info, err
	}
	info.Seq, info.PurgeSeq, info.Active = st.seq, st.purgeSeq, st.bytes
	for _, v := range st.views {
		info.Rows = append(info.Rows, v.rows)
	}
	if info.File, err = read.size(ctx); err != nil {
		return info, err
	}
	ix.m.mu.Lock()
	info.Compacting = ix.compacting
	ix.m.mu.Unlock()
	ix.mu.Lock()
	info.Building, info.WaitingClients = ix.building, ix.waiting
	ix.mu.Unlock()
	return info, nil
}
