package mango

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// feed lists what a read of the changes gives.
func feed(t fataler, f *Finder, db *store.DB, sel *Selector, q store.ChangesQuery) (out []string, end store.ChangesEnd) {
	end, err := f.Changes(context.Background(), db, sel, q, ChangesReader{Row: func(c *store.Change) error {
		out = append(out, fmt.Sprint(c.Seq, string(c.ID), c.Deleted, c.Revs))
		return nil
	}, Flush: func() error { return nil }, Waiting: func() error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return out, end
}

// Changes found by an index are those found by looking at all, tombstones that say
// something and conflicts among them.
func TestIndexedChanges(t *testing.T) {
	w := newWorld(t)
	used := 0
	rapid.Check(t, func(t *rapid.T) {
		db := w.create(t)
		defer db.Release()
		ix, err := ParseIndex([]byte(`{"index":{"fields":["a","b"]},"name":"i","ddoc":"i","options":{"changes":true}}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := ix.Put(nil)
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, `{"_id":"_design/i",`+string(body[1:]))
		value := rapid.SampledFrom([]string{`1`, `1.0`, `2`, `"x"`, `[1]`, `[2,1]`, `null`, `{"k":1}`})
		for step := range rapid.IntRange(1, 4).Draw(t, "steps") {
			for range rapid.IntRange(1, 8).Draw(t, "edits") {
				edit(t, db, value)
			}
			for range 4 {
				sel := drawSelector(t, 1)
				if rapid.Bool().Draw(t, "eq") {
					sel["a"] = json.RawMessage(value.Draw(t, "a"))
				} else {
					sel["a"] = map[string]any{"$in": []json.RawMessage{[]byte(value.Draw(t, "a")), []byte(value.Draw(t, "a"))}}
				}
				s, err := Compile([]byte(mustJSON(sel)))
				if err != nil {
					t.Fatal(err)
				}
				found, _, err := w.f.changesIndex(context.Background(), db, s)
				if err != nil {
					t.Fatal(err)
				}
				if found != nil {
					used++
				}
				q := store.ChangesQuery{
					Since: uint64(rapid.IntRange(0, 5*step).Draw(t, "since")), AllLeaves: rapid.Bool().Draw(t, "leaves"),
					Descending: rapid.Bool().Draw(t, "descending"),
					Limit:      rapid.SampledFrom([]int{-1, -1, 1, 3}).Draw(t, "limit"),
				}
				got, end := feed(t, w.f, db, s, q)
				want, wantEnd := feed(t, nil, db, s, q)
				if !slices.Equal(got, want) || end.Last != wantEnd.Last || end.Pending != wantEnd.Pending || end.LastRow != wantEnd.LastRow {
					t.Fatalf("%s %+v:\n got %v %+v\nwant %v %+v", mustJSON(sel), q, got, end, want, wantEnd)
				}
			}
		}
	})
	if used == 0 {
		t.Error("no index was used")
	}
}

// edit writes a revision of some document: a new one, a tombstone with or without a body, or
// a conflict.
func edit(t *rapid.T, db *store.DB, value *rapid.Generator[string]) {
	id := fmt.Sprintf("doc%02d", rapid.IntRange(0, 8).Draw(t, "doc"))
	raw := fmt.Sprintf(`{"_id":%q,"b":%s`, id, value.Draw(t, "b"))
	if rapid.IntRange(0, 4).Draw(t, "bare") > 0 {
		raw += `,"a":` + value.Draw(t, "a")
	}
	if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
		raw += `,"_deleted":true`
	}
	replicated := rapid.IntRange(0, 2).Draw(t, "replicated") == 0
	if replicated {
		raw += fmt.Sprintf(`,"_rev":"%d-%032x"`, rapid.IntRange(1, 3).Draw(t, "gen"), rapid.IntRange(1, 1<<20).Draw(t, "hash"))
	}
	doc, err := document.Parse([]byte(raw+`}`), document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if old, err := db.Get(context.Background(), id, store.ReadOptions{Deleted: true}); err == nil && !replicated {
		doc.Rev, doc.HasRev = old.Rev, true
	}
	if _, err := db.Write(context.Background(), []store.Edit{{Doc: doc}}, store.WriteOptions{Replicated: replicated}); err != nil {
		t.Fatal(err)
	}
}
