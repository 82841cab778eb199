package javascript_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/script/worker"
	"github.com/tododb/tododb/store/storetest"
)

// The binary of the tests is the one of the workers that they start.
func TestMain(m *testing.M) {
	if worker.Asked(os.Args) {
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

// hosts are where functions may run.
func hosts(t testing.TB) map[string]script.Host {
	p, err := worker.New(worker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return map[string]script.Host{"here": script.InProcess(script.Options{}), "worker": p}
}

// openDB makes a database on an engine, and the manager of its indexes.
func openDB(t testing.TB, e engine.Engine) (*store.DB, *index.Manager) {
	t.Helper()
	s := storetest.On(t, e, store.Options{})
	m := index.NewManager(context.Background(), index.Options{Store: s})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return storetest.DB(t, s, "db"), m
}

// docID is scattered, as ids of clients are, in the benchmark's range and in order below it.
func docID(i int) string {
	if i < 1000 {
		return fmt.Sprintf("doc-%07d", i)
	}
	return fmt.Sprintf("doc-%08x", uint32(i)*2654435761)
}

func fill(t testing.TB, db *store.DB, docs int, body func(i int) string) {
	t.Helper()
	for from := 0; from < docs; from += 1000 {
		edits := make([]store.Edit, min(1000, docs-from))
		for i := range edits {
			edits[i].Doc = document.Doc{ID: docID(from + i), Body: []byte(body(from + i))}
		}
		if _, err := db.Write(context.Background(), edits, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t testing.TB, host script.Host, db *store.DB, m *index.Manager, ddoc string) *view.Index {
	t.Helper()
	d := design.Parse("_design/d", []byte(ddoc))
	ix, err := view.NewOpener(m, view.Compilers{"javascript": javascript.Compiler(host)}).Open(t.Context(), db, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Prepare(t.Context(), view.Wait); err != nil {
		t.Fatal(err)
	}
	return ix
}

func rowsOf(t testing.TB, ix *view.Index, number int, q view.Query) string {
	t.Helper()
	var out []string
	err := ix.Rows(t.Context(), number, &q, view.RowsTo{
		Head: func(h view.Head) error { out = append(out, fmt.Sprintf("%d of %d:", h.Offset, h.Total)); return nil },
		Row: func(r *index.Row) error {
			out = append(out, fmt.Sprintf("%s %s %s", r.Key, r.ID, r.Value))
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "; ")
}

func groupsOf(t testing.TB, ix *view.Index, number int, q view.Query) string {
	t.Helper()
	var out []string
	err := ix.Reduced(t.Context(), number, &q, view.GroupsTo{Head: func(view.Head) error { return nil }, Group: func(g *index.Group) error {
		if g.Err != nil {
			out = append(out, g.Err.Name)
		} else {
			out = append(out, fmt.Sprintf("%s %s", g.Key, g.Value))
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "; ")
}

func TestJavaScript(t *testing.T) {
	for name, host := range hosts(t) {
		t.Run(name, func(t *testing.T) { testJavaScript(t, host) })
	}
}

func testJavaScript(t *testing.T, host script.Host) {
	db, m := openDB(t, storetest.Engine(t))
	fill(t, db, 300, func(i int) string { return fmt.Sprintf(`{"k":%d,"v":%d}`, i%3, i) })
	ix := open(t, host, db, m, `{"views":{
		"a":{"map":"function(doc){emit(doc.k,doc.v)}","reduce":"function(k,v,r){return sum(v)}"},
		"b":{"map":"function(doc){if(doc.v<2)emit([doc.k,doc._id],null)}","reduce":"_count"},
		"c":{"map":"function(doc){emit(doc._id,doc.v)}","reduce":"function(k,v,r){return r?[].concat.apply([],v):v.map(function(x){return x+'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'})}"}}}`)
	defer ix.Release()
	for _, c := range []struct{ got, want string }{
		{groupsOf(t, ix, 0, view.Query{Limit: -1}), " 44850"},
		{groupsOf(t, ix, 0, view.Query{Limit: -1, GroupLevel: index.Exact}), "0 14850; 1 14950; 2 15050"},
		{groupsOf(t, ix, 0, view.Query{Limit: 1, Skip: 1, GroupLevel: index.Exact, Descending: true}), "1 14950"},
		{groupsOf(t, ix, 0, view.Query{Limit: -1, GroupLevel: index.Exact, Keys: [][]byte{[]byte("2"), []byte("7"), []byte("0")}}), "2 15050; 0 14850"},
		{rowsOf(t, ix, 1, view.Query{Limit: -1}), `0 of 2:; [0,"doc-0000000"] doc-0000000 null; [1,"doc-0000001"] doc-0000001 null`},
		{rowsOf(t, ix, 1, view.Query{Limit: -1, Start: []byte("[1]")}), `1 of 2:; [1,"doc-0000001"] doc-0000001 null`},
		{rowsOf(t, ix, 1, view.Query{Limit: -1, Start: []byte("[0,{}]"), Descending: true}), `1 of 2:; [0,"doc-0000000"] doc-0000000 null`},
		{rowsOf(t, ix, 0, view.Query{Limit: 1, Skip: 1, Keys: [][]byte{[]byte("9"), []byte("1")}}), `101 of 300:; 1 doc-0000004 4`},
		{rowsOf(t, ix, 0, view.Query{Limit: 1, Keys: [][]byte{[]byte("9")}}), `300 of 300:`},
		{rowsOf(t, ix, 0, view.Query{Limit: 1, Start: []byte("1"), StartID: "doc-0000004", HasStartID: true}), `101 of 300:; 1 doc-0000004 4`},
		{rowsOf(t, ix, 0, view.Query{Limit: -1, Start: []byte("1"), StartID: "doc-0000295", HasStartID: true, End: []byte("1"), EndID: "doc-0000298", HasEndID: true, ExcludeEnd: true}), `198 of 300:; 1 doc-0000295 295`},
		{groupsOf(t, ix, 1, view.Query{Limit: -1, GroupLevel: 1}), "[0] 1; [1] 1"},
		{groupsOf(t, ix, 2, view.Query{Limit: -1}), "reduce_overflow_error"},
		{groupsOf(t, ix, 2, view.Query{Limit: -1, Start: []byte(`"x"`)}), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

// BenchmarkBuild builds two views of documents of some 300 bytes whose ids are scattered.
func BenchmarkBuild(b *testing.B) {
	const docs = 100_000
	db, m := openDB(b, storetest.SyncedEngine(b))
	types, cities := strings.Fields("todo list note tag"), strings.Fields("Oslo Rome Bern Kyiv Wien Cork Lyon Bonn Riga Graz")
	fill(b, db, docs, func(i int) string {
		return fmt.Sprintf(`{"owner":"user%04d","type":%q,"n":%d,"score":%d.5,"done":false,"city":%q,"tags":["alpha","bravo"],"created":"2023-11-14T22:13:20Z","text":%q}`,
			i%1000, types[i%4], i, i%100, cities[i*7919%10], strings.Repeat("some text ", 15))
	})
	for name, host := range hosts(b) {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n++
				open(b, host, db, m, fmt.Sprintf(`{"views":{
					"by_type":{"map":"function(doc){ if (doc.type) { emit([doc.type, doc.city], doc.n); } }","reduce":"_stats"},
					"by_city":{"map":"function(doc){ if (doc.city) { emit(doc.city, 1); } /* %s %d */}","reduce":"_sum"}}}`, name, n)).Release()
			}
			b.ReportMetric(float64(docs*b.N)/b.Elapsed().Seconds(), "docs/s")
		})
	}
}

// BenchmarkGroups reduces by every key, with a function of the design document.
func BenchmarkGroups(b *testing.B) {
	const docs = 5000
	db, m := openDB(b, storetest.Engine(b))
	fill(b, db, docs, func(i int) string { return fmt.Sprintf(`{"k":%d,"v":%d}`, i/2, i) })
	for name, host := range hosts(b) {
		b.Run(name, func(b *testing.B) {
			ix := open(b, host, db, m, fmt.Sprintf(`{"views":{"v":{"map":"function(doc){emit(doc.k,doc.v) /* %s */}","reduce":"function(k,v,r){return sum(v)}"}}}`, name))
			defer ix.Release()
			groups := 0
			for b.Loop() {
				err := ix.Reduced(b.Context(), 0, &view.Query{Limit: -1, GroupLevel: index.Exact}, view.GroupsTo{Head: func(view.Head) error { return nil }, Group: func(*index.Group) error { groups++; return nil }})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(groups)/b.Elapsed().Seconds(), "groups/s")
		})
	}
}
