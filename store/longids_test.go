package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Even with long ids, one snapshot reads only a little, and everything comes once and in order.
func TestPagesOfLongIDs(t *testing.T) {
	t.Parallel()
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	const n, length, most = 150, 7000, 300 << 10
	begin := strings.Repeat("i", length-3)
	var ids, docs []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s%03d", begin, i))
		docs = append(docs, `{"_id":"`+ids[i]+`"}`)
	}
	res, err := db.Write(t.Context(), editsOf(t, docs...), store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var revs [][]revtree.Rev
	for _, r := range res {
		revs = append(revs, []revtree.Rev{r.Rev})
	}
	backward := slices.Clone(ids)
	slices.Reverse(backward)
	for _, c := range []struct {
		name string
		want []string
		read func(take func(id string) error, flush func() error) error
	}{
		{"documents", ids, func(take func(string) error, flush func() error) error {
			return db.AllDocs(t.Context(), store.AllDocsQuery{Limit: -1}, func(store.Page) error { return nil }, func(r *store.Row) error { return take(string(r.ID)) }, flush)
		}},
		{"documents backward", backward, func(take func(string) error, flush func() error) error {
			q := store.AllDocsQuery{Limit: -1, Descending: true, IncludeDocs: true}
			return db.AllDocs(t.Context(), q, func(store.Page) error { return nil }, func(r *store.Row) error { return take(string(r.ID)) }, flush)
		}},
		{"changes", ids, func(take func(string) error, flush func() error) error {
			_, err := db.Changes(t.Context(), store.ChangesQuery{Limit: -1}, func(c *store.Change) error { return take(string(c.ID)) }, flush)
			return err
		}},
		{"purges", backward, func(take func(string) error, flush func() error) error {
			if _, _, err := db.Purge(t.Context(), ids, revs); err != nil {
				return err
			}
			return db.PurgedInfos(t.Context(), func(p store.PurgeInfo) error { return take(p.ID) }, flush)
		}},
	} {
		readPages(t, c.name, c.want, most, c.read)
	}
}

func readPages(t *testing.T, name string, want []string, most int, read func(take func(id string) error, flush func() error) error) {
	t.Helper()
	var got []string
	size, pages := 0, 0
	err := read(func(id string) error {
		got = append(got, id)
		if size += len(id); size > most {
			t.Errorf("%s: %d bytes of ids in one snapshot", name, size)
		}
		return nil
	}, func() error { size, pages = 0, pages+1; return nil })
	if err != nil || !slices.Equal(got, want) || pages < 3 {
		t.Errorf("%s: %d of %d in %d pages, %v", name, len(got), len(want), pages, err)
	}
}
