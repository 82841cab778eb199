package mango

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/index"
)

type world struct {
	store *store.Store
	f     *Finder
	n     int
}

func newWorld(t testing.TB) *world {
	eng := chaos.New(chaos.Options{Seed: 1})
	s, err := store.Open(t.Context(), eng, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := index.NewManager(t.Context(), index.Options{Store: s})
	t.Cleanup(func() {
		for _, close := range []func() error{m.Close, s.Close, eng.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	})
	return &world{store: s, f: NewFinder(m)}
}

type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func (w *world) create(t fataler) *store.DB {
	w.n++
	name := fmt.Sprintf("db%d", w.n)
	if err := w.store.Create(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	db, err := w.store.DB(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func put(t fataler, db *store.DB, docs ...string) {
	var edits []store.Edit
	for _, raw := range docs {
		doc, err := document.Parse([]byte(raw), document.Options{})
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if old, err := db.Get(context.Background(), doc.ID, store.ReadOptions{}); err == nil {
			doc.Rev, doc.HasRev = old.Rev, true
		}
		edits = append(edits, store.Edit{Doc: doc})
	}
	results, err := db.Write(context.Background(), edits, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.ID, r.Err)
		}
	}
}

// putIndex makes an index of fields, each in a design document of its own.
func putIndex(t fataler, db *store.DB, name string, rest string) {
	ix, err := ParseIndex([]byte(fmt.Sprintf(`{"index":%s,"name":%q,"ddoc":%q}`, rest, name, name)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := ix.Put(nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, `{"_id":"_design/`+name+`",`+string(body[1:]))
}

// find runs a query, page by page with its bookmarks if limit is positive, and gives what
// was found as JSON.
func (w *world) find(t fataler, db *store.DB, query string, limit int, between func()) (out []string, plan *Plan) {
	bookmark := ""
	for {
		var q *Query
		body := query
		if limit > 0 {
			body = strings.TrimSuffix(query, "}") + fmt.Sprintf(`,"limit":%d,"bookmark":%q}`, limit, bookmark)
		} else {
			body = strings.TrimSuffix(query, "}") + `,"limit":1000000}`
		}
		q, err := ParseQuery([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if plan, err = w.f.Plan(context.Background(), db, q); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		n := 0
		answer, err := w.f.Run(context.Background(), db, plan, func(d *Found) error {
			n++
			out = append(out, string(d.AppendJSON(nil)))
			return nil
		}, func() error { return nil })
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if limit <= 0 || n < limit {
			return out, plan
		}
		bookmark = answer.Bookmark
		if between != nil {
			between()
		}
	}
}

var fieldNames = []string{"a", "b", "c", "d.e", "_id"}

// drawValue makes values that are near each other, so that selectors meet them.
func drawValue(t *rapid.T, depth int) any {
	if depth > 0 {
		switch rapid.IntRange(0, 11).Draw(t, "nested") {
		case 0:
			list := []any{}
			for range rapid.IntRange(0, 3).Draw(t, "n") {
				list = append(list, drawValue(t, depth-1))
			}
			return list
		case 1:
			m := map[string]any{}
			for range rapid.IntRange(0, 2).Draw(t, "n") {
				m[rapid.SampledFrom([]string{"e", "k", "é"}).Draw(t, "name")] = drawValue(t, depth-1)
			}
			return m
		}
	}
	return rapid.SampledFrom([]any{
		nil, false, true, -1, 0, 1, 1.0, 1.5, 2, 3, 1e20, json.Number("123456789012345678901234567890"),
		"", "a", "A", "b", "ab", "aB", "a b", "a-b", "\u00e9", "e\u0301", "a\u0301", "\u0001a", "zz", "a\tb",
	}).Draw(t, "value")
}

func drawDoc(t *rapid.T, id int) string {
	doc := map[string]any{"_id": fmt.Sprintf("doc%02d", id)}
	for _, f := range []string{"a", "b", "c"} {
		if rapid.IntRange(0, 5).Draw(t, "has") > 0 {
			doc[f] = drawValue(t, 2)
		}
	}
	if rapid.Bool().Draw(t, "nested") {
		doc["d"] = map[string]any{"e": drawValue(t, 1)}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func drawCondition(t *rapid.T, depth int) any {
	op := rapid.SampledFrom([]string{"", "$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$in", "$nin", "$exists", "$type", "$beginsWith", "$regex", "$size", "$mod", "$all", "$elemMatch", "$not", "$or", "$and", "two"}).Draw(t, "op")
	list := func() []any {
		out := []any{}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			out = append(out, drawValue(t, 1))
		}
		return out
	}
	switch op {
	case "":
		return drawValue(t, 0)
	case "$in", "$nin", "$all":
		return map[string]any{op: list()}
	case "$exists":
		return map[string]any{op: rapid.Bool().Draw(t, "exists")}
	case "$type":
		return map[string]any{op: rapid.SampledFrom([]string{"null", "boolean", "number", "string", "array", "object", "x"}).Draw(t, "type")}
	case "$beginsWith", "$regex":
		return map[string]any{op: rapid.SampledFrom([]string{"", "a", "A", "a ", "é", "z", "a\u0301"}).Draw(t, "text")}
	case "$size":
		return map[string]any{op: rapid.IntRange(0, 3).Draw(t, "size")}
	case "$mod":
		return map[string]any{op: []int{2, rapid.IntRange(-1, 1).Draw(t, "rest")}}
	case "$elemMatch", "$not":
		if depth == 0 {
			return drawValue(t, 0)
		}
		c := drawCondition(t, depth-1)
		if _, ok := c.(map[string]any); !ok {
			c = map[string]any{"$eq": c}
		}
		return map[string]any{op: c}
	case "$or", "$and":
		if depth == 0 {
			return drawValue(t, 0)
		}
		var l []any
		for range rapid.IntRange(1, 3).Draw(t, "n") {
			l = append(l, drawCondition(t, depth-1))
		}
		return map[string]any{op: l}
	case "two":
		return map[string]any{"$gte": drawValue(t, 1), "$lt": drawValue(t, 1)}
	}
	return map[string]any{op: drawValue(t, 1)}
}

func drawSelector(t *rapid.T, depth int) map[string]any {
	sel := map[string]any{}
	for range rapid.IntRange(1, 3).Draw(t, "fields") {
		f := rapid.SampledFrom(fieldNames).Draw(t, "field")
		if f == "_id" {
			if rapid.Bool().Draw(t, "skip") {
				continue
			}
			id := fmt.Sprintf("doc%02d", rapid.IntRange(0, 20).Draw(t, "id"))
			sel[f] = rapid.SampledFrom([]any{id, map[string]any{"$gt": id}, map[string]any{"$in": []any{id, "doc01", 5}}, map[string]any{"$lte": id}, map[string]any{"$ne": id}, map[string]any{"$gt": nil}, map[string]any{"$beginsWith": id[:4]}}).Draw(t, "idcond")
			continue
		}
		sel[f] = drawCondition(t, 2)
	}
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "combine") == 0 {
		op := rapid.SampledFrom([]string{"$or", "$and", "$nor"}).Draw(t, "combination")
		var l []any
		for range rapid.IntRange(1, 3).Draw(t, "n") {
			l = append(l, drawSelector(t, depth-1))
		}
		sel[op] = l
	}
	return sel
}

func mustJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// What an index answers is what a look at every document answers, in the order asked for,
// whatever the page size.
func TestIndexedIsScanned(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		db := w.create(t)
		defer db.Release()
		docs := map[string]string{}
		for i := range rapid.IntRange(0, 25).Draw(t, "docs") {
			doc := drawDoc(t, i)
			docs[fmt.Sprintf("doc%02d", i)] = doc
			put(t, db, doc)
		}
		var indexes [][]string
		for i := range rapid.IntRange(1, 4).Draw(t, "indexes") {
			fields := rapid.SliceOfNDistinct(rapid.SampledFrom(fieldNames), 1, 3, rapid.ID[string]).Draw(t, "index")
			indexes = append(indexes, fields)
			putIndex(t, db, fmt.Sprintf("i%d", i), `{"fields":`+mustJSON(fields)+`}`)
		}
		for range 8 {
			sel := drawSelector(t, 2)
			query := map[string]any{"selector": sel}
			var sort []string
			descending := false
			if rapid.IntRange(0, 2).Draw(t, "sorted") == 0 {
				of := rapid.SampledFrom(indexes).Draw(t, "sort")
				sort = of[rapid.IntRange(0, len(of)-1).Draw(t, "from"):]
				descending = rapid.Bool().Draw(t, "descending")
				way := "asc"
				if descending {
					way = "desc"
				}
				var spec []any
				for _, f := range sort {
					spec = append(spec, map[string]string{f: way})
				}
				query["sort"] = spec
			}
			if rapid.Bool().Draw(t, "covering") {
				query["fields"] = rapid.SampledFrom([][]string{{"_id"}, {"_id", "a"}, {"a", "b"}, {"d.e", "_id"}}).Draw(t, "show")
			}
			if rapid.IntRange(0, 3).Draw(t, "use") == 0 {
				query["use_index"] = rapid.SampledFrom([]string{"i0", "i1", "none"}).Draw(t, "use_index")
			}
			check(t, w, db, docs, mustJSON(query), sort, descending, rapid.IntRange(1, 6).Draw(t, "page"))
		}
	})
}

func check(t *rapid.T, w *world, db *store.DB, docs map[string]string, query string, sort []string, descending bool, page int) {
	q, err := ParseQuery([]byte(query))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if _, err := w.f.Plan(context.Background(), db, q); err != nil {
		return // no index has that order
	}
	var want []string
	ids := make([]string, 0, len(docs))
	for id := range docs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	keys := map[string][][]byte{}
	for _, id := range ids {
		d, err := db.Get(context.Background(), id, store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ok, err := q.Selector.Match(d)
		if err != nil {
			t.Fatal(err)
		}
		var key [][]byte
		var m match
		for _, f := range sort {
			p, _ := parsePath(f)
			if v, how := p.findIn(&m, d); how == there {
				k, _ := collate.AppendKey(nil, v)
				key = append(key, k)
			}
		}
		if !ok || len(key) < len(sort) || q.Selector.nothing() {
			continue
		}
		f := Found{fields: q.Fields, of: subject{doc: d}}
		shown := string(f.AppendJSON(nil))
		keys[shown] = key
		want = append(want, shown)
	}
	got, plan := w.find(t, db, query, 0, nil)
	paged, _ := w.find(t, db, query, page, nil)
	if len(sort) == 0 { // another index may be chosen once it is known to be better
		slices.Sort(got)
		slices.Sort(paged)
	}
	if !slices.Equal(got, paged) {
		t.Fatalf("%s by %s: in pages of %d\n%v, at once\n%v", query, plan.Index.Name, page, paged, got)
	}
	if len(sort) > 0 && q.Fields == nil { // else rows that look the same may have other keys
		for i := 1; i < len(got); i++ {
			c := slices.CompareFunc(keys[got[i-1]], keys[got[i]], bytes.Compare)
			if c > 0 && !descending || c < 0 && descending {
				t.Fatalf("%s by %s: %s before %s", query, plan.Index.Name, got[i-1], got[i])
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(canonical(got), canonical(want)) {
		t.Fatalf("%s by %s %v (covering %v):\n got %v\nwant %v", query, plan.Index.Name, plan.Index.Fields, plan.Covering, got, want)
	}
}

func canonical(docs []string) []string {
	out := make([]string, 0, len(docs))
	for _, d := range docs {
		var v any
		if err := json.Unmarshal([]byte(d), &v); err != nil {
			panic(err)
		}
		out = append(out, mustJSON(v))
	}
	slices.Sort(out)
	return out
}
