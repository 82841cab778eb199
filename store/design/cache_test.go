package design

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/storetest"
)

func openStore(t *testing.T) (*store.Store, *Cache) {
	t.Helper()
	s := storetest.Open(t, store.Options{})
	return s, NewCache(s, script.InProcess(script.Options{}))
}

func write(t *testing.T, db store.Bare, rev revtree.Rev, format string, args ...any) revtree.Rev {
	t.Helper()
	doc, err := document.Parse(fmt.Appendf(nil, format, args...), document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc.Rev, doc.HasRev = rev, !rev.IsZero()
	results, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Rev
}

// now is the design documents of a database, as whoever writes a document has them.
func now(t *testing.T, c *Cache, db store.Bare) *Set {
	t.Helper()
	design, err := db.DesignSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set, err := c.At(t.Context(), db, design)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// What is kept is as the design documents are now, and what has not changed is not read
// again.
func TestFunctionsFollowTheirDesignDocuments(t *testing.T) {
	s, c := openStore(t)
	db := storetest.Bare(t, s, "db")
	now := func() *Set { return now(t, c, db) }
	refused := func() bool { return now().Validate(t.Context(), Proposed{New: []byte(`{"_id":"a"}`)}, nil) != nil }
	if now().Validates() {
		t.Error("an empty database validates")
	}
	rev := write(t, db, revtree.Rev{}, `{"_id":"_design/v","validate_doc_update":"function(){throw {forbidden:'no'}}"}`)
	write(t, db, revtree.Rev{}, `{"_id":"_design/other","shows":{}}`)
	if !now().Validates() || !refused() {
		t.Error("the function is not asked")
	}
	before := now()
	write(t, db, revtree.Rev{}, `{"_id":"plain"}`)
	if now() != before {
		t.Error("a plain document makes the design documents be read again")
	}
	rev = write(t, db, rev, `{"_id":"_design/v","validate_doc_update":"function(){}"}`)
	if refused() {
		t.Error("the old function is asked")
	}
	if is := now().Get("_design/other"); is == nil || is != before.Get("_design/other") {
		t.Error("what has not changed is made anew")
	}
	write(t, db, rev, `{"_id":"_design/v","_deleted":true}`)
	if now().Validates() {
		t.Error("a function of a deleted design document is asked")
	}
	rev = write(t, db, revtree.Rev{}, `{"_id":"_design/v","validate_doc_update":"function(){throw 'x'}"}`)
	if !refused() {
		t.Error("a design document that is back is not heeded")
	}
	if _, _, err := db.Purge(t.Context(), []string{"_design/v"}, [][]revtree.Rev{{rev}}); err != nil {
		t.Fatal(err)
	}
	if now().Get("_design/v") != nil {
		t.Error("a design document that was purged is there")
	}
}

// However many ask at once, a design document is parsed once, and the same one is given to all.
func TestDesignDocumentsAreParsedOnce(t *testing.T) {
	s, c := openStore(t)
	db := storetest.Bare(t, s, "db")
	write(t, db, revtree.Rev{}, `{"_id":"_design/a","filters":{"f":"function(){return true}"},"views":{"v":{"map":"function(){}"}}}`)
	write(t, db, revtree.Rev{}, `{"_id":"_design/b","validate_doc_update":"function(){}"}`)
	first, err := c.Find(t.Context(), db.Unguarded(), "_design/a")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				d, err := c.Find(t.Context(), db.Unguarded(), "_design/a")
				if err != nil || d != first {
					t.Errorf("%p is not %p, %v", d, first, err)
				}
				if err := now(t, c, db).Validate(t.Context(), Proposed{New: []byte("{}")}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := c.Figures(); got.Parsed != 2 || got.Databases != 1 {
		t.Errorf("%+v", got)
	}
}

// A database that was deleted takes its design documents with it, and another one of its name
// has its own, whoever still has the first one open.
func TestDesignDocumentsGoWithTheirDatabase(t *testing.T) {
	s, c := openStore(t)
	old := storetest.Bare(t, s, "db")
	write(t, old, revtree.Rev{}, `{"_id":"_design/v","validate_doc_update":"function(){throw {forbidden:'no'}}"}`)
	if !now(t, c, old).Validates() {
		t.Fatal("there is no function")
	}
	if got := c.Figures(); got.Databases != 1 || got.Bytes == 0 {
		t.Fatalf("%+v", got)
	}
	if err := s.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if got := c.Figures(); got.Databases != 0 || got.Bytes != 0 {
		t.Errorf("of a deleted database there is kept %+v", got)
	}
	db := storetest.Bare(t, s, "db")
	if now(t, c, db).Validates() {
		t.Error("the function of a deleted database is asked")
	}
	write(t, db, revtree.Rev{}, `{"_id":"_design/v","shows":{}}`)
	if d, err := c.Find(t.Context(), db.Unguarded(), "_design/v"); err != nil || d.Validates() {
		t.Errorf("%v", err)
	}
	if d, err := c.Find(t.Context(), old.Unguarded(), "_design/v"); !errors.Is(err, store.ErrNoDB) {
		t.Errorf("by the handle of the deleted database: %+v, %v", d, err)
	}
}

// A handle shows the design documents that its guard lets through, and no others.
func TestHiddenDesignDocuments(t *testing.T) {
	s, c := openStore(t)
	db := storetest.Bare(t, s, "db")
	write(t, db, revtree.Rev{}, `{"_id":"_design/seen"}`)
	write(t, db, revtree.Rev{}, `{"_id":"_design/hidden"}`)
	guarded := db.Unguarded().Guarded(&store.Guard{Read: func(d *store.Document) (bool, error) { return d.ID != "_design/hidden", nil }})
	list, err := c.All(t.Context(), guarded)
	if err != nil || len(list) != 1 || list[0].ID != "_design/seen" {
		t.Errorf("%d are listed, %v", len(list), err)
	}
	for id, want := range map[string]error{"_design/seen": nil, "_design/hidden": store.ErrMissing, "_design/none": store.ErrMissing} {
		if _, err := c.Find(t.Context(), guarded, id); !errors.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if list, err := c.All(t.Context(), db.Unguarded()); err != nil || len(list) != 2 {
		t.Errorf("without a guard %d are listed, %v", len(list), err)
	}
}

// What is kept stays within its bounds: what was not asked for the longest goes.
func TestDesignDocumentsKeptAreBounded(t *testing.T) {
	s, c := openStore(t)
	c.max = 10 * docSize
	var dbs []store.Bare
	for i := range 8 {
		db := storetest.Bare(t, s, fmt.Sprint("db", i))
		write(t, db, revtree.Rev{}, `{"_id":"_design/d","text":%q}`, strings.Repeat("x", 2*docSize))
		dbs = append(dbs, db)
	}
	for i, db := range dbs {
		if got := now(t, c, db).All(); len(got) != 1 {
			t.Fatalf("database %d has %d design documents", i, len(got))
		}
		if got := now(t, c, dbs[0]).All(); len(got) != 1 { // it is asked for all the time
			t.Fatal(len(got))
		}
	}
	got := c.Figures()
	if got.Bytes > c.max || got.Databases != 3 {
		t.Errorf("%+v", got)
	}
	now(t, c, dbs[0])
	if again := c.Figures(); again.Parsed != got.Parsed || got.Parsed != 8 {
		t.Errorf("%d were parsed, and then %d", got.Parsed, again.Parsed)
	}
}

// Functions in a language that nothing runs fail, and a rule among them lets no document in.
func TestFunctionsInOtherLanguages(t *testing.T) {
	s, c := openStore(t)
	db := storetest.Bare(t, s, "db")
	rev := write(t, db, revtree.Rev{}, `{"_id":"_design/f","language":"erlang","validate_doc_update":"fun() -> ok end.","shows":{"s":"x"},"lists":{"l":"x"},"updates":{"u":"x"},"filters":{"f":"x"},"rewrites":"x","views":{"v":{"map":"x"}}}`)
	ctx, d := t.Context(), now(t, c, db).Get("_design/f")
	_, show := d.Show(ctx, "s", nil, nil)
	_, _, update := d.Update(ctx, "u", nil, nil)
	_, filter := d.Filter(ctx, "f", nil)
	_, viewFilter := d.ViewFilter(ctx, "v")
	_, rewrite := d.Rewrite(ctx, nil)
	for name, err := range map[string]error{
		"validation": now(t, c, db).Validate(ctx, Proposed{New: []byte(`{"_id":"a"}`)}, nil), "show": show, "update": update,
		"filter": filter, "view filter": viewFilter, "rewrite": rewrite, "list": d.List(ctx, script.ListCall{Name: "l"}, nil, nil),
	} {
		if e, ok := errors.AsType[*script.Error](err); !ok || e.Word != "unknown_query_language" || e.Reason != "erlang" {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, db, rev, `{"_id":"_design/f","language":"erlang","views":{"v":{"map":"x"}}}`)
	if now(t, c, db).Validates() {
		t.Error("a design document without a rule validates")
	}
}
