package index_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
)

// many puts documents of one row in each view.
func many(t testing.TB, db *store.DB, docs int) {
	t.Helper()
	for i := range docs {
		put(t, db, fmt.Sprintf("d%04d", i), fmt.Sprintf(`{"k":[%d],"v":1}`, i))
	}
}

// rowsOf reads all keys of view 0.
func rowsOf(ctx context.Context, ix *index.Index) (keys []string, err error) {
	q := index.RowsQuery{Ranges: []index.Range{{}}, Limit: -1}
	err = ix.Rows(ctx, q, index.RowsTo{Row: func(r *index.Row) error { keys = append(keys, string(r.Key)); return nil }})
	return keys, err
}

func wait(t testing.TB, db *store.DB, ix *index.Index) {
	t.Helper()
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := ix.Wait(ctx, info.UpdateSeq); err != nil {
		t.Fatal(err)
	}
}

// failingSum fails when it is told to.
type failingSum struct {
	sum
	after *atomic.Int64 // rows until it fails; negative: it does not
}

var errSum = errors.New("it does not add up")

func (f *failingSum) Add(key, id, value []byte) error {
	if f.after.Load() >= 0 && f.after.Add(-1) < 0 {
		f.after.Store(0)
		return errSum
	}
	return f.sum.Add(key, id, value)
}

// If a first build is cut short while it loads, nobody sees a row of it, even after the index is
// opened again. It is then built from the beginning.
func TestLoadCutShort(t *testing.T) {
	for _, reopened := range []bool{false, true} {
		t.Run(fmt.Sprintf("opened again %v", reopened), func(t *testing.T) {
			scratch := t.TempDir()
			w := newWorld(t, storetest.Engine(t), index.Options{Delay: time.Hour, Scratch: scratch})
			w.m.SetBatches(10, 500)
			db := w.create(t, "db")
			defer db.Release()
			const docs = 150
			many(t, db, docs)
			var after atomic.Int64
			after.Store(100)
			def := keysDefinition()
			for i := range def.Views {
				def.Views[i].NewReducer = func(context.Context) (index.Reducer, error) { return &failingSum{after: &after}, nil }
			}
			ctx := t.Context()
			ix, err := w.m.Open(ctx, db, def)
			if err != nil {
				t.Fatal(err)
			}
			info, err := db.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := ix.Wait(ctx, info.UpdateSeq); !errors.Is(err, errSum) {
				t.Fatalf("built: %v", err)
			}
			if half := dump(t, db, "keys"); len(half) == 0 {
				t.Fatal("nothing was loaded: the test shows nothing")
			}
			if rows, err := rowsOf(ctx, ix); len(rows) > 0 || err != nil {
				t.Errorf("%d rows of an index that is not built, %v", len(rows), err)
			}
			if n := count(t, ix); n != 0 {
				t.Errorf("%d rows are counted in an index that is not built", n)
			}
			ix.Release()

			after.Store(-1)
			m := w.m
			if reopened {
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				m = index.NewManager(ctx, index.Options{Store: w.s, Delay: time.Hour, Scratch: scratch})
				defer m.Close()
			}
			if ix, err = m.Open(ctx, db, def); err != nil {
				t.Fatal(err)
			}
			defer ix.Release()
			if rows, err := rowsOf(ctx, ix); len(rows) > 0 || err != nil {
				t.Errorf("%d rows before it is built, %v", len(rows), err)
			}
			wait(t, db, ix)
			if rows, err := rowsOf(ctx, ix); len(rows) != docs || err != nil {
				t.Errorf("%d rows, %v", len(rows), err)
			}
			if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
				t.Errorf("%d files are left, %v", len(left), err)
			}
		})
	}
}

// What another process left in the folder for sorted rows is removed.
func TestScratchIsCleaned(t *testing.T) {
	scratch := t.TempDir()
	if err := os.WriteFile(scratch+"/rows-left", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	boltWorld(t, index.Options{Scratch: scratch})
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

// An index whose records are damaged while it is in use never gives a wrong answer. Readers get
// ErrRenewed, and callers who wait get the right rows.
func TestDamaged(t *testing.T) {
	const docs = 200
	garbage := []byte{99, 1, 2, 3}
	overwrite := func(space engine.Space) func(engine.Tx) error {
		return func(tx engine.Tx) error {
			var keys [][]byte
			err := tx.Scan(space, engine.Range{}, func(k, _ []byte) (bool, error) {
				keys = append(keys, slices.Clone(k))
				return true, nil
			})
			for _, k := range keys {
				err = errors.Join(err, tx.Put(space, k, garbage))
			}
			return err
		}
	}
	reads := map[string]func(*index.Index) (bool, error){ // whether the answer is right
		"rows": func(ix *index.Index) (bool, error) {
			rows, err := rowsOf(t.Context(), ix)
			return len(rows) == docs, err
		},
		"reduce": func(ix *index.Index) (ok bool, err error) {
			err = ix.Reduce(t.Context(), 0, index.ReduceQuery{Ranges: []index.Range{{}}, Limit: -1}, index.GroupsTo{Group: func(g *index.Group) error {
				ok = string(g.Value) == strconv.Itoa(docs)
				return nil
			}})
			return ok, err
		},
		"info": func(ix *index.Index) (bool, error) {
			info, err := ix.Info(t.Context())
			return err == nil && info.Rows[0] == docs, err
		},
	}
	for _, c := range []struct {
		name  string
		space engine.Space
		read  string
	}{{"state", 16, "info"}, {"rows", 17, "rows"}, {"rows", 17, "reduce"}, {"summary", 19, "reduce"}} {
		t.Run(c.name+" "+c.read, func(t *testing.T) {
			w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
			db := w.create(t, "db")
			defer db.Release()
			many(t, db, docs)
			ix := w.open(t, db, keysDefinition())
			defer ix.Release()
			sub, err := db.OpenSub(t.Context(), "index-keys")
			if err != nil {
				t.Fatal(err)
			}
			err = sub.Update(t.Context(), overwrite(c.space))
			if err := errors.Join(err, sub.Close()); err != nil {
				t.Fatal(err)
			}
			ok, err := reads[c.read](ix)
			if !errors.Is(err, index.ErrRenewed) && (!ok || err != nil) {
				t.Errorf("read while damaged: %v, %v", ok, err)
			}
			wait(t, db, ix)
			for name, read := range reads {
				if ok, err := read(ix); !ok || err != nil {
					t.Errorf("%s afterwards: %v, %v", name, ok, err)
				}
			}
		})
	}
}

// If the builder meets damage, the index is rebuilt, and everybody gets an answer.
func TestDamagedWhileBuilt(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	many(t, db, 50)
	ix := w.open(t, db, keysDefinition())
	defer ix.Release()
	sub, err := db.OpenSub(t.Context(), "index-keys")
	if err != nil {
		t.Fatal(err)
	}
	err = sub.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(18, []byte("d0001"), []byte{99}) })
	if err := errors.Join(err, sub.Close()); err != nil {
		t.Fatal(err)
	}
	d, err := db.Get(t.Context(), "d0001", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	edit := store.Edit{}
	edit.Doc.ID, edit.Doc.Rev, edit.Doc.HasRev, edit.Doc.Body = "d0001", d.Rev, true, []byte(`{"k":[7,8],"v":1}`)
	if res, err := db.Write(t.Context(), []store.Edit{edit}, store.WriteOptions{}); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	wait(t, db, ix)
	if rows, err := rowsOf(t.Context(), ix); len(rows) != 51 || err != nil {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// Readers of an index that is rebuilt meanwhile are told so, and do not get half of it.
func TestRenewedWhileRead(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	const docs = 5000 // more than one snapshot may read
	for from := 0; from < docs; from += 500 {
		edits := make([]store.Edit, 500)
		for i := range edits {
			edits[i].Doc.ID, edits[i].Doc.Body = fmt.Sprintf("d%04d", from+i), fmt.Appendf(nil, `{"k":[%d],"v":1}`, from+i)
		}
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	ix := w.open(t, db, keysDefinition())
	defer ix.Release()
	first := true
	n := 0
	q := index.RowsQuery{Ranges: []index.Range{{}}, Limit: -1}
	err := ix.Rows(t.Context(), q, index.RowsTo{Row: func(*index.Row) error { n++; return nil }, Flush: func() error {
		if !first {
			return nil
		}
		first = false
		sub, err := db.OpenSub(t.Context(), "index-keys")
		if err != nil {
			return err
		}
		err = sub.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(16, []byte("state"), []byte{99}) })
		if err := errors.Join(err, sub.Close()); err != nil {
			return err
		}
		if _, err := ix.Info(t.Context()); !errors.Is(err, index.ErrRenewed) {
			t.Errorf("info: %v", err)
		}
		wait(t, db, ix)
		return nil
	}})
	if !errors.Is(err, index.ErrRenewed) || n >= docs {
		t.Errorf("%d rows, then %v", n, err)
	}
	if rows, err := rowsOf(t.Context(), ix); len(rows) != docs || err != nil {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// slowMapper takes its time.
type slowMapper struct {
	keysMapper
	mapped *atomic.Int64
}

func (s slowMapper) Map(ctx context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	s.mapped.Add(1)
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.keysMapper.Map(ctx, d, emit)
}

// A build that nobody waits for any more goes on for the next caller. It stops with the manager,
// which the server closes at its end.
func TestBuildStopsWithManager(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	const docs = 3000
	for from := 0; from < docs; from += 500 {
		edits := make([]store.Edit, 500)
		for i := range edits {
			edits[i].Doc.ID, edits[i].Doc.Body = fmt.Sprintf("d%04d", from+i), fmt.Appendf(nil, `{"k":[%d],"v":1}`, from+i)
		}
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var mapped atomic.Int64
	def := keysDefinition()
	def.NewMapper = func() (index.Mapper, error) { return slowMapper{mapped: &mapped}, nil }
	ix, err := w.m.Open(t.Context(), db, def)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ix.Wait(ctx, docs); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ix.Release()
	before := mapped.Load()
	until(t, "the build goes on", func() bool { return mapped.Load() > before+10 })
	if err := w.m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := mapped.Load(); n >= docs/2 { // all take a quarter of a minute at least
		t.Errorf("%d of %d documents were mapped", n, docs)
	}
}

// If pages of an index's file are overwritten while it is in use, it is rebuilt. Reads give the
// right rows or an error.
func TestDamagedPages(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		dir := t.TempDir()
		w := newWorld(t, storetest.EngineIn(t, dir), index.Options{Delay: time.Hour, Scratch: t.TempDir()})
		db := w.create(t, "db")
		const docs = 3000
		for from := 0; from < docs; from += 500 {
			edits := make([]store.Edit, 500)
			for i := range edits {
				edits[i].Doc.ID, edits[i].Doc.Body = fmt.Sprintf("d%04d", from+i), fmt.Appendf(nil, `{"k":[%d],"v":1}`, from+i)
			}
			if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		ix := w.open(t, db, keysDefinition())
		files, err := filepath.Glob(filepath.Join(dir, "*.subs", "*.bolt"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		f, err := os.OpenFile(files[0], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		const page = 4096
		random := rand.New(rand.NewPCG(uint64(round), 1))
		for at := int64(2); at < info.Size()/page; at++ {
			b := make([]byte, page)
			switch {
			case random.IntN(3) > 0:
				continue
			case round%2 == 0:
				for i := range b {
					b[i] = byte(random.Uint32())
				}
			}
			if _, err := f.WriteAt(b, at*page); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if rows, err := rowsOf(t.Context(), ix); len(rows) != docs && err == nil && len(rows) > 0 {
				t.Errorf("round %d: %d rows of a damaged index", round, len(rows))
			}
		}
		put(t, db, "one more", `{"k":[-1],"v":1}`)
		wait(t, db, ix)
		if rows, err := rowsOf(t.Context(), ix); len(rows) != docs+1 || err != nil {
			t.Errorf("round %d: %d rows afterwards, %v", round, len(rows), err)
		}
		if n := count(t, ix); n != docs+1 {
			t.Errorf("round %d: %d rows are counted afterwards", round, n)
		}
		ix.Release()
		db.Release()
	}
}

// A search for very many missing keys also stops with its context, and does not hold one snapshot.
func TestManyKeysStop(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	many(t, db, 10)
	ix := w.open(t, db, keysDefinition())
	defer ix.Release()
	q := index.RowsQuery{Limit: -1}
	for i := range 20_000 {
		q.Ranges = append(q.Ranges, index.Key(0, collated(fmt.Sprint("none", i))))
	}
	pages := 0
	if err := ix.Rows(t.Context(), q, index.RowsTo{Flush: func() error { pages++; return nil }}); err != nil || pages < 5 {
		t.Errorf("%d pages, %v", pages, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pages = 0
	err := ix.Rows(ctx, q, index.RowsTo{Flush: func() error { pages++; cancel(); return nil }})
	if !errors.Is(err, context.Canceled) || pages > 1 {
		t.Errorf("%d pages after the end, %v", pages, err)
	}
}
