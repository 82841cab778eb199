package mango

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// A bookmark is a place in the rows of one index. Who goes on with it when the name has another index, whose rows
// are in another order, is told so, and does not get a page that lacks documents.
func TestBookmarkOfRedefinedIndex(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ selector, before, after, want string }{
		"the same":       {`{"a":{"$gt":0},"b":{"$gt":0}}`, `{"fields":["a"]}`, `{"fields":["a"]}`, "<nil>"},
		"another field":  {`{"a":{"$gt":0},"b":{"$gt":0}}`, `{"fields":["a"]}`, `{"fields":["b"]}`, "invalid_bookmark"},
		"another filter": {`{"a":{"$gt":0},"b":{"$gt":0}}`, `{"fields":["a"]}`, `{"fields":["a"],"partial_filter_selector":{"b":{"$gt":3}}}`, "invalid_bookmark"},
		"the same union": {`{"$or":[{"a":{"$gt":0}},{"c":{"$gt":0}}]}`, `{"fields":["a"]}`, `{"fields":["a"]}`, "<nil>"},
		"of a union":     {`{"$or":[{"a":{"$gt":0}},{"c":{"$gt":0}}]}`, `{"fields":["a"]}`, `{"fields":["a"],"partial_filter_selector":{"a":{"$gt":0}}}`, "invalid_bookmark"},
	} {
		db := w.create(t)
		defer db.Release()
		putIndex(t, db, "i", c.before)
		putIndex(t, db, "c", `{"fields":["c"]}`)
		for i := range 8 {
			put(t, db, fmt.Sprintf(`{"_id":"d%d","a":%d,"b":%d}`, i, i+1, 8-i))
		}
		read := func(bookmark string) (string, error) {
			t.Helper()
			use := `,"use_index":"i"`
			if strings.Contains(name, "union") {
				use = ""
			}
			q, err := ParseQuery(fmt.Appendf(nil, `{"selector":%s,"limit":3,"bookmark":%q%s}`, c.selector, bookmark, use))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := w.f.Plan(t.Context(), db, q)
			if err != nil {
				return "", err
			}
			answer, err := w.f.Run(t.Context(), db, plan, func(*Found) error { return nil }, func() error { return nil })
			if err != nil {
				return "", err
			}
			return answer.Bookmark, nil
		}
		bookmark, err := read("")
		if err != nil {
			t.Fatal(name, err)
		}
		putIndex(t, db, "i", c.after)
		putIndex(t, db, "more", `{"fields":["b","a"]}`) // another index beside it makes no difference
		if _, err := read(bookmark); word(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// A bookmark remembers states of the database by their sequences. In another database of the same name, or one
// that was put back, they are other states, and no document is left out because of them.
func TestBookmarkOfAnotherHistory(t *testing.T) {
	w := newWorld(t)
	read := func(db *store.DB, bookmark string) (ids []string, next string) {
		t.Helper()
		q, err := ParseQuery(fmt.Appendf(nil, `{"selector":{"n":{"$gt":0}},"sort":["n"],"limit":2,"bookmark":%q}`, bookmark))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := w.f.Plan(t.Context(), db, q)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := w.f.Run(t.Context(), db, plan, func(d *Found) error {
			ids = append(ids, d.of.doc.ID)
			return nil
		}, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return ids, answer.Bookmark
	}
	fill := func(db *store.DB, docs ...string) {
		putIndex(t, db, "n", `{"fields":["n"]}`)
		for i, id := range docs {
			put(t, db, fmt.Sprintf(`{"_id":%q,"n":%d}`, id, i+1))
		}
	}
	db := w.create(t)
	fill(db, "a", "b", "c", "d")
	ids, bookmark := read(db, "")
	if !slices.Equal(ids, []string{"a", "b"}) {
		t.Fatal(ids)
	}
	name := db.Name()
	db.Release()
	if err := errors.Join(w.store.Drop(t.Context(), name), w.store.Create(t.Context(), name)); err != nil {
		t.Fatal(err)
	}
	db, err := storetest.OpenDB(t.Context(), w.store, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	fill(db, "a", "b", "c", "d")
	put(t, db, `{"_id":"a","n":5}`, `{"_id":"b","n":6}`) // the first page had none of these
	if ids, next := read(db, bookmark); !slices.Equal(ids, []string{"c", "d"}) {
		t.Errorf("the second page has %v, want c and d", ids)
	} else if ids, _ = read(db, next); !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("the third page has %v, want a and b", ids)
	}
}
