package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// A read is flushed between its pages, and a page has few documents if they are large. So the
// memory of an answer grows neither with the number of its documents nor with repeated ones.
func TestPagesAreBoundedByBytes(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	const each, n = 200_000, 40
	var once, again []string
	for i := range n {
		id := fmt.Sprintf("doc%02d", i)
		write(t, db, revtree.Rev{}, `{"_id":%q,"text":%q}`, id, strings.Repeat("a", each))
		once, again = append(once, id), append(again, "doc00")
	}
	ctx := t.Context()
	for name, read := range map[string]func(note func(*store.Document), flush func() error) error{
		"AllDocs": func(note func(*store.Document), flush func() error) error {
			return db.AllDocs(ctx, store.AllDocsQuery{Limit: -1, IncludeDocs: true}, func(store.Page) error { return nil }, func(r *store.Row) error { note(r.Doc); return nil }, flush)
		},
		"DocsByKeys": func(note func(*store.Document), flush func() error) error {
			_, err := db.DocsByKeys(ctx, store.KeysQuery{Keys: once, IncludeDocs: true}, func(_ int, r *store.Row) error { note(r.Doc); return nil }, flush)
			return err
		},
		"DocsByKeys of one": func(note func(*store.Document), flush func() error) error {
			_, err := db.DocsByKeys(ctx, store.KeysQuery{Keys: again, IncludeDocs: true}, func(_ int, r *store.Row) error { note(r.Doc); return nil }, flush)
			return err
		},
		"GetMany": func(note func(*store.Document), flush func() error) error {
			return db.GetMany(ctx, again, store.ReadOptions{}, func(_ int, d *store.Document, err error) error { note(d); return err }, flush)
		},
		"Changes": func(note func(*store.Document), flush func() error) error {
			_, err := db.Changes(ctx, store.ChangesQuery{Limit: -1, IncludeDocs: true}, func(c *store.Change) error { note(c.Doc); return nil }, flush)
			return err
		},
		"Changes of ids": func(note func(*store.Document), flush func() error) error {
			_, err := db.Changes(ctx, store.ChangesQuery{Limit: -1, IncludeDocs: true, DocIDs: once}, func(c *store.Change) error { note(c.Doc); return nil }, flush)
			return err
		},
	} {
		docs, gathered, most := 0, 0, 0
		err := read(func(d *store.Document) {
			docs++
			gathered += len(d.Body)
			most = max(most, gathered)
		}, func() error {
			gathered = 0
			return nil
		})
		if err != nil || docs != n {
			t.Errorf("%s: %d documents, %v; want %d", name, docs, err, n)
		}
		if most > 4*each {
			t.Errorf("%s gathers %d bytes before it is flushed", name, most)
		}
	}
}
