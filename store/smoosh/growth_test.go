package smoosh_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/smoosh"
	"github.com/tododb/tododb/store/storetest"
)

// bubble runs a test whose time does not pass by itself. Pools keep channels that were made in it, which nobody
// outside may use; two collections empty them.
func bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, test)
	runtime.GC()
	runtime.GC()
}

// load fills a database, and rewrites some of its documents, so that there is garbage too.
type load struct {
	t    *testing.T
	db   store.Bare
	n    int
	revs [30]string
}

func (l *load) write(more int) {
	l.t.Helper()
	text := strings.Repeat("word ", 180)
	var edits []store.Edit
	for i := range l.revs {
		edits = append(edits, edit(`{"_id":"again %d"%s,"text":%q}`, i, l.revs[i], text))
	}
	for range more {
		edits = append(edits, edit(`{"_id":"new %x","text":%q}`, l.n*7919, text))
		l.n++
	}
	results, err := l.db.Write(l.t.Context(), edits, store.WriteOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil {
			l.t.Fatal(r.Err)
		}
		if i < len(l.revs) {
			l.revs[i] = fmt.Sprintf(`,"_rev":%q`, r.Rev)
		}
	}
}

// garbage is how many times as large as its contents the database is.
func (l *load) garbage() float64 {
	l.t.Helper()
	u, err := l.db.Usage(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	live, _, err := l.db.Measure(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return float64(u.File) / float64(live)
}

// A database that is being filled is compacted when that is over, once. One that is only rewritten is compacted at
// any time.
func TestWaitsForTheEndOfALoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := storetest.Open(t, store.Options{})
		s := start(t, st, settings(), smoosh.Options{Gather: 200 * time.Millisecond, Settle: 5 * time.Second})
		l := &load{t: t, db: storetest.Bare(t, st, "db")}
		for range 60 {
			l.write(5)
			time.Sleep(500 * time.Millisecond)
		}
		if f, garbage := s.Figures(), l.garbage(); f.Compactions > 0 || f.Waiting != 1 || garbage < 2 {
			t.Errorf("while it is filled: %+v, %.1f times as large as it needs to be", f, garbage)
		}
		time.Sleep(15 * time.Second)
		if f, garbage := s.Figures(), l.garbage(); f.Compactions != 1 || f.Waiting != 0 || garbage > 1.6 {
			t.Errorf("after that: %+v, %.1f times as large as it needs to be", f, garbage)
		}
		for range 60 {
			l.write(0)
			time.Sleep(500 * time.Millisecond)
			if garbage := l.garbage(); garbage > 2 {
				t.Errorf("while it is rewritten it is %.1f times as large as it needs to be", garbage)
			}
		}
		if f := s.Figures(); f.Compactions < 2 {
			t.Errorf("while it is rewritten: %+v", f)
		}
	})
}

// A database that is filled without end is compacted all the same.
func TestALoadWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := storetest.Open(t, store.Options{})
		s := start(t, st, settings(), smoosh.Options{Gather: 200 * time.Millisecond, Settle: 5 * time.Second})
		l := &load{t: t, db: storetest.Bare(t, st, "db")}
		for began := time.Now(); s.Figures().Compactions == 0; time.Sleep(2 * time.Second) {
			if time.Since(began) > 4*time.Minute {
				t.Fatalf("after %v: %+v", time.Since(began), s.Figures())
			}
			l.write(2 + l.n/25)
		}
	})
}
