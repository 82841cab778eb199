package store_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// What documents take that were created and deleted, as tombstones and dead, and what a new client
// reads. TODODB_TEST_DEATHS says how many there are.
func TestFiguresOfDeaths(t *testing.T) {
	t.Parallel()
	pairs := 20_000
	if testing.Short() {
		pairs = 4_000
	}
	if text := os.Getenv("TODODB_TEST_DEATHS"); text != "" {
		var err error
		if pairs, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	const alive = 1000
	db, clock := mortal(t, storetest.Engine(t))
	write := func(opt store.WriteOptions, edits []store.Edit) {
		t.Helper()
		results, err := db.Write(t.Context(), edits, opt)
		for i := range results {
			if err == nil {
				err = results[i].Err
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range alive {
		put(t, db, `{"_id":"alive%06d","text":"a document that lives","n":%d}`, i, i)
	}
	size := func() int64 {
		t.Helper()
		if err := db.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		info, err := db.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.File
	}
	base := size()
	for from := 0; from < pairs; from += 1000 {
		var made, gone []store.Edit
		for i := from; i < min(from+1000, pairs); i++ {
			id, first, last := fmt.Sprintf("h:%016x", uint32(i)*2654435761), fmt.Sprintf("%032x", i+1), fmt.Sprintf("%032x", i+2)
			doc := parse(t, `{"_id":%q,"_revisions":{"start":1,"ids":[%q]},"type":"leaf","data":"some text of a chunk, %d"}`, id, first, i)
			made = append(made, store.Edit{Doc: doc})
			doc = parse(t, `{"_id":%q,"_deleted":true,"_revisions":{"start":2,"ids":[%q,%q]}}`, id, last, first)
			gone = append(gone, store.Edit{Doc: doc})
		}
		write(store.WriteOptions{Replicated: true}, made)
		write(store.WriteOptions{Replicated: true}, gone)
	}
	firstSync := func() (rows int, took time.Duration) {
		t.Helper()
		began := time.Now()
		q := store.ChangesQuery{Limit: -1, AllLeaves: true, IncludeDocs: true}
		_, err := db.Changes(t.Context(), q, func(*store.Change) error { rows++; return nil }, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return rows, time.Since(began)
	}
	n := 0
	create := func(db store.Bare) time.Duration { // 1,000 at once, of names that nobody knows
		n++
		var edits []store.Edit
		for i := range 1000 {
			edits = append(edits, store.Edit{Doc: parse(t, `{"_id":"new%d-%d"}`, n, i)})
		}
		began := time.Now()
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	ask := func(db store.Bare) time.Duration {
		ids, revs := make([]string, 1000), make([][]revtree.Rev, 1000)
		for i := range ids {
			ids[i], revs[i] = fmt.Sprintf("unknown%d", i), []revtree.Rev{{Gen: 1, ID: "0123456789abcdef"}}
		}
		began := time.Now()
		if err := db.RevsDiff(t.Context(), ids, revs, func(int, []revtree.Rev, []revtree.Rev) error { return nil }); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	before := size() - base
	rowsBefore, syncBefore := firstSync()
	clock.forward(time.Hour)
	began := time.Now()
	ended := expire(t, db)
	took := time.Since(began)
	if ended != pairs {
		t.Fatalf("%d of %d have ended", ended, pairs)
	}
	grown := dead(t, db)
	after := size() - base
	rowsAfter, syncAfter := firstSync()
	least := func(twin store.Bare, of func(store.Bare) time.Duration) (without, with time.Duration) {
		without, with = of(twin), of(db)
		for range 9 {
			without, with = min(without, of(twin)), min(with, of(db))
		}
		return without, with
	}
	t.Logf("%d create-delete pairs, compacted: %d bytes each as tombstones, then %d, of which %d are the record", pairs,
		before/int64(pairs), after/int64(pairs), grown.Bytes/grown.Count)
	t.Logf("they ended in %v, %.0f each second", took, float64(pairs)/took.Seconds())
	t.Logf("a new client reads %d rows in %v, then %d in %v", rowsBefore, syncBefore, rowsAfter, syncAfter)
	if !testing.Short() {
		twin := storetest.Bare(t, storetest.Open(t, store.Options{}), "db")
		createTwin, createDead := least(twin, create)
		askTwin, askDead := least(twin, ask)
		t.Logf("1,000 new documents: %v without the dead, %v with them; _revs_diff of 1,000 unknown ones: %v, %v", createTwin, createDead, askTwin, askDead)
	}
	if rowsAfter != alive || rowsBefore != alive+pairs {
		t.Errorf("a new client reads %d rows, and then %d", rowsBefore, rowsAfter)
	}
	if each := grown.Bytes / grown.Count; each > 70 || after > before/2 {
		t.Errorf("a death record has %d bytes; the file has %d, and had %d", each, after, before)
	}
}
