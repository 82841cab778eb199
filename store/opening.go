package store

import (
	"context"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// opening is what is read of a database when it is opened, all in one snapshot.
type opening struct {
	identity []byte // as it is stored
	last     uint64 // the newest sequence
	epochs   []Epoch
	renewed  time.Time // where shared: when all processes last entered an epoch
	dead     bool      // there are dead documents
}

func (db *DB) readOpening(r engine.Reader) (o opening, err error) {
	v, err := r.Get(spaceMeta, metaIdentity)
	if err != nil {
		return o, err
	}
	o.identity = append([]byte(nil), v...)
	top, err := newest(r)
	if err != nil {
		return o, err
	}
	o.last = top.seq
	if o.epochs, err = readEpochs(r); err != nil {
		return o, err
	}
	d, err := readDeaths(r)
	if o.dead = d.count > 0; err != nil || !db.shared {
		return o, err
	}
	if o.renewed, err = readRenewed(r); err != nil {
		return o, err
	}
	era, err := db.firstEra(r)
	if era.Since.After(o.renewed) {
		o.renewed = era.Since
	}
	return o, err
}

// load reads what is kept in memory of an open database.
func (db *DB) load(ctx context.Context, edb engine.DB) (o opening, err error) {
	read := func() error {
		return edb.View(ctx, func(r engine.Reader) error {
			o, err = db.readOpening(r)
			return err
		})
	}
	if err := read(); err != nil {
		return o, err
	}
	if len(o.identity) == 0 {
		if err := db.giveIdentity(ctx, edb); err != nil {
			return o, err
		}
		if err := read(); err != nil {
			return o, err
		}
	}
	if db.identity, err = parseIdentity(o.identity); err != nil {
		return o, err
	}
	db.someDead.Store(o.dead)
	db.enterHistory(o)
	return o, nil
}

// begin is start for a database that has just been made with an identity. It has nothing else that opening it would read,
// unless others have written to it, or dropped it, before it was on the store's books: then it is opened as any other.
func (db *DB) begin(ctx context.Context, edb engine.DB, id identity) error {
	fresh := false
	err := edb.View(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		fresh = last.seq == 0
		return err
	})
	if err != nil || !fresh {
		if err := edb.Close(); err != nil {
			return openError(db.name, err)
		}
		return db.start(ctx)
	}
	db.identity = id
	db.lineage.now.Store(&history{instance: id.Instance, opened: db.store.opt.Clock()})
	db.lineage.begun.Store(true)
	db.design.Store(1)
	db.use(edb, 0)
	return nil
}

// use makes a database ready that is loaded.
func (db *DB) use(edb engine.DB, last uint64) {
	db.edb = edb
	db.superseded = db.store.supersededOf(db.name, db.identity.Instance)
	db.news = newNotifier(last)
	db.commits = newCommitter(db)
	db.prove()
}
