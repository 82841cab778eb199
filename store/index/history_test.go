package index_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
)

// folder is a server's folder with one database and its indexes, whose files may be exchanged
// while the server is stopped.
type folder struct {
	dir string
	e   *bolt.Engine
	s   *store.Store
	m   *index.Manager
	db  *store.DB
}

func startFolder(t testing.TB, dir string) *folder {
	t.Helper()
	e, err := bolt.Open(dir, bolt.Options{AppendOnly: store.AppendOnly, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{dir: dir, e: e}
	if f.s, err = store.Open(t.Context(), e, store.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := f.s.Create(t.Context(), "db"); err != nil && !errors.Is(err, store.ErrDBExists) {
		t.Fatal(err)
	}
	f.m = index.NewManager(t.Context(), index.Options{Store: f.s, Delay: time.Hour})
	if f.db, err = storetest.OpenDB(t.Context(), f.s, "db"); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *folder) stop(t testing.TB) {
	t.Helper()
	f.db.Release()
	if err := errors.Join(f.m.Close(), f.s.Close(), f.e.Close()); err != nil {
		t.Fatal(err)
	}
}

func (f *folder) again(t testing.TB, between func()) *folder {
	t.Helper()
	f.stop(t)
	between()
	return startFolder(t, f.dir)
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copySubs(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
		return
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// copyTo copies the file with everything that was written. What only the journal has is no part of it.
func (f *folder) copyTo(t testing.TB, to string) {
	t.Helper()
	if err := f.e.Flush(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	copyFile(t, f.file(), to)
}

func (f *folder) file() string { return filepath.Join(f.dir, "db.bolt") }
func (f *folder) subs() string { return filepath.Join(f.dir, "db.subs") }

// Copies of the database and of its indexes are put back, each at any time, and then written to.
// An index answers as if it had been built from the present documents. Callers that do not wait
// for it see the documents of an earlier state of this database, or nothing.
func TestIndexesBesideOtherStatesOfTheirDatabase(t *testing.T) {
	scratch := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dir := filepath.Join(scratch, fmt.Sprint(run))
		f := startFolder(t, dir)
		defer func() {
			f.stop(t)
			os.RemoveAll(dir)
		}()
		states := map[string]string{"": "[]"} // the rows of each state there ever was
		note := func() {
			seq, err := f.db.UpdateSeq(t.Context())
			if err != nil {
				rt.Fatal(err)
			}
			states[f.db.Seq(seq).String()] = fmt.Sprint(modelRows(rt, f.db, 0))
		}
		dbs, indexes := 0, 0 // copies
		copied := func(kind string, n int) string { return filepath.Join(dir, fmt.Sprint(kind, n, ".copy")) }
		note()
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) { write(rt, f.db); note() },
			"purge": func(rt *rapid.T) { purge(rt, f.db); note() },
			"query": func(rt *rapid.T) {
				w := &world{eng: f.e, s: f.s, m: f.m}
				ix := w.open(rt, f.db, keysDefinition())
				defer ix.Release()
				query(rt, f.db, ix)
			},
			"stale": func(rt *rapid.T) {
				ix, err := f.m.Open(t.Context(), f.db, keysDefinition())
				if err != nil {
					rt.Fatal(err)
				}
				defer ix.Release()
				info, err := ix.Info(t.Context())
				if err != nil {
					rt.Fatal(err)
				}
				var rows []modelRow
				q := index.RowsQuery{Ranges: []index.Range{{}}, Limit: -1}
				err = ix.Rows(t.Context(), q, index.RowsTo{Row: func(r *index.Row) error {
					rows = append(rows, modelRow{key: string(r.Key), id: string(r.ID), value: string(r.Value)})
					return nil
				}})
				if err != nil {
					rt.Fatal(err)
				}
				at := ""
				if info.Seq > 0 {
					at = f.db.Seq(info.Seq).String()
				}
				if got := fmt.Sprint(rows); got != states[at] {
					rt.Fatalf("without waiting, at %q:\n%s\nwhere there was\n%s", at, got, states[at])
				}
			},
			"copy the database": func(rt *rapid.T) { f.copyTo(t, copied("db", dbs)); dbs++ },
			"copy the indexes":  func(rt *rapid.T) { f = f.again(t, func() { copySubs(t, f.subs(), copied("ix", indexes)); indexes++ }) },
			"restart":           func(rt *rapid.T) { f = f.again(t, func() {}) },
			"put a database back": func(rt *rapid.T) {
				if dbs > 0 {
					f = f.again(t, func() { copyFile(t, copied("db", rapid.IntRange(0, dbs-1).Draw(rt, "copy")), f.file()) })
				}
			},
			"put indexes back": func(rt *rapid.T) {
				if indexes > 0 {
					f = f.again(t, func() { copySubs(t, copied("ix", rapid.IntRange(0, indexes-1).Draw(rt, "copy")), f.subs()) })
				}
			},
		})
	})
}

// twistMapper does something at the first document, and at a document that was written again.
type twistMapper struct {
	keysMapper
	twist func(*store.Document) error
}

var errTwisted = errors.New("cut short")

func (m twistMapper) Map(ctx context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	if d.ID == "d0000" || d.Rev.Gen > 1 {
		if err := m.twist(d); err != nil {
			return err
		}
	}
	return m.keysMapper.Map(ctx, d, emit)
}

// A document moves during the first build of an index, and the work ends before the index has
// caught up. Then a copy of the database is put back in which the document has not moved. The
// index has come just as far, but has never seen the document.
func TestIndexThatMissedWhatTheCopyHas(t *testing.T) {
	f := startFolder(t, t.TempDir())
	many(t, f.db, 5)
	copied := f.file() + ".copy"
	f.copyTo(t, copied)
	f.m.SetBatches(1, 1<<20)
	def := keysDefinition()
	def.NewMapper = func() (index.Mapper, error) {
		return twistMapper{twist: func(d *store.Document) error {
			if d.Rev.Gen > 1 {
				return errTwisted
			}
			_, err := f.db.Put(context.Background(), store.Edit{Doc: document.Doc{ID: "d0004", Path: []revtree.Rev{{Gen: 2, ID: "x"}}, Body: []byte(`{"k":["moved"],"v":1}`)}}, store.WriteOptions{Replicated: true})
			return err
		}}, nil
	}
	ix, err := f.m.Open(t.Context(), f.db, def)
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Wait(t.Context(), 6); !errors.Is(err, errTwisted) {
		t.Fatalf("the build ends with %v", err)
	}
	ix.Release()
	f = f.again(t, func() { copyFile(t, copied, f.file()) })
	defer func() { f.stop(t) }()
	again, err := f.m.Open(t.Context(), f.db, keysDefinition())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Release()
	wait(t, f.db, again)
	if keys, err := rowsOf(t.Context(), again); err != nil || !slices.Equal(keys, []string{"0", "1", "2", "3", "4"}) {
		t.Errorf("keys %q, %v", keys, err)
	}
}

// An older copy of a database is put back and written to, until it has as many changes as its
// index has seen.
func TestOlderDatabaseBesideNewerIndex(t *testing.T) {
	f := startFolder(t, t.TempDir())
	many(t, f.db, 5)
	copied := f.file() + ".copy"
	f.copyTo(t, copied)
	for i := range 20 {
		put(t, f.db, fmt.Sprint("lost", i), fmt.Sprintf(`{"k":["lost%d"],"v":1}`, i))
	}
	w := &world{eng: f.e, s: f.s, m: f.m}
	w.open(t, f.db, keysDefinition()).Release()
	f = f.again(t, func() { copyFile(t, copied, f.file()) })
	defer func() { f.stop(t) }()
	for i := range 25 {
		put(t, f.db, fmt.Sprint("new", i), fmt.Sprintf(`{"k":["new%02d"],"v":1}`, i))
	}
	ix, err := f.m.Open(t.Context(), f.db, keysDefinition())
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	if keys, err := rowsOf(t.Context(), ix); err != nil || len(keys) > 0 {
		t.Errorf("without waiting: keys %q, %v", keys, err)
	}
	wait(t, f.db, ix)
	want := []string{"0", "1", "2", "3", "4"}
	for i := range 25 {
		want = append(want, fmt.Sprintf(`"new%02d"`, i))
	}
	if keys, err := rowsOf(t.Context(), ix); err != nil || !slices.Equal(keys, want) {
		t.Errorf("keys %q, %v", keys, err)
	}
}
