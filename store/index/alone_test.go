package index_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/storetest"
)

// countingMapper counts the documents that it is given.
type countingMapper struct {
	keysMapper
	n *atomic.Int64
}

func (m countingMapper) Map(ctx context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	m.n.Add(1)
	time.Sleep(time.Millisecond) // so that the processes build at the same time
	return m.keysMapper.Map(ctx, d, emit)
}

// Of several processes that are asked for an index at once, one builds it, and all have it.
func TestOneProcessBuilds(t *testing.T) {
	t.Parallel()
	e := chaos.New(chaos.Options{})
	const processes, docs = 3, 300
	stores := storetest.Several(t, []engine.Engine{e, e, e}, store.Options{})
	if err := stores[0].Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	first := storetest.DB(t, stores[0], "db")
	var edits []store.Edit
	for i := range docs {
		doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"d%d","K":[%d],"V":1}`, i, i), document.Options{})
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, store.Edit{Doc: doc})
	}
	if _, err := first.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	var mapped atomic.Int64
	var all sync.WaitGroup
	for i, s := range stores {
		who, err := members.Open(t.Context(), members.Options{Store: s, Name: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		m := index.NewManager(t.Context(), index.Options{Store: s, Members: who})
		t.Cleanup(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if err := who.Close(); err != nil {
				t.Error(err)
			}
		})
		db := storetest.DB(t, s, "db")
		all.Go(func() {
			def := keysDefinition()
			def.NewMapper = func() (index.Mapper, error) { return countingMapper{n: &mapped}, nil }
			ix, err := m.Open(t.Context(), db, def)
			if err != nil {
				t.Error(err)
				return
			}
			defer ix.Release()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := ix.Wait(ctx, docs); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := mapped.Load(); n != docs {
		t.Errorf("%d documents were mapped, there are %d", n, docs)
	}
}

// Two processes bring an index up to date, and the other one is faster each time. Who waits here waits on: the index gets on.
func TestTheOtherProcessIsFaster(t *testing.T) {
	t.Parallel()
	e := chaos.New(chaos.Options{})
	stores := storetest.Several(t, []engine.Engine{e, e}, store.Options{})
	if err := stores[0].Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	db := storetest.DB(t, stores[0], "db")
	put(t, db, "first", `{"k":[1],"v":1}`)
	do := map[string]func(){}
	var all []*index.Index
	for i, s := range stores {
		m := index.NewManager(t.Context(), index.Options{Store: s, Delay: time.Hour, Batch: 1})
		t.Cleanup(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
		def := keysDefinition()
		if i == 0 {
			def = before(def, do)
		}
		ix, err := m.Open(t.Context(), storetest.DB(t, s, "db"), def)
		if err != nil {
			t.Fatal(err)
		}
		defer ix.Release()
		if err := ix.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		all = append(all, ix)
	}
	const rounds = 10
	for i := range rounds {
		do[fmt.Sprint("d", i)] = func() {
			if err := all[1].Wait(t.Context(), uint64(i+2)); err != nil {
				t.Error(err)
			}
			put(t, db, fmt.Sprint("d", i+1), `{"k":[1],"v":1}`)
		}
	}
	put(t, db, "d0", `{"k":[1],"v":1}`)
	if err := all[0].Wait(t.Context(), 2); err != nil {
		t.Error(err)
	}
	if n := count(t, all[0]); n != rounds+2 || len(do) > 0 {
		t.Errorf("%d rows, and %d documents were not mapped", n, len(do))
	}
}

// losingMapper loses the lease of the build that it maps for.
type losingMapper struct {
	keysMapper
	lose func() error
}

func (m losingMapper) Map(ctx context.Context, _ *store.Document, _ func(int, []byte, []byte) error) error {
	if err := m.lose(); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Who waits for a build whose process has lost the right to it is told so, and not that somebody has cancelled
// something.
func TestABuildThatLosesItsLease(t *testing.T) {
	t.Parallel()
	s := storetest.Several(t, []engine.Engine{chaos.New(chaos.Options{})}, store.Options{})[0]
	if err := s.Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	db := storetest.DB(t, s, "db")
	doc, err := document.Parse([]byte(`{"_id":"d","K":[1],"V":1}`), document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	who, err := members.Open(t.Context(), members.Options{Store: s, Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	m := index.NewManager(t.Context(), index.Options{Store: s, Members: who})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	def := keysDefinition()
	def.NewMapper = func() (index.Mapper, error) { return losingMapper{lose: who.Close}, nil }
	ix, err := m.Open(t.Context(), db, def)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := ix.Wait(ctx, 1); !errors.Is(err, members.ErrLost) {
		t.Errorf("the error is %v", err)
	}
}
