package store_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// Until compaction, a document can be read as it was after each write. Writes include replicated
// conflicts and deletions.
func TestAsOf(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		id := fmt.Sprint("doc", n)
		before, err := db.UpdateSeq(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		type state struct {
			seq uint64
			rev revtree.Rev // zero: deleted
		}
		var states []state
		for range rapid.IntRange(1, 8).Draw(rt, "writes") {
			raw := fmt.Sprintf(`{"_id":%q,"v":%d`, id, rapid.IntRange(0, 3).Draw(rt, "v"))
			replicated := rapid.Bool().Draw(rt, "replicated")
			now, err := db.Get(t.Context(), id, store.ReadOptions{Deleted: true})
			if replicated {
				raw += fmt.Sprintf(`,"_rev":"%d-%032x"`, rapid.IntRange(1, 4).Draw(rt, "gen"), rapid.IntRange(1, 9).Draw(rt, "hash"))
			} else if err == nil {
				raw += fmt.Sprintf(`,"_rev":%q`, now.Rev)
			}
			if rapid.IntRange(0, 3).Draw(rt, "deleted") == 0 {
				raw += `,"_deleted":true`
			}
			doc, err := document.Parse([]byte(raw+"}"), document.Options{})
			if err != nil {
				rt.Fatal(err)
			}
			if _, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{Replicated: replicated}); err != nil {
				rt.Fatal(err)
			}
			one := state{}
			if one.seq, err = db.UpdateSeq(t.Context()); err != nil {
				rt.Fatal(err)
			}
			if now, err := db.Get(t.Context(), id, store.ReadOptions{}); err == nil {
				one.rev = now.Rev
			}
			states = append(states, one)
		}
		if _, err := db.AsOf(t.Context(), id, before); !errors.Is(err, store.ErrMissing) {
			rt.Errorf("before it was written: %v", err)
		}
		for _, one := range states {
			d, err := db.AsOf(t.Context(), id, one.seq)
			switch {
			case one.rev.IsZero():
				if !errors.Is(err, store.ErrDeleted) {
					rt.Errorf("at %d: %v, want a tombstone", one.seq, err)
				}
			case err != nil || d.Rev != one.rev:
				rt.Errorf("at %d: %v, %v, want %v", one.seq, d, err, one.rev)
			default:
				if at, err := db.AsOf(t.Context(), id, d.Seq); err != nil || at.Rev != d.Rev || d.Seq > one.seq {
					rt.Errorf("at %d since %d: %v, %v", one.seq, d.Seq, at, err)
				}
			}
		}
	})
	first, err := write(t, db, revtree.Rev{}, `{"_id":"a"}`)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := db.UpdateSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write(t, db, first, `{"_id":"a","v":2}`); err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AsOf(t.Context(), "a", seq); !errors.Is(err, store.ErrMissing) {
		t.Errorf("after compaction: %v", err)
	}
}
