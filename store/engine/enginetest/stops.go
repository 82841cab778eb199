package enginetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// What goes over many entries stops soon after its context has ended.
func stops(t *testing.T, e engine.Engine) {
	db := create(t, e, "a")
	const entries = 5000
	all := make([][]byte, entries)
	update(t, db, func(tx engine.Tx) error {
		for i := range all {
			all[i] = fmt.Appendf(nil, "k%06d", i)
			if err := tx.Put(space, all[i], []byte("v")); err != nil {
				return err
			}
		}
		return nil
	})
	for name, read := range map[string]func(engine.Reader, func()) error{
		"scan": func(r engine.Reader, seen func()) error {
			return r.Scan(space, engine.Range{}, func(_, _ []byte) (bool, error) { seen(); return true, nil })
		},
		"cursor": func(r engine.Reader, seen func()) error {
			c := r.Cursor(space, engine.Range{Reverse: true})
			for {
				k, _, err := c.Next()
				if k == nil || err != nil {
					return err
				}
				seen()
			}
		},
		"get": func(r engine.Reader, seen func()) error {
			for _, k := range all {
				if _, err := r.Get(space, k); err != nil {
					return err
				}
				seen()
			}
			return nil
		},
		"get of many": func(r engine.Reader, seen func()) error {
			return r.GetMulti(space, all, func(int, []byte) error { seen(); return nil })
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		seen := func() { cancel(); n++ }
		err := db.View(ctx, func(r engine.Reader) error { return read(r, seen) })
		if !errors.Is(err, context.Canceled) || n >= entries {
			t.Errorf("%s: %v after %d of %d", name, err, n, entries)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx engine.Tx) error {
		cancel()
		return tx.Put(space, []byte("late"), []byte("v"))
	})
	if !errors.Is(err, context.Canceled) || get(t, db, "late") != nil {
		t.Errorf("a write after the end: %v", err)
	}
}
