package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// The first caller who asks how much is left has everything counted. Meanwhile writes go on, and
// they are counted too.
func TestNobodyWaitsForCounting(t *testing.T) {
	for name, c := range map[string]struct {
		// counts distinguishes a scan that counts from one that reads.
		counts func(engine.Space, engine.Range) bool
		ask    func(ctx context.Context, db *store.DB) (int, error)
		want   int // of 20 documents, 5 of them written and 2 deleted meanwhile
	}{
		"pending": {
			func(s engine.Space, rg engine.Range) bool { return s == 3 && rg.From == nil && rg.KeysOnly },
			func(ctx context.Context, db *store.DB) (int, error) {
				end, err := db.Changes(ctx, store.ChangesQuery{Limit: 1}, func(*store.Change) error { return nil }, func() error { return nil })
				return end.Pending, err
			}, 19,
		},
		"offset": {
			func(s engine.Space, rg engine.Range) bool { return s == 2 && rg.From == nil },
			func(ctx context.Context, db *store.DB) (n int, err error) {
				q := store.AllDocsQuery{Start: "x", HasStart: true, Limit: 1, WantOffset: true}
				err = db.AllDocs(ctx, q, func(p store.Page) error { n = p.Offset; return nil }, func(*store.Row) error { return nil }, func() error { return nil })
				return n, err
			}, 18,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			counting, goOn := make(chan struct{}), make(chan struct{})
			e := chaos.New(chaos.Options{Alone: true, Scanning: func(s engine.Space, rg engine.Range) {
				if c.counts(s, rg) && armed.CompareAndSwap(true, false) {
					close(counting)
					<-goOn
				}
			}})
			s := storetest.On(t, e, store.Options{})
			db := storetest.DB(t, s, "db")
			var revs []revtree.Rev
			for i := range 15 {
				rev, err := write(t, db, revtree.Rev{}, `{"_id":"%02d"}`, i)
				if err != nil {
					t.Fatal(err)
				}
				revs = append(revs, rev)
			}
			armed.Store(true)
			type answer struct {
				n   int
				err error
			}
			first, second := make(chan answer, 1), make(chan answer, 1)
			ask := func(to chan answer) {
				n, err := c.ask(t.Context(), db)
				to <- answer{n, err}
			}
			go ask(first)
			select {
			case <-counting:
			case <-time.After(time.Minute):
				t.Fatal("nothing is counted")
			}
			go ask(second) // it waits for the same count
			written := make(chan error, 1)
			go func() {
				for i := 15; i < 20; i++ {
					if _, err := write(t, db, revtree.Rev{}, `{"_id":"%02d"}`, i); err != nil {
						written <- err
						return
					}
				}
				for i := range 2 {
					if _, err := write(t, db, revs[i], `{"_id":"%02d","_deleted":true}`, i); err != nil {
						written <- err
						return
					}
				}
				written <- nil
			}()
			select {
			case err := <-written:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Error("writers wait for the count")
			}
			// A caller that gave up no longer waits.
			gone, giveUp := context.WithCancel(t.Context())
			giveUp()
			if _, err := c.ask(gone, db); err == nil {
				t.Error("an answer to who has given up")
			}
			close(goOn)
			for _, one := range []chan answer{first, second} {
				if a := <-one; a.err != nil || a.n > c.want+2 || a.n < 13 {
					t.Errorf("while it was counted: %d, %v", a.n, a.err)
				}
			}
			if n, err := c.ask(t.Context(), db); n != c.want || err != nil {
				t.Errorf("afterwards %d, want %d, %v", n, c.want, err)
			}
		})
	}
}

// Counts stay right while stretches that have grown are cut and writers go on.
func TestCountsBesideWriters(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 40 {
			edits := make([]store.Edit, 150)
			for k := range edits {
				edits[k].Doc = parse(t, `{"_id":"%03d-%03d"}`, k, i)
			}
			if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
				t.Error(err)
			}
		}
	}()
	offset := func(start string) (n int) {
		q := store.AllDocsQuery{Start: start, HasStart: true, Limit: 1, WantOffset: true}
		err := db.AllDocs(t.Context(), q, func(p store.Page) error { n = p.Offset; return nil }, func(*store.Row) error { return nil }, func() error { return nil })
		if err != nil {
			t.Error(err)
		}
		return n
	}
	pending := func() int {
		end, err := db.Changes(t.Context(), store.ChangesQuery{Limit: 1}, func(*store.Change) error { return nil }, func() error { return nil })
		if err != nil {
			t.Error(err)
		}
		return end.Pending
	}
	for i := 0; ; i++ {
		select {
		case <-done:
			for k := range 150 {
				if n := offset(fmt.Sprintf("%03d-", k)); n != 40*k {
					t.Errorf("offset of %d: %d, want %d", k, n, 40*k)
				}
			}
			if n := pending(); n != 40*150-1 {
				t.Errorf("pending: %d", n)
			}
			return
		default:
			offset(fmt.Sprintf("%03d-", i%150))
			pending()
		}
	}
}

// A panic during counting ends one call, not the process.
func TestPanicWhileCounting(t *testing.T) {
	var armed atomic.Bool
	e := chaos.New(chaos.Options{Alone: true, Scanning: func(s engine.Space, rg engine.Range) {
		if s == 3 && rg.From == nil && rg.KeysOnly && armed.CompareAndSwap(true, false) {
			panic("mine")
		}
	}})
	s := storetest.On(t, e, store.Options{})
	db := storetest.DB(t, s, "db")
	for i := range 3 {
		if _, err := write(t, db, revtree.Rev{}, `{"_id":"%02d"}`, i); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() (n int, p any) {
		defer func() { p = recover() }()
		end, err := db.Changes(t.Context(), store.ChangesQuery{Limit: 1}, func(*store.Change) error { return nil }, func() error { return nil })
		if err != nil {
			t.Error(err)
		}
		return end.Pending, nil
	}
	armed.Store(true)
	if _, p := ask(); p != "mine" {
		t.Fatalf("recovered %v", p)
	}
	if n, p := ask(); n != 2 || p != nil {
		t.Errorf("afterwards %d are pending, %v", n, p)
	}
}
