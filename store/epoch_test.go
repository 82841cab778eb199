package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// machine is a server whose files may be copied, and replaced by copies of another's.
type machine struct {
	dir string
	e   *bolt.Engine
	s   *store.Store
	db  *store.DB
}

func (m *machine) start(t testing.TB) {
	t.Helper()
	e, err := bolt.Open(m.dir, bolt.Options{AppendOnly: store.AppendOnly, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	m.e = e
	if m.s, err = store.Open(t.Context(), e, store.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := m.s.Create(t.Context(), "db"); err != nil && !errors.Is(err, store.ErrDBExists) {
		t.Fatal(err)
	}
	m.open(t)
}

func (m *machine) open(t testing.TB) {
	t.Helper()
	var err error
	if m.db, err = storetest.OpenDB(t.Context(), m.s, "db"); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) stop(t testing.TB) {
	t.Helper()
	m.db.Release()
	if err := errors.Join(m.s.Close(), m.e.Close()); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) file() string { return filepath.Join(m.dir, "db.bolt") }

// copied is the file with everything that was written. What only the journal has is no part of it.
func (m *machine) copied(t testing.TB) []byte {
	t.Helper()
	if err := m.e.Flush(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(m.file())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put makes a document's next revision. It differs from all that were made elsewhere.
func (m *machine) put(t testing.TB, id string, unlike int) {
	t.Helper()
	d := parse(t, `{"_id":%q,"unlike":%d}`, id, unlike)
	now, err := m.db.Get(t.Context(), id, store.ReadOptions{Deleted: true})
	if err == nil {
		d.Rev, d.HasRev = now.Rev, true
	} else if !errors.Is(err, store.ErrMissing) {
		t.Fatal(err)
	}
	if res, err := m.db.Put(t.Context(), store.Edit{Doc: d}, store.WriteOptions{}); err != nil {
		t.Fatal(res, err)
	}
}

// feed returns the newest revision of each document, with those that led to it: newest first.
func feed(t testing.TB, db *store.DB, since uint64) (rows map[string][]revtree.Rev, last store.Seq) {
	t.Helper()
	rows = map[string][]revtree.Rev{}
	end, err := db.Changes(context.WithoutCancel(t.Context()), store.ChangesQuery{Since: since, Limit: -1, IncludeDocs: true, Revs: true}, func(c *store.Change) error {
		rows[string(c.ID)] = slices.Clone(c.Doc.Path)
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rows, db.Seq(end.Last)
}

// reader is a client that follows a feed and keeps everything it sees. Whoever has a revision
// also knows the ones before it.
type reader struct {
	place string
	seen  map[string]bool
}

func (r *reader) read(rt *rapid.T, t testing.TB, db *store.DB) {
	since, err := db.ParseSeq(t.Context(), r.place)
	if err != nil {
		rt.Fatal(err)
	}
	rows, last := feed(t, db, since)
	for id, path := range rows {
		for _, rev := range path {
			r.seen[id+rev.String()] = true
		}
	}
	all, _ := feed(t, db, 0)
	for id, path := range all {
		if !r.seen[id+path[0].String()] {
			rt.Fatalf("a reader at %s was sent on from %d and has missed %s of %q", r.place, since, path[0], id)
		}
	}
	r.place = last.String()
}

// Database files are copied between machines and put back, at any time, and then written to. A
// reader that goes from one machine to another misses nothing. If nothing was copied, it gets
// nothing twice.
func TestReadersMissNothingOfCopies(t *testing.T) {
	scratch := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		machines := make([]*machine, 3)
		for i := range machines {
			machines[i] = &machine{dir: filepath.Join(scratch, fmt.Sprint(run, "-", i))}
			machines[i].start(t)
		}
		defer func() {
			for _, m := range machines {
				checkClean(rt, t.Context(), m.db)
				m.stop(t)
				os.RemoveAll(m.dir)
			}
		}()
		readers := make([]reader, 3)
		for i := range readers {
			readers[i] = reader{place: "0", seen: map[string]bool{}}
		}
		unlike := 0
		one := func(rt *rapid.T) *machine { return machines[rapid.IntRange(0, 2).Draw(rt, "machine")] }
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				m := one(rt)
				for range rapid.IntRange(1, 3).Draw(rt, "writes") {
					unlike++
					m.put(t, rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(rt, "id"), unlike)
				}
			},
			"restart": func(rt *rapid.T) {
				m := one(rt)
				m.stop(t)
				m.start(t)
			},
			"idle": func(rt *rapid.T) { // closed because it was not used, and opened again
				m := one(rt)
				before := m.db.Epoch()
				rows, _ := feed(t, m.db, 0)
				m.db.Release()
				for m.s.MakeRoom() {
				}
				m.open(t)
				if len(rows) > 0 && before != m.db.Epoch() {
					if list, err := m.db.Epochs(t.Context()); err != nil || len(list) > 0 && list[len(list)-1].ID == before {
						rt.Fatalf("an idle database began an epoch: %v, %v", list, err)
					}
				}
			},
			"copy": func(rt *rapid.T) { // while the source runs; the target is stopped
				from, to := one(rt), one(rt)
				if from == to {
					return
				}
				b := from.copied(t)
				to.stop(t)
				if err := os.WriteFile(to.file(), b, 0o600); err != nil {
					rt.Fatal(err)
				}
				to.start(t)
			},
			"renew": func(rt *rapid.T) {
				if err := one(rt).db.RenewEpoch(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"merge": func(rt *rapid.T) {
				if err := one(rt).db.MergeEpochs(t.Context(), rapid.IntRange(1, 3).Draw(rt, "kept")); err != nil {
					rt.Fatal(err)
				}
			},
			"read": func(rt *rapid.T) {
				m := one(rt)
				r := &readers[rapid.IntRange(0, 2).Draw(rt, "reader")]
				r.read(rt, t, m.db)
				if n, err := m.db.ParseSeq(t.Context(), r.place); err != nil || m.db.Seq(n).String() != r.place && n > 0 {
					rt.Fatalf("a place %s that was just given is read as %d, %v", r.place, n, err)
				}
			},
		})
	})
}

// A copy is put back. It was taken before or after the places that clients have.
func TestPlacesInACopyPutBack(t *testing.T) {
	m := &machine{dir: t.TempDir()}
	m.start(t)
	m.put(t, "a", 1)
	before := m.db.Seq(1).String()
	m.put(t, "b", 2)
	copied := m.copied(t)
	at := m.db.Seq(2)
	for i := range 3 {
		m.put(t, fmt.Sprint("lost", i), i)
	}
	after := m.db.Seq(5).String()
	m.stop(t)
	if err := os.WriteFile(m.file(), copied, 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	for i := range 9 {
		m.put(t, fmt.Sprint("new", i), i)
	}
	newer := m.db.Seq(11)
	for _, c := range []struct {
		place string
		want  uint64
	}{{before, 1}, {at.String(), 2}, {after, 2}, {newer.String(), 11}, {"3-" + at.Epoch, 2}, {"99-" + newer.Epoch, 11}, {"3-00000000000000ff", 0}, {"0-" + at.Epoch, 0}} {
		if got, err := m.db.ParseSeq(t.Context(), c.place); got != c.want || err != nil {
			t.Errorf("place %s is %d (%v), want %d", c.place, got, err, c.want)
		}
	}
	for n, want := range map[uint64]string{1: before, 2: at.String()} {
		if got := m.db.Seq(n).String(); got != want {
			t.Errorf("sequence %d is now %s, was %s", n, got, want)
		}
	}
	if newer.Epoch == at.Epoch || strings.HasSuffix(after, newer.Epoch) {
		t.Error("what was written after the copy was put back is of the epoch that it was taken from")
	}
	m.stop(t)
}

// Reading begins no epoch, and neither do more writes of one process.
func TestOneEpochForEachProcessThatWrites(t *testing.T) {
	m := &machine{dir: t.TempDir()}
	for i := range 5 {
		m.start(t)
		feed(t, m.db, 0)
		if i%2 == 0 {
			m.put(t, "a", i)
			m.put(t, "b", i)
		}
		m.stop(t)
	}
	m.start(t)
	list, err := m.db.Epochs(t.Context())
	if err != nil || len(list) != 2 || list[0].First != 3 || list[1].First != 5 {
		t.Errorf("epochs %v (%v), want the creator's and two more, from 3 and from 5", list, err)
	}
	m.stop(t)
}

// The engine does not always know whether a commit took place. Still, every place that a client
// ever got leads to the same point in the feed.
func TestEpochsOfUnknownOutcome(t *testing.T) {
	for seed := range uint64(30) {
		e := chaos.New(chaos.Options{Seed: seed, Alone: true, Rerun: 0.3, Unknown: 0.4})
		rows := map[string]string{} // a place in the feed, and its row
		for range 8 {
			s, err := store.Open(t.Context(), e, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for s.Create(t.Context(), "db") != nil {
				if there, err := s.Exists(t.Context(), "db"); there && err == nil {
					break
				}
			}
			db, err := storetest.OpenDB(t.Context(), s, "db")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				if seed%3 == 0 && i == 3 {
					_ = db.RenewEpoch(t.Context()) // it may fail
				}
				_, _ = db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"%d-%d"}`, len(rows), i)}, store.WriteOptions{})
				if _, err := db.Changes(t.Context(), store.ChangesQuery{Limit: -1}, func(c *store.Change) error {
					place := db.Seq(c.Seq).String()
					if was, known := rows[place]; known && was != string(c.ID) {
						t.Errorf("seed %d: %s stood for %q and stands for %q", seed, place, was, c.ID)
					}
					rows[place] = string(c.ID)
					return nil
				}, func() error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			for place := range rows {
				seq, err := store.ReadSeq(place)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := db.Common(t.Context(), seq); n != seq.N || err != nil {
					t.Errorf("seed %d: place %s is found at %d, %v", seed, place, n, err)
				}
			}
			checkClean(t, t.Context(), db)
			db.Release()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		ids := slices.Collect(maps.Values(rows))
		slices.Sort(ids)
		if len(slices.Compact(ids)) < len(rows) {
			t.Errorf("seed %d: one change was shown at two places", seed)
		}
	}
}
