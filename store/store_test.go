package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// write writes one document and returns its new revision.
func write(t *testing.T, db *store.DB, rev revtree.Rev, format string, args ...any) (revtree.Rev, error) {
	t.Helper()
	doc := parse(t, format, args...)
	doc.Rev, doc.HasRev = rev, !rev.IsZero()
	res, err := db.Write(context.WithoutCancel(t.Context()), []store.Edit{{Doc: doc}}, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return res[0].Rev, res[0].Err
}

func TestDatabaseNames(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	for _, name := range []string{"", "A", "1a", "a b", "a.b", "_nothing", "ü", "../x", "a\x00"} {
		if err := s.Create(t.Context(), name); !errors.Is(err, store.ErrBadDBName) {
			t.Errorf("create %q: %v", name, err)
		}
		if _, err := storetest.OpenDB(t.Context(), s, name); !errors.Is(err, store.ErrNoDB) {
			t.Errorf("open %q: %v", name, err)
		}
	}
	names := []string{"a", "a+b", "a/", "a/b", "a//b", "a/_users", "a_$()+-/x", "_replicator", "ab"}
	for _, name := range names {
		if err := s.Create(t.Context(), name); err != nil {
			t.Errorf("create %q: %v", name, err)
		}
	}
	if err := s.Create(t.Context(), "a/b"); !errors.Is(err, store.ErrDBExists) {
		t.Errorf("second create: %v", err)
	}
	slices.Sort(names)
	got, err := s.Names(t.Context(), "", -1)
	if err != nil || !slices.Equal(got, names) {
		t.Errorf("names are %q, %v", got, err)
	}
	if got, _ = s.Names(t.Context(), names[2], 3); !slices.Equal(got, names[3:6]) {
		t.Errorf("three names after %q are %q", names[2], got)
	}
}

// A new database of the same name is a different one: a place in the old feed becomes the
// beginning.
func TestRemadeDatabaseStartsAnew(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	for i := range 3 {
		if _, err := write(t, db, revtree.Rev{}, `{"_id":"d%d"}`, i); err != nil {
			t.Fatal(err)
		}
	}
	place := db.Seq(2).String()
	if n, err := db.ParseSeq(t.Context(), place); n != 2 || err != nil {
		t.Fatalf("its own sequence is %d, %v", n, err)
	}
	if err := s.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-db.Gone():
	case <-time.After(time.Minute):
		t.Error("a feed of a deleted database would go on")
	}
	if _, err := db.Info(t.Context()); !errors.Is(err, store.ErrNoDB) {
		t.Errorf("info of a deleted database: %v", err)
	}
	again := storetest.DB(t, s, "db")
	if n, err := again.ParseSeq(t.Context(), place); n != 0 || err != nil {
		t.Errorf("the old sequence is %d, %v in the new database", n, err)
	}
	for _, bad := range []string{"", "1", "-1", "x", "1-", "now", "99999999999999999999-x"} {
		if _, err := again.ParseSeq(t.Context(), bad); !errors.Is(err, store.ErrBadSeq) {
			t.Errorf("sequence %q: %v", bad, err)
		}
	}
	if info, err := again.Info(t.Context()); err != nil || info.DocCount != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

// Many goroutines use more databases than may be open at once.
func TestDatabasesComeAndGo(t *testing.T) {
	s := storetest.Open(t, store.Options{MaxOpen: 3})
	const dbs, rounds = 12, 20
	for i := range dbs {
		if err := s.Create(t.Context(), fmt.Sprintf("db%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range rounds {
				db, err := storetest.OpenDB(t.Context(), s, fmt.Sprintf("db%d", (w*7+i)%dbs))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := write(t, db, revtree.Rev{}, `{"_id":"w%d-%d"}`, w, i); err != nil {
					t.Error(err)
				}
				db.Release()
			}
		})
	}
	wg.Wait()
	total := uint64(0)
	for i := range dbs {
		info, err := storetest.DB(t, s, fmt.Sprintf("db%d", i)).Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total += info.DocCount
	}
	if total != 8*rounds {
		t.Errorf("%d documents of %d", total, 8*rounds)
	}
}

// If there are many edits of the same revision, one wins, and the other writers are told.
func TestOneOfManyEditsWins(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	rev, err := write(t, db, revtree.Rev{}, `{"_id":"a"}`)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		var wg sync.WaitGroup
		won := make(chan revtree.Rev, 16)
		for w := range 16 {
			wg.Go(func() {
				switch next, err := write(t, db, rev, `{"_id":"a","w":%d,"r":%d}`, w, round); {
				case err == nil:
					won <- next
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d edits of %s won", len(won), rev)
		}
		rev = <-won
	}
	checkClean(t, t.Context(), db)
}

// A waiting feed hears of each write and misses none, whatever the timing.
func TestFeedMissesNothing(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	const writers, each = 4, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := write(t, db, revtree.Rev{}, `{"_id":"%d-%d"}`, w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	defer wg.Wait()
	seen := map[string]bool{}
	since, deadline := uint64(0), time.After(time.Minute)
	for len(seen) < writers*each {
		select {
		case <-db.Changed(since):
		case <-deadline:
			t.Fatalf("heard of %d of %d", len(seen), writers*each)
		}
		end, err := db.Changes(t.Context(), store.ChangesQuery{Since: since, Limit: -1}, func(c *store.Change) error {
			if c.Seq <= since {
				t.Errorf("sequence %d after %d", c.Seq, since)
			}
			since = c.Seq
			seen[string(c.ID)] = true
			return nil
		}, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		since = end.Last
	}
}

// Compaction goes on beside readers and writers, and loses nothing but old bodies.
func TestCompactionBesideWork(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	var mu sync.Mutex
	revs := map[string]revtree.Rev{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d", w, i%40)
				mu.Lock()
				rev := revs[id]
				mu.Unlock()
				next, err := write(t, db, rev, `{"_id":%q,"i":%d}`, id, i)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				revs[id] = next
				mu.Unlock()
			}
		})
	}
	for range 5 {
		if err := db.Compact(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	for id, rev := range revs {
		if d, err := db.Get(t.Context(), id, store.ReadOptions{}); err != nil || d.Rev != rev {
			t.Errorf("%s: %v, %v, want %s", id, d, err, rev)
		}
	}
	checkClean(t, t.Context(), db)
}

func TestPendingCounts(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	const docs = 3000 // several stretches of the ranks
	edits := make([]store.Edit, docs)
	for i := range edits {
		edits[i].Doc = parse(t, `{"_id":"%05d"}`, i)
	}
	results, err := db.Write(t.Context(), edits, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pending := func(since uint64) int {
		end, err := db.Changes(t.Context(), store.ChangesQuery{Since: since}, nil, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return end.Pending
	}
	for _, since := range []uint64{0, 1, 1023, 1024, 1025, 2999, 3000} {
		if got, want := pending(since), docs-int(since); got != want {
			t.Errorf("%d pending after %d, want %d", got, since, want)
		}
	}
	for i := range 1500 { // they move to new places
		if _, err := write(t, db, results[i].Rev, `{"_id":"%05d","again":true}`, i); err != nil {
			t.Fatal(err)
		}
	}
	for since, want := range map[uint64]int{0: 3000, 1500: 3000, 3000: 1500, 4000: 500, 4500: 0} {
		if got := pending(since); got != want {
			t.Errorf("after the edits %d pending after %d, want %d", got, since, want)
		}
	}
}

// Databases are made, used and deleted by many at once; in the end a new one works.
func TestRemadeWhileInUse(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 60 {
				var err error
				switch (w + i) % 3 {
				case 0:
					err = s.Create(t.Context(), "db")
				case 1:
					err = s.Drop(t.Context(), "db")
				default:
					var db *store.DB
					if db, err = storetest.OpenDB(t.Context(), s, "db"); err == nil {
						_, err = db.Write(t.Context(), []store.Edit{{Doc: parse(t, `{"_id":"%d-%d"}`, w, i)}}, store.WriteOptions{})
						db.Release()
					}
				}
				if err != nil && !errors.Is(err, store.ErrDBExists) && !errors.Is(err, store.ErrNoDB) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Drop(t.Context(), "db"); err != nil && !errors.Is(err, store.ErrNoDB) {
		t.Fatal(err)
	}
	db := storetest.DB(t, s, "db")
	if _, err := write(t, db, revtree.Rev{}, `{"_id":"a"}`); err != nil {
		t.Fatal(err)
	}
	if info, err := db.Info(t.Context()); err != nil || info.DocCount != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	checkClean(t, t.Context(), db)
}

func TestOffsets(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	offset := func(start string, descending bool) (n int) {
		q := store.AllDocsQuery{Start: start, HasStart: true, Descending: descending, Limit: 1, WantOffset: true}
		err := db.AllDocs(t.Context(), q, func(p store.Page) error { n = p.Offset; return nil }, func(*store.Row) error { return nil }, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	offset("x", false) // in an empty database: later documents are counted as they come
	const docs = 6000
	edits := make([]store.Edit, docs)
	for i := range edits {
		edits[i].Doc = parse(t, `{"_id":"%05d"}`, i)
	}
	results, err := db.Write(t.Context(), edits, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(gone int) {
		t.Helper()
		for _, i := range []int{0, 1, 511, 512, 513, 2048, 3000, docs - 1} {
			if got, want := offset(fmt.Sprintf("%05d", i), false), max(i-gone, 0); got != want {
				t.Errorf("offset of %d is %d, want %d", i, got, want)
			}
			if got, want := offset(fmt.Sprintf("%05d", i), true), min(docs-1-i, docs-gone); got != want {
				t.Errorf("offset of %d from the end is %d, want %d", i, got, want)
			}
		}
	}
	check(0)
	for i := range 400 { // the first ones go
		if _, err := write(t, db, results[i].Rev, `{"_id":"%05d","_deleted":true}`, i); err != nil {
			t.Fatal(err)
		}
	}
	check(400)
}
