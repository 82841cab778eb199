package mango

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
)

// A query answered from partial indexes, or from several indexes one after the other, gives
// what a look at every document gives.
func TestPartialAndUnionIsScanned(t *testing.T) {
	w := newWorld(t)
	partial, several, sorted := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		db := w.create(t)
		defer db.Release()
		docs := map[string]string{}
		for i := range rapid.IntRange(5, 30).Draw(t, "docs") {
			doc := drawDoc(t, i)
			docs[fmt.Sprintf("doc%02d", i)] = doc
			put(t, db, doc)
		}
		var filters []map[string]any
		for i := range rapid.IntRange(2, 4).Draw(t, "indexes") {
			fields := rapid.SliceOfNDistinct(rapid.SampledFrom(fieldNames[:4]), 1, 2, rapid.ID[string]).Draw(t, "index")
			def := map[string]any{"fields": fields}
			if rapid.Bool().Draw(t, "partial") {
				filters = append(filters, drawSelector(t, 0))
				def["partial_filter_selector"] = filters[len(filters)-1]
			}
			putIndex(t, db, fmt.Sprintf("i%d", i), mustJSON(def))
		}
		for range 8 {
			sel := drawSelector(t, 1)
			if len(filters) > 0 && rapid.Bool().Draw(t, "implied") {
				for f, c := range rapid.SampledFrom(filters).Draw(t, "filter") {
					sel[f] = c
				}
			}
			if rapid.Bool().Draw(t, "or") {
				var or []any
				for range rapid.IntRange(2, 4).Draw(t, "branches") {
					or = append(or, drawSelector(t, 0))
				}
				sel = map[string]any{"$or": or}
				if rapid.Bool().Draw(t, "besides") {
					sel["a"] = drawCondition(t, 1)
				}
			}
			query, descending := map[string]any{"selector": sel}, false
			var sort []string
			if rapid.IntRange(0, 2).Draw(t, "sorted") == 0 {
				sort = rapid.SliceOfNDistinct(rapid.SampledFrom(fieldNames), 1, 2, rapid.ID[string]).Draw(t, "sort")
				way := "asc"
				if descending = rapid.Bool().Draw(t, "descending"); descending {
					way = "desc"
				}
				var spec []any
				for _, f := range sort {
					spec = append(spec, map[string]string{f: way})
				}
				query["sort"] = spec
			}
			q, err := ParseQuery([]byte(mustJSON(query)))
			if err != nil {
				t.Fatal(err)
			}
			if p, err := w.f.Plan(t.Context(), db, q); err == nil {
				switch {
				case p.union != nil && p.union.sorted:
					sorted++
				case p.union != nil:
					several++
				case p.Index.Partial != nil:
					partial++
				}
			}
			check(t, w, db, docs, mustJSON(query), sort, descending, rapid.IntRange(1, 6).Draw(t, "page"))
		}
	})
	// Twenty rounds may miss one of the kinds.
	if !testing.Short() && (partial == 0 || several == 0 || sorted == 0) {
		t.Errorf("%d partial indexes, %d unions and %d sorted ones", partial, several, sorted)
	}
}

func planOf(t testing.TB, w *world, db *store.DB, query string) *Plan {
	q, err := ParseQuery([]byte(query))
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.f.Plan(t.Context(), db, q)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return p
}

// In a small database the choice is CouchDB's; in a large one it is the one that reads least.
func TestSmallAndLarge(t *testing.T) {
	w := newWorld(t)
	w.f.small = smallRead
	db := w.create(t)
	defer db.Release()
	putIndex(t, db, "open", `{"fields":["at"],"partial_filter_selector":{"state":"open"}}`)
	putIndex(t, db, "owner", `{"fields":["owner"]}`)
	putIndex(t, db, "tag", `{"fields":["tag"]}`)
	const either = `{"selector":{"$or":[{"owner":3},{"tag":"t7"}]},"limit":1000}`
	const open = `{"selector":{"state":"open","at":{"$gte":0}}}`
	fill := func(from, to int) {
		var docs []string
		for i := from; i < to; i++ {
			state := "done"
			if i%20 == 0 {
				state = "open"
			}
			docs = append(docs, fmt.Sprintf(`{"_id":"d%04d","at":%d,"state":%q,"owner":%d,"tag":"t%d"}`, i, i, state, i%20, i%30))
		}
		put(t, db, docs...)
	}
	fill(0, smallRead-3) // and three design documents
	for _, query := range []string{either, open} {
		if p := planOf(t, w, db, query); !p.Index.special() {
			t.Errorf("small: %s is answered from %s", query, p.Index.Name)
		}
	}
	fill(smallRead-3, 600)
	if p := planOf(t, w, db, open); p.Index.Name != "open" {
		t.Errorf("%s is answered from %s", open, p.Index.Name)
	}
	p := planOf(t, w, db, either)
	if p.union == nil || len(p.union.parts) != 2 {
		t.Fatalf("%s is answered from %s", either, p.Index.Name)
	}
	n := 0
	answer, err := w.f.Run(t.Context(), db, p, func(*Found) error { n++; return nil }, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if n != 50 || answer.Stats.Docs != 50 || answer.Warning != "" {
		t.Errorf("%d documents, %+v", n, answer)
	}
	explained, err := w.f.Explain(t.Context(), db, p.Query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"index":{"ddoc":"_design/owner","name":"owner",`, `"union":[{"index":{"ddoc":"_design/owner",`, `{"index":{"ddoc":"_design/tag",`, `"name":"_all_docs","type":"special","def":{"fields":[{"_id":"asc"}]}},"analysis":{"usable":true,"reasons":[{"name":"more_rows"}],"ranking":1,`} {
		if !strings.Contains(string(explained), part) {
			t.Errorf("%s lacks %s", explained, part)
		}
	}
}

// An empty $or asks for nothing beside other conditions, so an index must not hide documents
// from them.
func TestEmptyOr(t *testing.T) {
	w := newWorld(t)
	db := w.create(t)
	defer db.Release()
	putIndex(t, db, "a", `{"fields":["a"]}`)
	put(t, db, `{"_id":"d1","a":1,"c":1}`, `{"_id":"d2","c":1}`)
	for query, c := range map[string]struct {
		index string
		found int
	}{
		`{"selector":{"$or":[]}}`:                   {"a", 0},
		`{"selector":{"$or":[],"c":{"$in":[]}}}`:    {"a", 0},
		`{"selector":{"$or":[],"c":1}}`:             {"_all_docs", 2},
		`{"selector":{"$or":[],"a":1}}`:             {"a", 1},
		`{"selector":{"$and":[{"a":1},{}]}}`:        {"a", 0},
		`{"selector":{"$or":[{},{"c":{"$gt":0}}]}}`: {"_all_docs", 2},
	} {
		found, plan := w.find(t, db, query, 0, nil)
		if plan.Index.Name != c.index || len(found) != c.found {
			t.Errorf("%s: %v by %s", query, found, plan.Index.Name)
		}
	}
}
