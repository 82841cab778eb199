package bolt

import (
	"context"
	"errors"
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
