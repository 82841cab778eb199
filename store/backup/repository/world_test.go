package repository_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/anykey"
	"github.com/tododb/tododb/store/storetest"
)

// world is a server whose databases somebody works on.
type world struct {
	t     testing.TB
	r     *rand.Rand
	s     *store.Store
	eng   engine.Engine
	ahead atomic.Int64
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 2)), eng: storetest.Engine(t)}
	w.s = storetest.On(t, w.eng, store.Options{Clock: w.now})
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// in opens a database for the length of a call.
func (w *world) in(name string, do func(store.Bare)) {
	w.t.Helper()
	db, err := w.s.Bare(context.WithoutCancel(w.t.Context()), name, store.ForBackups)
	w.must(err)
	defer db.Release()
	do(db)
}

func (w *world) put(name, id, body string, atts ...string) revtree.Rev {
	w.t.Helper()
	var rev revtree.Rev
	w.in(name, func(db store.Bare) {
		doc, err := document.Parse([]byte(body), document.Options{})
		w.must(err)
		doc.ID = id
		if d, err := db.Get(w.t.Context(), id, store.ReadOptions{Deleted: true}); err == nil && !d.Deleted {
			doc.Rev, doc.HasRev = d.Rev, true
		}
		e := store.Edit{Doc: doc}
		for i, a := range atts {
			st, err := db.StageAttachment(w.t.Context(), strings.NewReader(a), store.StageOptions{})
			w.must(err)
			e.Attachments = append(e.Attachments, store.EditAttachment{Name: fmt.Sprint(i), Type: "text/plain", Staged: &st})
		}
		done, err := db.Write(w.t.Context(), []store.Edit{e}, store.WriteOptions{})
		w.must(err)
		w.must(done[0].Err)
		rev = done[0].Rev
	})
	return rev
}

func (w *world) id() string { return fmt.Sprintf("d%d", w.r.IntN(12)) }

// step does something in a database.
func (w *world) step(name string) {
	ctx := w.t.Context()
	switch w.r.IntN(20) {
	default:
		var atts []string
		for range w.r.IntN(3) {
			atts = append(atts, strings.Repeat(fmt.Sprintf("attachment %d ", w.r.IntN(6)), 1+w.r.IntN(2)*9000))
		}
		w.put(name, w.id(), fmt.Sprintf(`{"n":%d,"s":%q}`, w.r.IntN(1000), strings.Repeat("s", w.r.IntN(3000))), atts...)
	case 0, 1:
		id := w.id()
		w.in(name, func(db store.Bare) {
			d, err := db.Get(ctx, id, store.ReadOptions{})
			if err != nil {
				return
			}
			_, err = db.Write(ctx, []store.Edit{{Doc: document.Doc{ID: id, Rev: d.Rev, HasRev: true, Deleted: true, Body: []byte("{}")}}}, store.WriteOptions{})
			w.must(err)
		})
	case 2, 3, 4:
		gen := 1 + w.r.Uint64N(4)
		var path []revtree.Rev
		for g := gen; g > 0; g-- {
			path = append(path, revtree.Rev{Gen: g, ID: strings.Repeat(string(rune('a'+w.r.IntN(2))), int(g))})
		}
		doc, err := document.Parse(fmt.Appendf(nil, `{"r":%d}`, w.r.IntN(9)), document.Options{})
		w.must(err)
		doc.ID, doc.Rev, doc.HasRev, doc.Path = w.id(), path[0], true, path
		w.in(name, func(db store.Bare) {
			_, err = db.Write(ctx, []store.Edit{{Doc: doc}}, store.WriteOptions{Replicated: true})
			w.must(err)
		})
	case 5, 6:
		id := w.id()
		w.in(name, func(db store.Bare) {
			if d, err := db.Get(ctx, id, store.ReadOptions{Deleted: true}); err == nil {
				_, _, err = db.Purge(ctx, []string{id}, [][]revtree.Rev{{d.Rev}})
				w.must(err)
			}
		})
	case 7:
		w.in(name, func(db store.Bare) {
			w.must(db.SetSecurity(ctx, fmt.Appendf(nil, `{"n":%d}`, w.r.IntN(100))))
			w.must(db.SetPurgedInfosLimit(ctx, 1+w.r.IntN(4)))
		})
	case 9:
		w.ahead.Add(int64(time.Duration(w.r.IntN(30)) * time.Hour))
		w.in(name, func(db store.Bare) { w.must(db.Sweep(ctx)) })
	case 10:
		doc, err := document.Parse(fmt.Appendf(nil, `{"n":%d}`, w.r.IntN(100)), document.Options{})
		w.must(err)
		doc.ID = fmt.Sprintf("_local/l%d", w.r.IntN(3))
		w.in(name, func(db store.Bare) {
			_, err = db.Write(ctx, []store.Edit{{Doc: doc}}, store.WriteOptions{})
			w.must(err)
		})
	}
}

// state is what databases hold, record by record, as far as a restore brings it back.
func state(t testing.TB, s *store.Store, eng engine.Engine) map[string][]string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	names, err := s.Names(ctx, "", -1)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, name := range names {
		db, err := s.Bare(ctx, name, store.ForBackups)
		if err == nil { // old bodies may have come in an earlier backup, and have been compacted away since
			err = db.Compact(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[name] = rows(t, anykey.New(eng), name)
		for i := range 12 { // attachments by their contents
			d, err := db.Get(ctx, fmt.Sprintf("d%d", i), store.ReadOptions{Deleted: true})
			if err != nil {
				continue
			}
			for _, a := range d.Attachments {
				in := db.ReadAttachment(ctx, a.Digest, 0, a.Length)
				b, err := io.ReadAll(in)
				in.Close()
				all[name] = append(all[name], fmt.Sprintf("%s/%s: %.30q of %d bytes, %v", d.ID, a.Name, b, len(b), err))
			}
		}
		db.Release()
	}
	return all
}

func rows(t testing.TB, eng engine.Engine, name string) (rows []string) {
	t.Helper()
	db, err := eng.Open(context.WithoutCancel(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(context.WithoutCancel(t.Context()), func(r engine.Reader) error {
		for s := engine.Space(1); s < 31; s++ {
			if s == 7 {
				continue // attachments have random places: they are read
			}
			err := r.Scan(s, engine.Range{}, func(k, v []byte) (bool, error) {
				if s == 1 && (bytes.HasPrefix(k, []byte("sub/")) || bytes.HasPrefix(k, []byte("epoch/")) || string(k) == "identity") || s == 11 && binary.BigEndian.Uint64(k) == 0 {
					return true, nil // a restored database has others
				}
				rows = append(rows, fmt.Sprintf("space %d: %.200q = %x", s, k, v))
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
	return rows
}

// folderSink restores into a store.
type folderSink struct{ s *store.Store }

func (f folderSink) There(ctx context.Context, name string) (int64, error) {
	there, err := f.s.Exists(ctx, name)
	if !there {
		return -1, err
	}
	return 1, err
}

func (f folderSink) Restore(ctx context.Context, name string, streams io.Reader, opt backup.RestoreOptions) error {
	_, err := backup.Restore(ctx, f.s, name, streams, opt)
	return err
}

// restored restores a backup into an empty store and returns what that holds then.
func (w *world) restored(repo *repository.Repository, b *repository.Backup) map[string][]string {
	w.t.Helper()
	eng := storetest.Engine(w.t)
	s := storetest.On(w.t, eng, store.Options{Clock: w.now})
	if err := repo.Restore(w.t.Context(), folderSink{s}, b, repository.Restoring{}); err != nil {
		w.t.Fatalf("restore %s: %v", b.ID, err)
	}
	ctx := context.WithoutCancel(w.t.Context())
	for _, d := range b.Databases {
		db, err := s.Bare(ctx, d.Name, store.ForBackups)
		w.must(err)
		w.must(db.Check(ctx, func(problem string) { w.t.Errorf("check of %s: %s", d.Name, problem) }))
		db.Release()
	}
	return state(w.t, s, eng)
}

// compare compares what was restored with what was there.
func compare(t testing.TB, what string, got, want map[string][]string) {
	t.Helper()
	for name := range want {
		if _, is := got[name]; !is {
			t.Errorf("%s: database %s is missing", what, name)
		}
	}
	for name := range got {
		if _, is := want[name]; !is {
			t.Errorf("%s: database %s is too much", what, name)
		}
		for _, row := range want[name] {
			if !slices.Contains(got[name], row) {
				t.Errorf("%s, %s: missing: %.300s", what, name, row)
			}
		}
		for _, row := range got[name] {
			if !slices.Contains(want[name], row) {
				t.Errorf("%s, %s: too much: %.300s", what, name, row)
			}
		}
	}
}
