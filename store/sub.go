package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// An index keeps its results in a storage of its own, which belongs to the database and goes
// with it. The meta space remembers the names of these storages, from before they are made
// until they are gone.

const metaSub = "sub/"

// OpenSub opens the storage of an index, and makes it if it is not there. The caller closes it.
// Its content is the index's own affair.
func (db *DB) OpenSub(ctx context.Context, name string) (engine.DB, error) {
	key := []byte(metaSub + name)
	known := false
	err := db.view(ctx, func(r engine.Reader) error {
		v, err := r.Get(spaceMeta, key)
		known = v != nil
		return err
	})
	if err == nil && !known {
		err = db.note(ctx, func(tx engine.Tx) error { return tx.Put(spaceMeta, key, []byte{record.Version}) })
	}
	if err != nil {
		return nil, db.failed(err)
	}
	sub, err := db.edb.Sub(ctx, name)
	if err != nil {
		if !errors.Is(err, engine.ErrForeign) { // ErrForeign is about the index, which can be rebuilt
			err = db.failed(err)
		}
		return nil, fmt.Errorf("open index storage %q of %q: %w", name, db.name, err)
	}
	return sub, nil
}

// note writes something that may be written twice: if the outcome is unknown, it is written
// again.
func (db *DB) note(ctx context.Context, fn func(engine.Tx) error) (err error) {
	for range 5 {
		if err = db.edb.Update(ctx, fn); !errors.Is(err, engine.ErrUnknown) {
			return err
		}
	}
	return err
}

// DropSub deletes the storage of an index; it is no error if there is none.
func (db *DB) DropSub(ctx context.Context, name string) error {
	err := db.edb.DropSub(ctx, name)
	if err == nil {
		err = db.note(ctx, func(tx engine.Tx) error { return tx.Delete(spaceMeta, []byte(metaSub+name)) })
	}
	return db.failed(err)
}

// CompactSubs gives back unused space in the storages of indexes. It drops a damaged one, which
// is rebuilt when it is next asked for, and passes its name to dropped.
func (db *DB) CompactSubs(ctx context.Context, dropped func(name string, why error)) error {
	names, err := db.Subs(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := db.compactSub(ctx, name)
		if errors.Is(err, engine.ErrForeign) {
			dropped(name, err)
			err = db.DropSub(ctx, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) compactSub(ctx context.Context, name string) error {
	sub, err := db.OpenSub(ctx, name)
	if err != nil {
		return err
	}
	if c, ok := sub.(engine.Compacter); ok {
		err = c.Compact(ctx)
	}
	return errors.Join(err, sub.Close())
}

// Subs lists the storages that were made for indexes, in byte order. Beside an older copy of the
// database that was put back there may be some that the database does not remember.
func (db *DB) Subs(ctx context.Context) (names []string, err error) {
	there, err := db.subsThere(ctx)
	if err != nil {
		return nil, err
	}
	err = db.view(ctx, func(r engine.Reader) error {
		names = append([]string(nil), there...)
		from, to := []byte(metaSub), []byte(metaSub)
		to[len(to)-1]++
		return r.Scan(spaceMeta, engine.Range{From: from, To: to, KeysOnly: true}, func(k, _ []byte) (bool, error) {
			names = append(names, string(k[len(metaSub):]))
			return true, nil
		})
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

func (db *DB) subsThere(ctx context.Context) ([]string, error) {
	l, ok := db.edb.(engine.SubLister)
	if !ok {
		return nil, nil
	}
	names, err := l.Subs(ctx)
	return names, db.failed(err)
}

// ReadSubs reads the storages of indexes that are there, one after the other, and changes nothing.
// The error of one that cannot be read is passed to fn, with a nil Reader.
func (db *DB) ReadSubs(ctx context.Context, fn func(name string, r engine.Reader, err error) error) error {
	names, err := db.subsThere(ctx)
	for _, name := range names {
		if err == nil {
			err = db.readSub(ctx, name, fn)
		}
	}
	return err
}

func (db *DB) readSub(ctx context.Context, name string, fn func(name string, r engine.Reader, err error) error) error {
	sub, err := db.edb.Sub(ctx, name)
	if err != nil {
		return fn(name, nil, err)
	}
	called := false
	err = sub.View(ctx, func(r engine.Reader) error {
		called = true
		return fn(name, r, nil)
	})
	if !called {
		err = fn(name, nil, err)
	}
	return errors.Join(err, sub.Close())
}
