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
// Until then it stays open, though the database may be deleted or replaced: then its calls return
// ErrNoDB or ErrReplaced, and Gone is closed. Guarded makes a handle that shows and accepts less.
type DB struct {
	*database
	guard *Guard // nil: everything is shown and accepted
	ahead atomic.Pointer[ahead]
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
	captures   atomic.Int32 // under way: nothing is swept or thinned meanwhile
	someDead   atomic.Bool  // there may be dead documents; not used where shared
	shared     bool         // other processes may write to it
	facts      atomic.Pointer[facts]
	era        atomic.Uint64 // where shared: the newest one in which all was there that was shown (inEra)
	eraBegun   atomic.Uint64 // where shared: the newest one that has its epoch on disk
	restamped  atomic.Bool   // the transaction under way has changed facts
	design     atomic.Uint64 // where not shared: DesignSeq and 1, 0 while it is not known
	proved     atomic.Int64  // where shared: when the engine last had it, as Unix time in ns
	following  sync.Once     // of follow
	starting   sync.Mutex    // held to start what background waits for, after gone was looked at
	superseded *atomic.Int64 // Usage.Superseded
	conflicts  conflictsBuild
	recount    atomic.Pointer[recount] // of all documents, under way; else nil
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
	d := &database{store: s, name: name, shared: s.Shared(), opened: make(chan struct{}), gone: make(chan struct{})}
	d.base = &DB{database: d}
	return d.base
}

// start opens the engine's database.
func (db *DB) start(ctx context.Context) error {
	edb, err := db.store.eng.Open(ctx, db.name)
	for errors.Is(err, engine.ErrTooManyOpen) && db.store.MakeRoom() {
		edb, err = db.store.eng.Open(ctx, db.name)
	}
	if err != nil {
		return openError(db.name, err)
	}
	o, err := db.load(ctx, edb)
	if err != nil {
		return errors.Join(openError(db.name, err), edb.Close())
	}
	db.use(edb, o.last)
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
		db.starting.Lock() // nothing starts any more
		//lint:ignore SA2001 nothing is to be done under it
		db.starting.Unlock()
		db.background.Wait()
		db.commits.wait()
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
// at once if there is one already. Where other processes commit, the news of it may take a second, and
// that there is one already may not be known yet: who has to know reads UpdateSeq.
func (db *DB) Changed(after uint64) <-chan struct{} {
	if db.shared {
		db.following.Do(db.follow)
	}
	return db.news.after(after)
}

// view runs fn on a snapshot of the database.
func (db *DB) view(ctx context.Context, fn func(engine.Reader) error) error {
	err := db.viewRoomy(ctx, fn)
	if err == nil {
		db.prove()
		return nil
	}
	return db.failed(err)
}

// prove notes that the engine has the database.
func (db *DB) prove() {
	if db.shared {
		db.proved.Store(time.Now().UnixNano())
	}
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
	dropped := errors.Is(err, engine.ErrNoDB) // by another process, or by somebody at work on the files
	if errors.Is(err, errRewound) {
		db.store.opt.Logger.Warn("the storage was put back to an earlier state; whoever follows the database begins anew", "db", db.name)
		db.store.giveUp(db.base, ErrReplaced)
		return ErrReplaced
	}
	err = translate(err)
	if dropped {
		err = ErrNoDB
	}
	if dropped || errors.Is(err, ErrDamaged) {
		db.store.giveUp(db.base, err)
	}
	return err
}

// WhyGone says why Gone is closed: ErrNoDB if the database was deleted, ErrReplaced if another one
// has taken its place, ErrClosed if the store is closing, or ErrDamaged. It is nil while the database is there.
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
		if err := engine.Fetch(inner(r), nil, []engine.Space{spaceSeq, spacePurge, spaceTime}); err != nil {
			return err
		}
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
		if may, err := db.mayHaveDead(r); err != nil {
			return err
		} else if may {
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

// Head is how far a database is: its UpdateSeq and Modified (Info), of one snapshot.
type Head struct {
	Seq      uint64
	Modified time.Time
}

// Head costs less than Info.
func (db *DB) Head(ctx context.Context) (h Head, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		if err := engine.Fetch(inner(r), nil, []engine.Space{spaceSeq, spaceTime}); err != nil {
			return err
		}
		last, err := newest(r)
		if err != nil {
			return err
		}
		h.Seq = last.seq
		if h.Modified, err = db.modified(r); err != nil {
			return err
		}
		return db.inEra(r)
	})
	if err == nil && db.shared {
		db.news.advance(h.Seq)
	}
	return h, err
}

// UpdateSeq reads the newest sequence, which costs less than Head.
func (db *DB) UpdateSeq(ctx context.Context) (seq uint64, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		if seq = last.seq; err != nil {
			return err
		}
		return db.inEra(r)
	})
	if err == nil && db.shared {
		db.news.advance(seq)
	}
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
