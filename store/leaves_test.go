package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Leaves judged a page at a time give the same rows as leaves judged one by one. A leaf that cannot
// be judged ends the read there and not before.
func TestLeavesAreJudgedByThePage(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	for i := range 20 {
		write(t, db, revtree.Rev{}, `{"_id":"%02d","n":%d}`, i, i)
	}
	errBad := errors.New("bad")
	odd := func(d *store.Document) (bool, error) {
		if d.ID == "13" {
			return false, errBad
		}
		return strings.IndexByte("13579", d.ID[1]) >= 0, nil
	}
	read := func(limit, pageRows int, set func(*store.ChangesQuery)) string {
		q := store.ChangesQuery{Limit: limit, PageRows: pageRows}
		set(&q)
		var ids []string
		end, err := db.Changes(t.Context(), q, func(c *store.Change) error {
			ids = append(ids, string(c.ID))
			return nil
		}, func() error { return nil })
		return fmt.Sprint(ids, end.Last, err)
	}
	asked := 0
	for _, limit := range []int{-1, 1, 3, 6, 7} {
		for _, rows := range []int{1, 7, 100} {
			want := read(limit, rows, func(q *store.ChangesQuery) { q.MatchLeaf = odd })
			got := read(limit, rows, func(q *store.ChangesQuery) {
				q.MatchLeaves = func(docs []*store.Document) (pass []bool, err error) {
					asked = max(asked, len(docs))
					for _, d := range docs {
						ok, err := odd(d)
						if err != nil {
							return pass, err
						}
						pass = append(pass, ok)
					}
					return pass, nil
				}
			})
			if got != want {
				t.Errorf("limit %d, %d rows: %s, want %s", limit, rows, got, want)
			}
		}
	}
	if asked < 20 {
		t.Errorf("%d were asked for at once", asked)
	}
	// MatchLeaves is not asked about leaves that MatchLeaf rejected.
	var seen []string
	read(-1, 100, func(q *store.ChangesQuery) {
		q.MatchLeaf = func(d *store.Document) (bool, error) { return d.ID > "16", nil }
		q.MatchLeaves = func(docs []*store.Document) ([]bool, error) {
			for _, d := range docs {
				seen = append(seen, d.ID)
			}
			return make([]bool, len(docs)), nil
		}
	})
	if !slices.Equal(seen, []string{"17", "18", "19"}) {
		t.Errorf("asked for %v", seen)
	}
}
