package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

var errRefused = errors.New("refused")

// publicOnly shows documents whose ids begin with "pub" and accepts no others. Each document
// written gets a mark, and no document read shows its secret.
var publicOnly = &store.Guard{
	Write: func(_ context.Context, now store.Standing, e *store.Edit, _ store.WriteOptions) error {
		if !strings.HasPrefix(e.Doc.ID, "pub") {
			return errRefused
		}
		was := "nothing"
		if len(now.Docs) > 0 {
			was = now.Docs[0].Rev.String()
		}
		return e.Doc.SetBody(fmt.Appendf(nil, `{"secret":1,"was":%q}`, was))
	},
	Read: func(d *store.Document) (bool, error) {
		d.Body = bytes.ReplaceAll(d.Body, []byte(`"secret":1,`), nil)
		return strings.HasPrefix(d.ID, "pub"), nil
	},
}

func TestAGuardIsAskedOnEveryWayOut(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	for _, id := range []string{"a", "pub1", "pub2", "pub3", "z"} {
		write(t, db, revtree.Rev{}, `{"_id":%q,"secret":1,"x":2}`, id)
	}
	write(t, db, revtree.Rev{}, `{"_id":"_local/a"}`)
	guarded := storetest.DB(t, s, "db").Guarded(publicOnly)
	ctx := t.Context()
	if d, err := guarded.Get(ctx, "pub1", store.ReadOptions{}); err != nil || string(d.Body) != `{"x":2}` {
		t.Errorf("a document that is shown: %v, %v", d, err)
	}
	for _, opt := range []store.ReadOptions{{}, {NoBody: true}, {Revs: true}} {
		if _, err := guarded.Get(ctx, "a", opt); !errors.Is(err, store.ErrMissing) {
			t.Errorf("a document that is hidden: %v", err)
		}
	}
	if _, err := guarded.GetLocal(ctx, "_local/a"); !errors.Is(err, store.ErrMissing) {
		t.Errorf("a local document that is hidden: %v", err)
	}
	if _, err := guarded.OpenRevs(ctx, "a", nil, store.ReadOptions{}); !errors.Is(err, store.ErrMissing) {
		t.Errorf("all revisions of what is hidden: %v", err)
	}
	a, _ := db.Get(ctx, "a", store.ReadOptions{})
	if found, err := guarded.OpenRevs(ctx, "a", []revtree.Rev{a.Rev}, store.ReadOptions{}); err != nil || len(found) != 1 || found[0].Doc != nil {
		t.Errorf("a revision of what is hidden: %+v, %v", found, err)
	}
	var ids []string
	note := func(d *store.Document) {
		if d != nil && strings.Contains(string(d.Body), "secret") {
			t.Errorf("%s shows its secret", d.ID)
		}
	}
	err := guarded.GetMany(ctx, []string{"a", "pub1"}, store.ReadOptions{}, func(_ int, d *store.Document, err error) error {
		if err == nil {
			ids = append(ids, d.ID)
			note(d)
		}
		return nil
	}, nil)
	if err != nil || !slices.Equal(ids, []string{"pub1"}) {
		t.Errorf("GetMany: %v, %v", ids, err)
	}
	flush := func() error { return nil }
	for _, include := range []bool{false, true} {
		ids = nil
		q := store.AllDocsQuery{Skip: 1, Limit: 2, IncludeDocs: include}
		err := guarded.AllDocs(ctx, q, func(store.Page) error { return nil }, func(r *store.Row) error {
			ids = append(ids, string(r.ID))
			note(r.Doc)
			if (r.Doc != nil) != include {
				t.Errorf("AllDocs, with documents %v: %v", include, r.Doc)
			}
			return nil
		}, flush)
		if err != nil || !slices.Equal(ids, []string{"pub2", "pub3"}) {
			t.Errorf("AllDocs: %v, %v", ids, err)
		}
		ids = nil
		_, err = guarded.DocsByKeys(ctx, store.KeysQuery{Keys: []string{"pub1", "a", "pub1", "z"}, IncludeDocs: include}, func(_ int, r *store.Row) error {
			if r == nil {
				ids = append(ids, "")
				return nil
			}
			ids = append(ids, string(r.ID))
			note(r.Doc)
			return nil
		}, flush)
		if err != nil || !slices.Equal(ids, []string{"pub1", "", "pub1", ""}) {
			t.Errorf("DocsByKeys: %q, %v", ids, err)
		}
		for _, leaves := range []bool{false, true} {
			ids = nil
			q := store.ChangesQuery{Limit: 2, IncludeDocs: include, AllLeaves: leaves}
			_, err := guarded.Changes(ctx, q, func(c *store.Change) error {
				ids = append(ids, string(c.ID))
				note(c.Doc)
				if (c.Doc != nil) != include {
					t.Errorf("Changes, with documents %v: %v", include, c.Doc)
				}
				return nil
			}, flush)
			if err != nil || !slices.Equal(ids, []string{"pub1", "pub2"}) {
				t.Errorf("Changes: %v, %v", ids, err)
			}
		}
	}
}

func TestAGuardIsAskedOnEveryWayIn(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	guarded := storetest.DB(t, s, "db").Guarded(publicOnly)
	docs := []store.Edit{{Doc: parse(t, `{"_id":"a"}`)}, {Doc: parse(t, `{"_id":"pub"}`)}, {Doc: parse(t, `{"_id":"_local/a"}`)}}
	results, err := guarded.Write(t.Context(), docs, store.WriteOptions{})
	if err != nil || results[0].Err != errRefused || results[1].Err != nil || results[2].Err != errRefused {
		t.Fatalf("%+v, %v", results, err)
	}
	last := results[1].Rev
	for _, c := range []struct {
		name       string
		doc        string
		replicated bool
		was        string // the replaced revision; "" for the one that was written last
	}{
		{"replaced", fmt.Sprintf(`{"_id":"pub","_rev":%q}`, last), false, ""},
		{"competing", `{"_id":"pub","_rev":"1-abc"}`, true, ""},
		{"replicated upon another", `{"_id":"pub","_revisions":{"start":2,"ids":["aa","abc"]}}`, true, "1-abc"},
		{"replicated", `{"_id":"pub2","_rev":"3-abc"}`, true, "nothing"},
	} {
		edit := store.Edit{Doc: parse(t, "%s", c.doc)}
		if c.was == "" {
			c.was = last.String()
		}
		res, err := guarded.Write(t.Context(), []store.Edit{edit}, store.WriteOptions{Replicated: c.replicated})
		if err != nil || res[0].Err != nil {
			t.Fatalf("%s: %+v, %v", c.name, res, err)
		}
		if !c.replicated {
			last = res[0].Rev
		}
		d, err := db.Get(t.Context(), edit.Doc.ID, store.ReadOptions{Rev: res[0].Rev})
		if want := fmt.Sprintf(`{"secret":1,"was":%q}`, c.was); err != nil || string(d.Body) != want {
			t.Errorf("%s: %s, want %s, %v", c.name, d.Body, want, err)
		}
	}
}

// A hidden leaf neither hides the other leaves of its document nor appears because of them.
func TestAGuardJudgesLeavesOneByOne(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	for _, doc := range []string{`{"_id":"d","_rev":"1-aaa","mine":true}`, `{"_id":"d","_rev":"1-bbb","mine":false}`} {
		if _, err := db.Write(t.Context(), []store.Edit{{Doc: parse(t, "%s", doc)}}, store.WriteOptions{Replicated: true}); err != nil {
			t.Fatal(err)
		}
	}
	guarded := storetest.DB(t, s, "db").Guarded(&store.Guard{Read: func(d *store.Document) (bool, error) {
		return string(d.Body) == `{"mine":true}`, nil
	}})
	rows := 0
	_, err := guarded.Changes(t.Context(), store.ChangesQuery{Limit: -1, AllLeaves: true, IncludeDocs: true}, func(c *store.Change) error {
		rows++
		if len(c.Revs) != 1 || c.Revs[0].String() != "1-aaa" || c.Doc != nil {
			t.Errorf("%v, document %v", c.Revs, c.Doc)
		}
		return nil
	}, func() error { return nil })
	if err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
	// The winner, 1-bbb, is hidden: nobody may find out which revisions there are.
	five, _ := revtree.Parse("5-eee")
	bbb, _ := revtree.Parse("1-bbb")
	err = guarded.RevsDiff(t.Context(), []string{"d"}, [][]revtree.Rev{{bbb, five}}, func(_ int, missing, ancestors []revtree.Rev) error {
		if len(missing) != 2 || len(ancestors) != 0 {
			t.Errorf("of a hidden document %v are missing, and %v are told", missing, ancestors)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	found, err := guarded.OpenRevs(t.Context(), "d", nil, store.ReadOptions{})
	if err != nil || len(found) != 1 || found[0].Doc == nil || found[0].Doc.Rev.String() != "1-aaa" {
		t.Errorf("%+v, %v", found, err)
	}
}
