package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// What a compaction would leave is known before, and it shows how much of a file is garbage.
func TestUsage(t *testing.T) {
	st := storetest.Open(t, store.Options{})
	db := storetest.DB(t, st, "db")
	text := func() string { // does not compress
		var b strings.Builder
		for i := range 300 {
			fmt.Fprintf(&b, "%x", i*7919*len(b.String())+b.Len()*104729)
		}
		return b.String()
	}()
	revs := make([]revtree.Rev, 100)
	for round := range 10 {
		for i := range revs {
			var err error
			if revs[i], err = write(t, db, revs[i], `{"_id":"%d","round":%d,"text":%q}`, i, round, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	live, inner, err := db.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := db.Usage(t.Context())
	if err != nil || u.Superseded != inner || inner < 900*int64(len(text)) {
		t.Errorf("%+v, %v; bodies of %d bytes are not needed", u, err, inner)
	}
	if live < 100*int64(len(text)) || u.File < 5*live || u.Free > u.File {
		t.Errorf("%+v, of which %d are alive", u, live)
	}
	stat, err := st.Stat(t.Context(), "db")
	if err != nil || stat.Size != u.File || stat.Changed.IsZero() {
		t.Errorf("from outside: %+v, %v", stat, err)
	}
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := db.Usage(t.Context())
	if err != nil || after.File > live*11/10 || after.File < live*9/10 || after.Superseded != 0 {
		t.Errorf("after a compaction: %+v, %v; foretold were %d", after, err, live)
	}
	if _, err := st.Stat(t.Context(), "none"); !errors.Is(err, store.ErrNoDB) {
		t.Error(err)
	}
}

// checkSuperseded compares the running figure with a count.
func checkSuperseded(t interface{ Errorf(string, ...any) }, ctx context.Context, db *store.DB) {
	_, counted, err := db.Measure(ctx)
	u, also := db.Usage(ctx)
	if err := errors.Join(err, also); err != nil || u.Superseded != counted {
		t.Errorf("%d bytes of bodies are not needed, the running figure is %d, %v", counted, u.Superseded, err)
	}
}

// Who gives way to writers sees those of every database, and not what a compaction writes itself.
func TestWriting(t *testing.T) {
	eng := storetest.Engine(t)
	st := storetest.On(t, eng, store.Options{})
	if st.Writing(time.Hour) {
		t.Error("somebody writes to a store without databases")
	}
	db := storetest.Bare(t, st, "db")
	other := storetest.Bare(t, st, "other")
	rev, err := write(t, db.Unguarded(), revtree.Rev{}, `{"_id":"a","n":1}`)
	if err != nil {
		t.Fatal(err)
	}
	if !st.Writing(time.Hour) || !other.Writing(time.Hour) {
		t.Error("nobody has written")
	}
	if _, err = write(t, db.Unguarded(), rev, `{"_id":"a","n":2}`); err != nil {
		t.Fatal(err)
	}
	before := st.LastWrite()
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u, err := db.Usage(t.Context()); err != nil || u.Superseded != 0 {
		t.Errorf("the compaction has left %d bytes of old revisions, %v", u.Superseded, err)
	}
	if st.LastWrite() != before {
		t.Error("a compaction gives way to itself")
	}
}
