package store

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/ranks"
)

// DB is a handle on one database. A caller that gets it from Store.Open releases it when done.
// Until then it stays open, though the database may be deleted: then its calls return ErrNoDB
// and Gone is closed. Guarded makes a handle that shows and accepts less.
type DB struct {
	*database
	guard *Guard // nil: everything is shown and accepted
}

// database is what all handles on one database share.
type database struct {
	base  *DB // the handle without guard
	store *Store
	name  string

	opened  chan struct{} // closed when start is over; guards the fields that start sets
	openErr error

	edb      engine.DB
	identity identity
	lineage  lineage
	commits  *committer
	news     *notifier

	compacting atomic.Bool
	captures   atomic.Int32  // under way: nothing is swept or thinned meanwhile
	someDead   atomic.Bool   // there may be dead documents
	superseded *atomic.Int64 // Usage.Superseded
	conflicts  conflictsBuild
	seqs       ranks.Seqs
	ids        ranks.IDs

	gone    chan struct{} // closed by stop
	stopped sync.Once
	stopErr error // why, set before gone is closed
	shutErr error
	shutOne sync.Once

	background sync.WaitGroup

	kept keeping

	users int           // guarded by store.mu
	idle  *list.Element // guarded by store.mu
}

func newDB(s *Store, name string) *DB {
	d := &database{store: s, name: name, opened: make(chan struct{}), gone: make(chan struct{})}
	d.base = &DB{database: d}
	return d.base
}

// start opens the engine's database and starts the committer.
func (db *DB) start(ctx context.Context) error {
	edb, err := db.store.eng.Open(ctx, db.name)
	for errors.Is(err, engine.ErrTooManyOpen) && db.store.MakeRoom() {
		edb, err = db.store.eng.Open(ctx, db.name)
	}
	if err != nil {
		return openError(db.name, err)
	}
	var last uint64
	db.identity, err = db.loadIdentity(ctx, edb)
	if err == nil {
		last, err = db.loadHistory(ctx, edb)
	}
	if err == nil {
		err = db.lookForDead(ctx, edb)
	}
	if err != nil {
		return errors.Join(openError(db.name, err), edb.Close())
	}
	db.edb = edb
	db.superseded = db.store.supersededOf(db.name, db.identity.Instance)
	db.news = newNotifier(last)
	db.commits = newCommitter(db)
	db.background.Go(db.commits.run)
	if db.store.eng.Caps().Shared {
		db.background.Go(db.followOthers)
	}
	return nil
}

func openError(name string, err error) error {
	err = translate(err)
	if errors.Is(err, ErrNoDB) {
		return ErrNoDB
	}
	return fmt.Errorf("open database %q: %w", name, err)
}

// stop ends feeds and refuses new writes; queued writes still get an answer.
func (db *DB) stop(why error) {
	db.stopped.Do(func() {
		db.stopErr = why
		close(db.gone)
		db.kept.forget()
	})
}

// shut stops the database and closes its storage.
func (db *DB) shut(why error) error {
	db.shutOne.Do(func() {
		db.stop(why)
		db.background.Wait()
		db.shutErr = db.edb.Close()
	})
	return db.shutErr
}

// Name is the database's name.
func (db *DB) Name() string { return db.name }

// Instance distinguishes this database from earlier or later ones of the same name. Copies of its
// files have it too (Common tells whether they are of one history).
func (db *DB) Instance() string { return db.identity.Instance }

// Release returns the handle; the caller does not use it afterwards.
func (db *DB) Release() { db.store.release(db.base) }

// Gone is closed when the database has been deleted or the store closes.
func (db *DB) Gone() <-chan struct{} { return db.gone }

// Changed returns a channel that is closed once a sequence greater than after is committed, or
// at once if there is one already.
func (db *DB) Changed(after uint64) <-chan struct{} { return db.news.after(after) }

// view runs fn on a snapshot of the database.
func (db *DB) view(ctx context.Context, fn func(engine.Reader) error) error {
	err := db.edb.View(ctx, func(r engine.Reader) error { return fn(withRoom(ctx, r)) })
	if err == nil {
		return nil
	}
	return db.failed(err)
}

// failed maps an engine error of this database to a store error. If the database is gone, that
// outranks any error it caused.
func (db *DB) failed(err error) error {
	if err == nil {
		return nil
	}
	if why := db.WhyGone(); why != nil {
		return why
	}
	err = translate(err)
	if errors.Is(err, ErrDamaged) {
		db.store.giveUp(db.base, err)
	}
	return err
}

// WhyGone says why Gone is closed: ErrNoDB if the database was deleted, ErrClosed if the store
// is closing, or ErrDamaged. It is nil while the database is there.
func (db *DB) WhyGone() error {
	select {
	case <-db.gone:
		return db.stopErr
	default:
		return nil
	}
}

// Info holds the figures of a database.
type Info struct {
	DocCount, DelCount     uint64 // living documents, and documents whose winner is a tombstone
	UpdateSeq, PurgeSeq    uint64
	File, External, Active int64 // bytes of the file, of the JSON of all leaves, and of that JSON as stored
	CompactRunning         bool
	Dead                   Dead // documents whose tombstones have ended: they are in no other figure
	Created                time.Time
	// Modified is the second of the newest change. It never goes back, so a read of everything
	// since then (SinceTime) misses nothing.
	Modified time.Time
}

// Info reads the running totals; it costs a few reads at any size.
func (db *DB) Info(ctx context.Context) (Info, error) {
	info := Info{CompactRunning: db.compacting.Load(), Created: db.identity.Created}
	err := db.view(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		if err != nil {
			return err
		}
		t := last.totals
		info.UpdateSeq, info.DocCount, info.DelCount = last.seq, t.docs, t.deleted
		info.External, info.Active = t.external, t.active
		if info.PurgeSeq, err = lastPurge(r); err != nil {
			return err
		}
		if db.mayHaveDead() {
			notes, err := readDeaths(r)
			if err != nil {
				return err
			}
			info.Dead = notes.figures()
		}
		info.Modified, err = db.modified(r)
		return err
	})
	if err != nil {
		return info, err
	}
	if sizer, ok := db.edb.(engine.Sizer); ok {
		if info.File, err = sizer.Size(ctx); err != nil {
			return info, db.failed(err)
		}
	}
	return info, nil
}

// UpdateSeq reads the newest sequence, which costs less than Info.
func (db *DB) UpdateSeq(ctx context.Context) (seq uint64, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		seq = last.seq
		return err
	})
	return seq, err
}

// newestEntry is what the newest entry of the sequence space says. In an empty database the
// sequence is 0.
type newestEntry struct {
	seq    uint64
	totals totals
	marker bool // it stands only for its sequence
}

func newest(r engine.Reader) (newestEntry, error) {
	k, v, err := r.Last(spaceSeq)
	if err != nil || k == nil {
		return newestEntry{}, err
	}
	seq, err := seqOfKey(k)
	if err != nil {
		return newestEntry{}, err
	}
	e, err := parseSeqEntry(v)
	return newestEntry{seq, e.totals, e.marker()}, err
}

func lastSeq(ctx context.Context, edb engine.DB) (seq uint64, err error) {
	err = edb.View(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		seq = last.seq
		return err
	})
	return seq, err
}

// pollOthers is how long another process's write may stay unseen when its notification is lost.
const pollOthers = time.Second

// followOthers tells the notifier of commits by other processes.
func (db *DB) followOthers() {
	w := db.edb.Watch()
	defer w.Close()
	tick := time.NewTicker(pollOthers)
	defer tick.Stop()
	for {
		select {
		case <-db.gone:
			return
		case <-w.C():
		case <-tick.C:
			if err := db.readHistory(db.store.ctx); err != nil {
				db.store.opt.Logger.Warn("cannot check for epochs that other processes began", "db", db.name, "error", err)
			}
		}
		seq, err := lastSeq(db.store.ctx, db.edb)
		if err != nil {
			db.store.opt.Logger.Warn("cannot check for other processes' changes", "db", db.name, "error", err)
			continue
		}
		db.news.advance(seq)
	}
}
