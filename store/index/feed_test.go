package index_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
)

// feedModel remembers under which keys of view 0 each document has ever had rows.
type feedModel struct{ ever map[string]map[string]bool }

// modelChange is the newest change of a document, and the keys that it matches.
type modelChange struct {
	seq  uint64
	keys map[string]bool // collated
}

// look takes in everything that the index has seen, and returns all changes.
func (m *feedModel) look(t fataler, db *store.DB) (out []modelChange) {
	seen := map[string]bool{}
	_, err := db.Changes(context.Background(), store.ChangesQuery{Limit: -1, IncludeDocs: true}, func(c *store.Change) error {
		id := string(c.ID)
		if bytes.HasPrefix(c.ID, []byte("_design/")) {
			return nil
		}
		seen[id] = true
		if m.ever[id] == nil {
			m.ever[id] = map[string]bool{}
		}
		ch := modelChange{seq: c.Seq, keys: map[string]bool{}}
		if c.Deleted {
			ch.keys = m.ever[id]
		} else {
			err := mapKeys(c.Doc.Body, func(view int, key, _ []byte) error {
				k, err := collate.AppendKey(nil, key)
				if view == 0 {
					ch.keys[string(k)], m.ever[id][string(k)] = true, true
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		out = append(out, ch)
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for id := range m.ever {
		if !seen[id] {
			delete(m.ever, id) // purged
		}
	}
	return out
}

// The entries by sequence are for the documents that match, and for deletions of documents that
// have matched before.
func TestChangesModel(t *testing.T) {
	w := newWorld(t, storetest.Engines["chaos"](t), index.Options{Delay: time.Hour})
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		db := w.create(t, fmt.Sprintf("db%d", n%3))
		defer db.Release()
		m := feedModel{map[string]map[string]bool{}}
		step := func(change func(*rapid.T, *store.DB)) func(*rapid.T) {
			return func(t *rapid.T) {
				change(t, db)
				ix := w.open(t, db, keysDefinition())
				defer ix.Release()
				checkChanges(t, ix, m.look(t, db))
			}
		}
		t.Repeat(map[string]func(*rapid.T){"write": step(write), "purge": step(purge), "expire": step(func(t *rapid.T, db *store.DB) { w.expire(t, db) })})
	})
}

func checkChanges(t *rapid.T, ix *index.Index, all []modelChange) {
	q := index.ChangesQuery{To: 1 << 40, Since: uint64(rapid.IntRange(0, 30).Draw(t, "since")), Descending: rapid.Bool().Draw(t, "descending"), Limit: rapid.IntRange(1, 20).Draw(t, "limit")}
	in := func(string) bool { return true }
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 1:
		var keys []string
		for range rapid.IntRange(0, 3).Draw(t, "keys") {
			k, _ := collate.AppendKey(nil, []byte(rapid.SampledFrom(someKeys).Draw(t, "key")))
			keys = append(keys, string(k))
			q.Ranges = append(q.Ranges, index.Key(0, k))
		}
		if q.Ranges == nil {
			q.Ranges = []index.Range{}
		}
		in = func(k string) bool { return slices.Contains(keys, k) }
	case 2:
		low, _ := collate.AppendKey(nil, []byte(rapid.SampledFrom(someKeys).Draw(t, "low")))
		high, _ := collate.AppendKey(nil, []byte(rapid.SampledFrom(someKeys).Draw(t, "high")))
		q.Ranges = []index.Range{{Low: index.Bound{Key: low}, High: index.Bound{Key: high, Past: true}}}
		in = func(k string) bool { return k >= string(low) && k <= string(high) }
	}
	var want []uint64
	for _, c := range all {
		match := false
		for k := range c.keys {
			match = match || in(k)
		}
		if match && c.seq > q.Since {
			want = append(want, c.seq)
		}
	}
	if q.Descending {
		slices.Reverse(want)
	}
	got, more, err := ix.Changes(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) > q.Limit != more && !more {
		t.Fatalf("%+v: there is more than %v: %v", q, got, want)
	}
	if want = want[:min(len(want), q.Limit)]; !slices.Equal(got, want) {
		t.Fatalf("%+v: %v, want %v", q, got, want)
	}
}
