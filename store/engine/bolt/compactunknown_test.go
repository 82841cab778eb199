package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// once is a throttle that does something while a compaction copies.
type once struct{ do func() }

func (o *once) Wait(context.Context, int) error {
	if do := o.do; do != nil {
		o.do = nil
		do()
	}
	return nil
}

// What stands only in the journal is there after a compaction, though nobody knew what had become of a commit to the file
// that was compacted: the numbers of its transactions say nothing of the new one.
func TestCompactedAfterUnknownCommit(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string]int{"few transactions before": 1, "many": 30} {
		for _, took := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, it took place: %v", name, took), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				opt := bolt.Options{NoSync: true, FlushAfter: time.Hour}
				e := open(t, dir, opt)
				db, err := e.Create(t.Context(), "db")
				if err != nil {
					t.Fatal(err)
				}
				put := func(n int, size int, key string, value string) {
					t.Helper()
					err := db.Update(t.Context(), func(tx engine.Tx) error {
						for i := range n {
							if err := tx.Put(space+1, fmt.Appendf(nil, "%s%d", key, i), make([]byte, size)); err != nil {
								return err
							}
						}
						return tx.Put(space, []byte(key), []byte(value))
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				has := func(when, key, value string) {
					t.Helper()
					err := db.View(t.Context(), func(r engine.Reader) error {
						v, err := r.Get(space, []byte(key))
						if string(v) != value {
							t.Errorf("%s: %s is %q, not %q", when, key, v, value)
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
				put(12, 1<<20, "large", "v")
				for i := range parts {
					put(1, 300<<10, fmt.Sprint("more", i), "v")
				}
				acknowledged, newer := "1", "1"
				compacted := engine.WithThrottle(t.Context(), &once{func() {
					put(0, 0, "acknowledged", acknowledged)
					var change func()
					if took {
						newer = "2"
						change = func() { put(1, 300<<10, "acknowledged", newer) }
					}
					if err := e.CommitUnknown("db", change); err != nil {
						t.Error(err)
					}
					has("before", "acknowledged", newer)
				}})
				if err := db.(engine.Compacter).Compact(compacted); !errors.Is(err, engine.ErrUnavailable) {
					t.Errorf("compaction: %v", err)
				}
				has("not compacted", "acknowledged", newer)
				if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
					t.Errorf("another compaction: %v", err)
				}
				has("compacted", "acknowledged", newer)
				put(0, 0, "another", "v")
				has("written to again", "acknowledged", newer)
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				e = open(t, dir, opt)
				if db, err = e.Open(t.Context(), "db"); err != nil {
					t.Fatal(err)
				}
				has("opened again", "acknowledged", newer)
				has("opened again", "another", "v")
				has("opened again", "large", "v")
				db.Close()
			})
		}
	}
}
