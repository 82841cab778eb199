package mango

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

type world struct {
	store *store.Store
	f     *Finder
	n     int
}

func newWorld(t testing.TB) *world { return newWorldOf(t, index.Options{}) }

func newWorldOf(t testing.TB, opt index.Options) *world {
	s := storetest.On(t, chaos.New(chaos.Options{Seed: 1}), store.Options{})
	opt.Store = s
	m := index.NewManager(t.Context(), opt)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	f := NewFinder(m, designsOf(s))
	f.small = 0
	return &world{store: s, f: f}
}

func designsOf(s *store.Store) *design.Cache {
	return design.NewCache(s, script.InProcess(script.Options{}))
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
	db, err := storetest.OpenDB(context.Background(), w.store, name)
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

// A sort behind a field that has some values is had by merging.
func TestMergedIsScanned(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		db := w.create(t)
		defer db.Release()
		few := rapid.SampledFrom([]string{`1`, `2`, `"x"`, `[1]`, `[2,1]`, `["x",3]`, `null`})
		docs := map[string]string{}
		for i := range rapid.IntRange(0, 30).Draw(t, "docs") {
			id := fmt.Sprintf("doc%02d", i)
			docs[id] = fmt.Sprintf(`{"_id":%q,"a":%s,"b":%s,"c":%d}`, id, few.Draw(t, "a"), few.Draw(t, "b"), i%3)
			put(t, db, docs[id])
		}
		putIndex(t, db, "i", `{"fields":`+rapid.SampledFrom([]string{`["a","b"]`, `["a","c","b"]`, `["a","b","c"]`}).Draw(t, "index")+`}`)
		for range 6 {
			sel := rapid.SampledFrom([]string{
				`{"a":{"$in":[%s,%s]}}`, `{"$or":[{"a":%s},{"a":{"$eq":%s}}]}`, `{"a":{"$in":[%s,2]},"b":{"$gte":%s}}`, `{"a":{"$in":[1,%s]},"c":{"$in":[0,2,%s]}}`,
			}).Draw(t, "selector")
			descending := rapid.Bool().Draw(t, "descending")
			query := fmt.Sprintf(`{"selector":`+sel+`,"sort":[{"b":%q}]`, few.Draw(t, "v"), few.Draw(t, "w"), map[bool]string{true: "desc", false: "asc"}[descending])
			if rapid.Bool().Draw(t, "covering") {
				query += `,"fields":["_id","b"]`
			}
			check(t, w, db, docs, query+"}", []string{"b"}, descending, rapid.IntRange(1, 6).Draw(t, "page"))
		}
	})
}

// Pages that a bookmark leads to go on behind what was seen, whatever is written meanwhile.
func TestBookmarksUnderWrites(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{
		`{"selector":{"n":{"$gte":0}},"sort":["n"]}`, `{"selector":{"n":{"$gte":0}},"sort":[{"n":"desc"}]}`,
		`{"selector":{"g":{"$in":[0,1]},"n":{"$gte":0}},"sort":["n"],"use_index":"gn"}`, `{"selector":{"other":1}}`,
	} {
		db := w.create(t)
		putIndex(t, db, "n", `{"fields":["n"]}`)
		putIndex(t, db, "gn", `{"fields":["g","n"]}`)
		for i := range 40 {
			put(t, db, fmt.Sprintf(`{"_id":"d%02d","n":%d,"g":%d,"other":1}`, i, i/3, i%2))
		}
		page := 0
		got, _ := w.find(t, db, query, 7, func() {
			page++
			// Documents come in before and behind what was seen, some that were seen go, and
			// another index that could serve is made.
			put(t, db, fmt.Sprintf(`{"_id":"a%d","n":0,"g":0,"other":2}`, page), fmt.Sprintf(`{"_id":"z%d","n":99,"g":1,"other":2}`, page))
			if page < 3 {
				put(t, db, fmt.Sprintf(`{"_id":"d%02d","_deleted":true}`, page))
				putIndex(t, db, fmt.Sprint("new", page), `{"fields":["n"]}`)
			}
		})
		seen := map[string]int{}
		for _, d := range got {
			seen[d[8:11]]++
		}
		for i := 3; i < 38; i++ {
			if id := fmt.Sprintf("d%02d", i); seen[id] != 1 {
				t.Errorf("%s: %s was seen %d times", query, id, seen[id])
			}
		}
		db.Release()
	}
}

// A pattern that takes for ever ends the query, and soon.
func TestSlowPattern(t *testing.T) {
	widetest.Only(t)
	w := newWorld(t)
	db := w.create(t)
	defer db.Release()
	for i := range 100 {
		put(t, db, fmt.Sprintf(`{"_id":"d%02d","s":"%s!"}`, i, strings.Repeat("a", 60)))
	}
	q, err := ParseQuery([]byte(`{"selector":{"s":{"$regex":"^(?=a)(a+)+$"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.f.Plan(t.Context(), db, q)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	none := func() error { return nil }
	_, err = w.f.Run(t.Context(), db, p, func(*Found) error { return nil }, none)
	if e, ok := errors.AsType[*Error](err); !ok || e.Word != "regex_too_slow" {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add([]byte(`{"selector":{"a":{"$in":[1,"x"]}},"sort":[{"a":"desc"}],"fields":["a.b"],"use_index":["x","y"],"limit":1,"bookmark":"nil"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !jsonscan.Valid(body) || jsonscan.Kind(body) != '{' {
			return
		}
		q, err := ParseQuery(body)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%v", err)
			}
			return
		}
		norm := q.Selector.AppendJSON(nil)
		if !jsonscan.Valid(norm) {
			t.Errorf("normal form %s", norm)
		}
		ix := &Index{Fields: q.Sort}
		for _, rg := range ix.ranges(q.Selector.norm) {
			if bytes.Compare(rg.Low.Key, rg.High.Key) >= 0 {
				t.Errorf("range %x to %x", rg.Low.Key, rg.High.Key)
			}
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"index":{"fields":["a",{"b.c":"asc"}],"partial_filter_selector":{"x":{"$gt":1}}},"ddoc":"d","name":"n","options":{"changes":true}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !jsonscan.Valid(body) || jsonscan.Kind(body) != '{' {
			return
		}
		ix, err := ParseIndex(body)
		if err != nil {
			return
		}
		ddoc, err := ix.Put(nil)
		if err != nil {
			return
		}
		list := IndexesOf(design.Parse(ix.DDoc, ddoc))
		if len(list) != 1 || list[0].Name != ix.Name || list[0].Changes != ix.Changes {
			t.Fatalf("%s gives %v", ddoc, list)
		}
		if again, err := ix.Put(ddoc); err != nil || string(again) != string(ddoc) {
			t.Errorf("put twice: %s, %v", again, err)
		}
		if left, err := list[0].Remove(ddoc); err != nil || left != nil {
			t.Errorf("left: %s, %v", left, err)
		}
	})
}

func FuzzBookmark(f *testing.F) {
	f.Add("AQFhAWIDWzFdAWQ")
	f.Add((&bookmark{ddoc: "_design/a", name: "b", key: "[1]", id: "d"}).String())
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parseBookmark(s)
		if err != nil {
			return
		}
		if again, err := parseBookmark(b.String()); err != nil || !reflect.DeepEqual(again, b) {
			t.Errorf("%+v, %v, want %+v", again, err, b)
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
		ok, err := q.Selector.Match(context.Background(), d)
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
