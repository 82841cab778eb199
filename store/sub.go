package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// An index keeps what it derives from a database in a storage of its own, which belongs
// to the database and goes with it. The names of those that were made are remembered in
// the meta space, before they are made and until they are gone.

const metaSub = "sub/"

// OpenSub opens the storage of an index, making it if it is not there. The caller closes
// it. Its content is the index's own affair.
func (db *DB) OpenSub(ctx context.Context, name string) (engine.DB, error) {
	key := []byte(metaSub + name)
	known := false
	err := db.view(ctx, func(r engine.Reader) error {
		v, err := r.Get(spaceMeta, key)
		known = v != nil
		return err
	})
	if err == nil && !known {
		err = db.note(ctx, func(tx engine.Tx) error { return tx.Put(spaceMeta, key, []byte{recordVersion}) })
	}
	if err != nil {
		return nil, db.failed(err)
	}
	sub, err := db.edb.Sub(ctx, name)
	if err != nil {
		if !errors.Is(err, engine.ErrForeign) { // that is about the index, which can be made anew
			err = translate(err)
		}
		return nil, fmt.Errorf("open index storage %q of %q: %w", name, db.name, err)
	}
	return sub, nil
}

// note writes what may be written twice: where it is not known whether it was, it is again.
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

// Subs names the storages of indexes that were made, in byte order.
func (db *DB) Subs(ctx context.Context) (names []string, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		names = nil
		from, to := []byte(metaSub), []byte(metaSub)
		to[len(to)-1]++
		return r.Scan(spaceMeta, engine.Range{From: from, To: to, KeysOnly: true}, func(k, _ []byte) (bool, error) {
			names = append(names, string(k[len(metaSub):]))
			return true, nil
		})
	})
	return names, err
}
