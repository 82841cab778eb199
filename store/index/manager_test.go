package index_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// dump reads the rows, the by-document records and the summaries of an index.
func dump(t fataler, db *store.DB, signature string) (out []string) {
	sub, err := db.OpenSub(context.Background(), "index-"+signature)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	err = sub.View(context.Background(), func(r engine.Reader) error {
		for space := engine.Space(17); space <= 19; space++ {
			err := r.Scan(space, engine.Range{}, func(k, v []byte) (bool, error) {
				out = append(out, fmt.Sprintf("%d %x %x", space, k, v))
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An index that followed changes one by one has the same bytes as one that was built from the
// present documents.
func TestRebuild(t *testing.T) {
	widetest.Only(t)
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			storetest.SkipSlow(t, name)
			w := newWorld(t, open(t), index.Options{Delay: time.Hour, Scratch: t.TempDir()})
			n := 0
			rapid.Check(t, func(t *rapid.T) {
				// This also tries rows that are sorted in files and loaded in several transactions.
				w.m.SetBatches(rapid.SampledFrom([]int{2, 5, 1000}).Draw(t, "sorted"), rapid.SampledFrom([]int{200, 1000, 1 << 20}).Draw(t, "loaded"))
				n++
				db := w.create(t, fmt.Sprintf("db%d", n%3))
				defer db.Release()
				def := keysDefinition()
				def.Changes = false
				for range rapid.IntRange(1, 15).Draw(t, "builds") {
					for range rapid.IntRange(1, 6).Draw(t, "writes") {
						write(t, db)
					}
					purge(t, db)
					w.open(t, db, def).Release()
				}
				again := *def
				again.Signature = "again"
				w.open(t, db, &again).Release()
				old, anew := dump(t, db, "keys"), dump(t, db, "again")
				if !slices.Equal(old, anew) {
					t.Fatalf("followed:\n%s\nbuilt anew:\n%s", strings.Join(old, "\n"), strings.Join(anew, "\n"))
				}
			})
		})
	}
}

func put(t testing.TB, db *store.DB, id, body string) {
	t.Helper()
	res, err := db.Write(t.Context(), []store.Edit{{Doc: document.Doc{ID: id, Body: []byte(body)}}}, store.WriteOptions{})
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
}

func boltWorld(t testing.TB, opt index.Options) *world { return newWorld(t, storetest.Engine(t), opt) }

func count(t testing.TB, ix *index.Index) int {
	t.Helper()
	n, err := ix.Count(t.Context(), []index.Range{{}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A database that is deleted and made again has nothing of the old index.
func TestDropAndRecreate(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	put(t, db, "a", `{"k":[1],"v":1}`)
	old := w.open(t, db, keysDefinition())
	if n := count(t, old); n != 1 {
		t.Fatal(n)
	}
	if err := w.s.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := old.Wait(t.Context(), 100); err == nil {
		t.Error("the index of a deleted database is waited for")
	}
	if _, err := old.Count(t.Context(), []index.Range{{}}); !errors.Is(err, store.ErrNoDB) && !errors.Is(err, index.ErrClosed) {
		t.Errorf("reading it: %v", err)
	}
	again := w.create(t, "db")
	ix := w.open(t, again, keysDefinition())
	if n := count(t, ix); n != 0 {
		t.Errorf("%d rows of the old database", n)
	}
	put(t, again, "b", `{"k":[1,2],"v":1}`)
	ix2 := w.open(t, again, keysDefinition())
	if n := count(t, ix2); n != 2 {
		t.Error(n)
	}
	for _, ix := range []*index.Index{old, ix, ix2} {
		ix.Release()
	}
	db.Release()
	again.Release()
}

// failing is a mapper that fails while the switch is on.
type failing struct {
	index.Mapper
	fail *sync.Mutex
	on   *bool
}

var errMap = errors.New("the map function fails")

func (f failing) Map(ctx context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	f.fail.Lock()
	on := *f.on
	f.fail.Unlock()
	if on {
		return errMap
	}
	return f.Mapper.Map(ctx, d, emit)
}

// Callers who wait for a build that fails get its error. Later ones hear of the next build.
func TestBuildFails(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	put(t, db, "a", `{"k":[1],"v":1}`)
	on, mu := true, new(sync.Mutex)
	def := keysDefinition()
	def.NewMapper = func() (index.Mapper, error) { return failing{keysMapper{}, mu, &on}, nil }
	ix, err := w.m.Open(t.Context(), db, def)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	for range 2 {
		if err := ix.Wait(t.Context(), 1); !errors.Is(err, errMap) {
			t.Fatal(err)
		}
	}
	mu.Lock()
	on = false
	mu.Unlock()
	if err := ix.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n := count(t, ix); n != 1 {
		t.Error(n)
	}
}

// A document may not fill the memory with long keys, which are kept in full.
func TestLongKeysInManyRows(t *testing.T) {
	widetest.Only(t)
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	def := keysDefinition()
	def.Views, def.NewMapper = def.Views[:1], func() (index.Mapper, error) { return firstView{}, nil }
	keys := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"%s%d"`, strings.Repeat("k", 1<<20), i)) // two bytes for each letter
		}
		return `{"k":[` + strings.Join(all, ",") + `],"v":1}`
	}
	put(t, db, "a", keys(3))
	ix := w.open(t, db, def)
	defer ix.Release()
	last := ""
	err := ix.Rows(t.Context(), index.RowsQuery{Ranges: []index.Range{{}}, Descending: true, Limit: 1}, index.RowsTo{
		Row: func(r *index.Row) error { last = string(r.Key); return nil },
	})
	if n := count(t, ix); n != 3 || err != nil || !strings.HasSuffix(last, `k2"`) {
		t.Errorf("%d rows, %v, the last ends in %q", n, err, last[max(0, len(last)-5):])
	}
	put(t, db, "b", keys(17))
	if err := ix.Wait(t.Context(), 2); !errors.Is(err, index.ErrTooManyRows) {
		t.Errorf("34 MiB of keys: %v", err)
	}
}

// firstView emits what keysMapper emits in view 0.
type firstView struct{ keysMapper }

func (m firstView) Map(ctx context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	return m.keysMapper.Map(ctx, d, func(view int, key, value []byte) error {
		if view > 0 {
			return nil
		}
		return emit(view, key, value)
	})
}

// An index whose storage has an older form is built again.
func TestOldFormIsRebuilt(t *testing.T) {
	eng := storetest.Engine(t)
	w := newWorld(t, eng, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	put(t, db, "a", `{"k":[1],"v":1}`)
	w.open(t, db, keysDefinition()).Release()
	if err := w.m.Close(); err != nil {
		t.Fatal(err)
	}
	under, err := eng.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer under.Close()
	sub, err := under.Sub(t.Context(), "index-keys")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	err = sub.Update(t.Context(), func(tx engine.Tx) error {
		v, err := tx.Get(16, []byte("state"))
		return errors.Join(err, tx.Put(16, []byte("state"), append([]byte{v[0] - 1}, v[1:]...)), tx.DeleteRange(17, nil, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	m := index.NewManager(t.Context(), index.Options{Store: w.s})
	defer m.Close()
	w.m = m
	ix := w.open(t, db, keysDefinition())
	defer ix.Release()
	if n := count(t, ix); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// A document may not fill the memory by repeating a long id in many rows.
func TestLongIDInManyRows(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	long := strings.Repeat("i", 1<<20)
	keys := func(n int) string { return `{"k":[` + strings.Repeat("1,", n-1) + `1],"v":1}` }
	put(t, db, long, keys(20)) // in three views
	put(t, db, "short", keys(500))
	ix := w.open(t, db, keysDefinition())
	defer ix.Release()
	if n := count(t, ix); n != 520 {
		t.Errorf("%d rows", n)
	}
	put(t, db, long+"2", keys(22))
	if err := ix.Wait(t.Context(), 3); !errors.Is(err, index.ErrTooManyRows) {
		t.Errorf("66 MiB of ids: %v", err)
	}
	d, err := db.Get(t.Context(), long+"2", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Purge(t.Context(), []string{d.ID}, [][]revtree.Rev{{d.Rev}}); err != nil {
		t.Fatal(err)
	}
	if err := ix.Wait(t.Context(), 4); err != nil || count(t, ix) != 520 {
		t.Errorf("once it is gone: %v", err)
	}
}

// An index that is used follows its database without being asked, is closed when it has
// been idle, and is dropped when nobody wants it.
func TestLife(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Millisecond, Idle: 50 * time.Millisecond})
	db := w.create(t, "db")
	defer db.Release()
	put(t, db, "a", `{"k":[1],"v":1}`)
	ix := w.open(t, db, keysDefinition())
	put(t, db, "b", `{"k":[2],"v":1}`)
	until(t, "the index follows", func() bool { return count(t, ix) == 2 })
	if err := w.m.Cleanup(t.Context(), db, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if names, err := db.Subs(t.Context()); err != nil || len(names) != 1 {
		t.Fatalf("one in use is dropped: %q, %v", names, err)
	}
	ix.Release()
	until(t, "the index is closed", func() bool {
		_, err := ix.Count(t.Context(), []index.Range{{}})
		return errors.Is(err, index.ErrClosed)
	})
	again := w.open(t, db, keysDefinition())
	if n := count(t, again); n != 2 {
		t.Error(n)
	}
	again.Release()
	if err := w.m.Cleanup(t.Context(), db, func(s string) bool { return s == "keys" }); err != nil {
		t.Fatal(err)
	}
	if names, err := db.Subs(t.Context()); err != nil || len(names) != 1 {
		t.Fatalf("one that is wanted is dropped: %q, %v", names, err)
	}
	if err := w.m.Cleanup(t.Context(), db, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if names, err := db.Subs(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("%q are left: %v", names, err)
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never comes to this: " + what)
		}
	}
}

// openingEngine has indexes opened for as long as the caller's context lasts.
type openingEngine struct {
	engine.Engine
	opening chan struct{} // closed by the first one
}

func (e *openingEngine) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	return openingDB{db, e}, err
}

type openingDB struct {
	engine.DB
	of *openingEngine
}

func (db openingDB) Sub(ctx context.Context, _ string) (engine.DB, error) {
	close(db.of.opening)
	<-ctx.Done()
	return nil, ctx.Err()
}

// Who waits for an index to be opened when the manager closes is told that, and not that somebody has cancelled something.
func TestCloseWhileAnIndexIsOpened(t *testing.T) {
	t.Parallel()
	e := &openingEngine{chaos.New(chaos.Options{}), make(chan struct{})}
	s := storetest.On(t, e, store.Options{})
	m := index.NewManager(t.Context(), index.Options{Store: s})
	db := storetest.DB(t, s, "db")
	opened := make(chan error, 1)
	go func() {
		_, err := m.Open(t.Context(), db, keysDefinition())
		opened <- err
	}()
	<-e.opening
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := <-opened; !errors.Is(err, index.ErrClosed) {
		t.Errorf("the error is %v", err)
	}
}

// If purges are forgotten before the index has seen them, it is rebuilt. It never has a row too
// many.
func TestForgottenPurges(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Hour})
	db := w.create(t, "db")
	defer db.Release()
	for i := range 5 {
		put(t, db, fmt.Sprint("d", i), `{"k":[1],"v":1}`)
	}
	w.open(t, db, keysDefinition()).Release()
	if err := db.SetPurgedInfosLimit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		id := fmt.Sprint("d", i)
		d, err := db.Get(t.Context(), id, store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := db.Purge(t.Context(), []string{id}, [][]revtree.Rev{{d.Rev}}); err != nil {
			t.Fatal(err)
		}
	}
	ix := w.open(t, db, keysDefinition())
	defer ix.Release()
	if n := count(t, ix); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// After Wait, a caller sees everything written before the call, however many write and wait.
func TestReadYourWrites(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Millisecond})
	db := w.create(t, "db")
	defer db.Release()
	var g sync.WaitGroup
	for n := range 4 {
		g.Go(func() {
			for i := range 25 {
				id := fmt.Sprintf("%d-%d", n, i)
				put(t, db, id, fmt.Sprintf(`{"k":[%q],"v":1}`, id))
				ix := w.open(t, db, keysDefinition())
				q := index.RowsQuery{Ranges: []index.Range{index.Key(0, collated(id))}, Limit: -1}
				seen := false
				err := ix.Rows(context.Background(), q, index.RowsTo{Row: func(r *index.Row) error { seen = bytes.Equal(r.ID, []byte(id)); return nil }})
				if err != nil || !seen {
					t.Errorf("%s is not there: %v", id, err)
				}
				ix.Release()
			}
		})
	}
	g.Wait()
}

// The sequence at which a view's rows last changed moves with every change of them, even a purge.
// It identifies the state that a client has.
func TestChanged(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Hour})
	db := w.create(t, "db")
	defer db.Release()
	changed := func() (at uint64) {
		t.Helper()
		ix := w.open(t, db, keysDefinition())
		defer ix.Release()
		err := ix.Rows(t.Context(), index.RowsQuery{Ranges: []index.Range{{}}}, index.RowsTo{Head: func(h index.Head) error { at = h.Changed; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	put(t, db, "a", `{"k":[1],"v":1}`)
	put(t, db, "b", `{"k":[2],"v":1}`)
	first := changed()
	put(t, db, "c", `{}`)
	if now := changed(); now != first {
		t.Errorf("a document without rows changes a view: %d, %d", first, now)
	}
	d, err := db.Get(t.Context(), "c", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	purge := func(id string, rev revtree.Rev) {
		if _, _, err := db.Purge(t.Context(), []string{id}, [][]revtree.Rev{{rev}}); err != nil {
			t.Fatal(err)
		}
	}
	purge("c", d.Rev)
	if now := changed(); now != first {
		t.Errorf("the purge of a document without rows changes a view: %d, %d", first, now)
	}
	if d, err = db.Get(t.Context(), "b", store.ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	purge("b", d.Rev)
	if now := changed(); now <= first {
		t.Errorf("the purge of a row leaves the view as of %d", now)
	}
}

// Readers come and go while indexes are closed. They always get one that is open.
func TestOpenWhileClosing(t *testing.T) {
	w := boltWorld(t, index.Options{Idle: time.Millisecond})
	db := w.create(t, "db")
	defer db.Release()
	put(t, db, "a", `{"k":[1],"v":1}`)
	var g sync.WaitGroup
	for range 3 {
		g.Go(func() {
			for i := range 60 {
				ix := w.open(t, db, keysDefinition())
				if n, err := ix.Count(context.Background(), []index.Range{{}}); err != nil || n != 1 {
					t.Errorf("%d rows, %v", n, err)
				}
				ix.Release()
				time.Sleep(time.Duration(i%4) * time.Millisecond)
			}
		})
	}
	g.Wait()
}

// A cleanup at the same time takes no storage away from readers.
func TestOpenWhileCleaning(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	put(t, db, "a", `{"k":[1],"v":1}`)
	over := make(chan struct{})
	var cleaner, readers sync.WaitGroup
	cleaner.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			if err := w.m.Cleanup(context.Background(), db, func(string) bool { return false }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 3 {
		readers.Go(func() {
			for range 60 {
				ix := w.open(t, db, keysDefinition())
				if n, err := ix.Count(context.Background(), []index.Range{{}}); err != nil || n != 1 {
					t.Errorf("%d rows, %v", n, err)
				}
				ix.Release()
			}
		})
	}
	readers.Wait()
	close(over)
	cleaner.Wait()
}
