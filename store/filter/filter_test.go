package filter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/storetest"
)

// openDB makes a database of documents, and what opens its filters.
func openDB(t *testing.T, docs ...string) (*store.DB, *filter.Opener) {
	t.Helper()
	ctx := context.Background()
	s := storetest.Open(t, store.Options{})
	bare := storetest.Bare(t, s, "db")
	indexes := index.NewManager(ctx, index.Options{Store: s})
	t.Cleanup(func() {
		if err := indexes.Close(); err != nil {
			t.Error(err)
		}
	})
	var edits []store.Edit
	for _, raw := range docs {
		doc, err := document.Parse([]byte(raw), document.Options{})
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		edits = append(edits, store.Edit{Doc: doc})
	}
	results, err := bare.Write(ctx, edits, store.WriteOptions{})
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
	functions := script.InProcess(script.Options{})
	designs := design.NewCache(s, functions)
	return bare.Unguarded(), &filter.Opener{
		Designs: designs, Finder: mango.NewFinder(indexes, designs),
		Views: view.NewOpener(indexes, view.Compilers{"javascript": javascript.Compiler(functions)}),
	}
}

// read reads what a filter lets through, so many changes at a time.
func read(t *testing.T, o *filter.Opener, db *store.DB, q filter.Query, limit int) string {
	t.Helper()
	q.Request = func() ([]byte, error) {
		req, err := design.NewRequest(t.Context(), db)
		if err != nil {
			return nil, err
		}
		return json.Marshal(req)
	}
	f, err := o.Open(t.Context(), db, &q)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	var ids []string
	none := func() error { return nil }
	for since := uint64(0); ; {
		rows := 0
		end, err := f.Changes(t.Context(), store.ChangesQuery{Since: since, Limit: limit, AllLeaves: true}, func(c *store.Change) error {
			rows++
			ids = append(ids, string(c.ID))
			return nil
		}, none, none)
		if err != nil {
			t.Fatal(err)
		}
		if rows == 0 || limit < 0 {
			slices.Sort(ids)
			return strings.Join(ids, " ")
		}
		since = end.Last
	}
}

// Every kind of filter lets through what it is to, at once or a few changes at a time.
func TestFilters(t *testing.T) {
	docs := []string{
		`{"_id":"_design/d","options":{"changes":true},"views":{"v":{"map":"function(doc){ if (doc.n) emit(doc.n) }"}},
			"filters":{"mine":"function(doc, req){ return doc.owner === req.userCtx.name }","open":"function(doc, req){ return req.secObj.members.roles[0] === '_admin' && doc.n > 3 }"}}`,
		`{"_id":"_design/plain","views":{"v":{"map":"function(doc){ if (doc.n > 2) emit(1) }"}}}`,
	}
	for i := range 6 {
		docs = append(docs, fmt.Sprintf(`{"_id":"doc%d","n":%d,"owner":%q}`, i, i, []string{"joe", "eve"}[i%2]))
	}
	db, o := openDB(t, docs...)
	joe := db.Guarded(&store.Guard{UserCtx: func() []byte { return []byte(`{"db":"db","name":"joe","roles":[]}`) }})
	hidden := db.Guarded(&store.Guard{Read: func(d *store.Document) (bool, error) { return d.ID != "doc4", nil }})
	params := func(pairs ...string) (q filter.Query) {
		for i := 0; i < len(pairs); i += 2 {
			if known, err := q.Set(pairs[i], pairs[i+1]); !known || err != nil {
				t.Fatal(pairs[i], known, err)
			}
		}
		return q
	}
	for _, c := range []struct {
		db   *store.DB
		q    filter.Query
		want string
	}{
		{db, params(), "_design/d _design/plain doc0 doc1 doc2 doc3 doc4 doc5"},
		{db, params("filter", "_design"), "_design/d _design/plain"},
		{db, params("filter", "_doc_ids", "doc_ids", `["doc3","none","doc1"]`), "doc1 doc3"},
		{db, filter.Query{Name: "_selector", Posted: true, Selector: []byte(`{"n":{"$lt":2}}`)}, "doc0 doc1"},
		{db, params("filter", "_view", "view", "plain/v"), "doc3 doc4 doc5"},
		{db, params("filter", "_view", "view", "d/v"), "doc1 doc2 doc3 doc4 doc5"},
		{db, params("filter", "_view", "view", "d/v", "startkey", "2", "endkey", "4", "inclusive_end", "false"), "doc2 doc3"},
		{db, params("filter", "_view", "view", "d/v", "keys", "[5,9,1]"), "doc1 doc5"},
		{db, params("filter", "d/open"), "doc4 doc5"},
		{hidden, params("filter", "d/open"), "doc5"},
		{hidden, params("filter", "_view", "view", "d/v", "startkey", "3"), "doc3 doc5"},
		{joe, params("filter", "d/mine"), "doc0 doc2 doc4"},
		{db, params("filter", "d/mine"), ""},
	} {
		for _, limit := range []int{-1, 1, 2, 100} {
			if got := read(t, o, c.db, c.q, limit); got != c.want {
				t.Errorf("%s %s, %d at a time: %q, want %q", c.q.Name, c.q.View, limit, got, c.want)
			}
		}
	}
}

// What cannot be opened says why, in CouchDB's words.
func TestFiltersThatCannotBe(t *testing.T) {
	db, o := openDB(t, `{"_id":"_design/d","options":{"changes":true},"views":{"v":{"map":"function(){}"}},"filters":{"bad":"function("}}`)
	for _, c := range []struct {
		q    filter.Query
		want string // of an Error; "": another one
		kind script.Kind
	}{
		{filter.Query{Name: "_none"}, "unknown builtin filter name", 0},
		{filter.Query{Name: "d"}, "`filter` must be of the form `designname/filtername`", 0},
		{filter.Query{Name: "d/f/g"}, "`filter` must be of the form `designname/filtername`", 0},
		{filter.Query{Name: "_doc_ids"}, "`doc_ids` filter parameter is not a list of doc ids.", 0},
		{filter.Query{Name: "_doc_ids", DocIDs: []byte("[1]")}, "`doc_ids` filter parameter is not a list of doc ids.", 0},
		{filter.Query{Name: "_doc_ids", DocIDs: []byte("[")}, "invalid UTF-8 JSON", 0},
		{filter.Query{Name: "_selector", Selector: []byte("{}")}, "Selector must be specified in POST payload", 0},
		{filter.Query{Name: "_selector", Posted: true}, "Selector error: expected a JSON object", 0},
		{filter.Query{Name: "_view"}, "`view` filter parameter is not provided.", 0},
		{filter.Query{Name: "_view", View: "v"}, "`view` must be of the form `designname/viewname`", 0},
		{filter.Query{Name: "_view", View: "d/v", Keys: filter.Keys{List: []byte("1")}}, "`keys` must be an array of strings.", 0},
		{filter.Query{Name: "_view", View: "d/v", Keys: filter.Keys{List: []byte("[1]"), Start: []byte("1")}}, "`keys` is incompatible with `key`, `start_key` and `end_key`", 0},
		{filter.Query{Name: "_view", View: "d/none"}, "", script.Missing},
		{filter.Query{Name: "d/none"}, "", script.Missing},
		{filter.Query{Name: "d/bad"}, "", script.Compilation},
	} {
		c.q.Request = func() ([]byte, error) { return []byte("{}"), nil }
		f, err := o.Open(t.Context(), db, &c.q)
		wrong, _ := errors.AsType[*filter.Error](err)
		function, _ := errors.AsType[*script.Error](err)
		switch {
		case f != nil || err == nil:
			t.Errorf("%+v is opened", c.q)
		case c.want != "" && (wrong == nil || wrong.Reason != c.want), c.want == "" && (function == nil || function.Kind != c.kind):
			t.Errorf("%s %s: %v, want %s", c.q.Name, c.q.View, err, c.want)
		}
	}
	if _, err := o.Open(t.Context(), db, &filter.Query{Name: "none/f"}); !errors.Is(err, store.ErrMissing) {
		t.Errorf("a design document that is not there: %v", err)
	}
	var none *filter.Opener
	if _, err := none.Open(t.Context(), db, &filter.Query{Name: "d/f"}); !errors.Is(err, filter.ErrNoFunctions) {
		t.Errorf("without design documents: %v", err)
	}
}
