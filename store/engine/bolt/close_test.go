package bolt

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// A writer that meets damage ends, though somebody who closes the database or the engine waits for it.
func TestDamageMetWhileClosing(t *testing.T) {
	t.Parallel()
	for name, close := range map[string]func(*Engine, engine.DB) error{
		"engine":   func(e *Engine, _ engine.DB) error { return e.Close() },
		"database": func(_ *Engine, db engine.DB) error { return db.Close() },
	} {
		for _, unflushed := range []bool{false, true} {
			e, err := Open(t.TempDir(), Options{NoSync: true, FlushAfter: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			db, err := e.Create(t.Context(), "db")
			if err == nil && !unflushed {
				err = e.Flush(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			closed := make(chan error, 1)
			wrote := make(chan error, 1)
			go func() {
				wrote <- db.Update(context.WithoutCancel(t.Context()), func(tx engine.Tx) error {
					go func() { closed <- close(e, db) }()
					time.Sleep(50 * time.Millisecond) // if it gets that far, it waits now, with whatever it holds
					return tx.(*light).spoil("it is damaged")
				})
			}()
			for what, done := range map[string]chan error{"write": wrote, "close": closed} {
				select {
				case err := <-done:
					if what == "write" && !errors.Is(err, engine.ErrForeign) {
						t.Errorf("%s: the write: %v", name, err)
					}
				case <-time.After(time.Minute):
					t.Fatalf("%s, unflushed %v: the %s does not end", name, unflushed, what)
				}
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// asked has something done when the engine asks whether a context has ended.
type asked struct {
	context.Context
	do func()
}

func (c asked) Err() error {
	c.do()
	return c.Context.Err()
}

// Whoever begins to read, or is about to write, while the last handle is closed is told so or is served. The database is in order
// afterwards, and lets go of the journal though nobody opens it any more.
func TestUsedWhileTheLastHandleIsClosed(t *testing.T) {
	t.Parallel()
	for _, unflushed := range []bool{false, true} {
		for _, use := range []string{"read", "write"} {
			e, err := Open(t.TempDir(), Options{NoSync: true, FlushAfter: time.Hour, Damaged: func(path string, why error) {
				t.Errorf("%s, unflushed %v: %s is damaged: %v", use, unflushed, path, why)
			}})
			if err != nil {
				t.Fatal(err)
			}
			db, err := e.Create(t.Context(), "db")
			if err == nil {
				err = e.Flush(t.Context())
			}
			put := func(tx engine.Tx) error { return tx.Put(1, []byte(use), []byte("v")) }
			if err == nil && unflushed {
				err = db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(1, []byte("k"), []byte("v")) })
			}
			if err != nil {
				t.Fatal(err)
			}
			f := e.files[e.path("db")]
			closed := make(chan error, 1)
			var once sync.Once
			if use == "read" {
				ctx := asked{t.Context(), func() { once.Do(func() { closed <- db.Close() }) }}
				err = db.View(ctx, func(engine.Reader) error { return nil })
			} else {
				ctx := asked{t.Context(), func() {
					if e.dues.at(f.path)[f].top == 0 {
						return // it is not that far
					}
					once.Do(func() {
						go func() { closed <- db.Close() }()
						for e.mu.TryLock() { // until the closing waits for the write
							e.mu.Unlock()
							time.Sleep(time.Millisecond)
						}
					})
				}}
				err = db.Update(ctx, put)
			}
			if err != nil && !errors.Is(err, engine.ErrClosed) {
				t.Errorf("%s, unflushed %v: %v", use, unflushed, err)
			}
			wrote := use == "write" && err == nil
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if err := e.Flush(t.Context()); err != nil || e.Figures().Databases != 0 {
				t.Errorf("%s, unflushed %v: %v, and the journal is needed for %d databases", use, unflushed, err, e.Figures().Databases)
			}
			if db, err = e.Open(t.Context(), "db"); err != nil {
				t.Fatalf("%s, unflushed %v: %v", use, unflushed, err)
			}
			err = db.View(t.Context(), func(r engine.Reader) error {
				v, err := r.Get(1, []byte(use))
				if (v != nil) != wrote {
					t.Errorf("%s, unflushed %v: written %v, and it is there %v", use, unflushed, wrote, v != nil)
				}
				return err
			})
			if err := errors.Join(err, db.Close(), e.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}
