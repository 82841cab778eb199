package mango

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// createPartitioned makes a partitioned database.
func (w *world) createPartitioned(t fataler) *store.DB {
	w.n++
	name := fmt.Sprintf("db%d", w.n)
	if err := w.store.CreateWith(context.Background(), name, store.Properties{Partitioned: true}); err != nil {
		t.Fatal(err)
	}
	db, err := storetest.OpenDB(context.Background(), w.store, name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

var partitions = []string{"a", "aa", "b", "A", "é", strings.Repeat("p", 200)}

// A query of a partition gives what a look at each of its documents gives, and a query of all
// documents what a look at all of them gives, whatever partitioned and global indexes there are.
func TestPartitionIsScanned(t *testing.T) {
	w := newWorld(t)
	used := 0
	rapid.Check(t, func(t *rapid.T) {
		db := w.createPartitioned(t)
		defer db.Release()
		partition := rapid.SampledFrom(partitions)
		var ids []string
		for i := range rapid.IntRange(5, 30).Draw(t, "docs") {
			id := fmt.Sprintf("%s:doc%02d", partition.Draw(t, "of"), i)
			ids = append(ids, id)
			put(t, db, strings.Replace(drawDoc(t, i), fmt.Sprintf(`"doc%02d"`, i), quoted(id), 1))
		}
		slices.Sort(ids)
		for i := range rapid.IntRange(1, 4).Draw(t, "indexes") {
			fields := rapid.SliceOfNDistinct(rapid.SampledFrom(fieldNames), 1, 2, rapid.ID[string]).Draw(t, "index")
			options := rapid.SampledFrom([]string{"", `,"partitioned":false`, `,"partitioned":true`}).Draw(t, "options")
			name := fmt.Sprintf("i%d", i)
			ix, err := ParseIndex([]byte(fmt.Sprintf(`{"index":{"fields":%s},"name":%q,"ddoc":%q%s}`, mustJSON(fields), name, name, options)))
			if err != nil {
				t.Fatal(err)
			}
			body, err := ix.Put(nil)
			if err != nil {
				t.Fatal(err)
			}
			put(t, db, `{"_id":"_design/`+name+`",`+string(body[1:]))
		}
		for range 8 {
			sel := drawSelector(t, 1)
			if rapid.Bool().Draw(t, "or") {
				sel = map[string]any{"$or": []any{drawSelector(t, 0), drawSelector(t, 0)}}
			}
			query := map[string]any{"selector": sel}
			in := ""
			if rapid.IntRange(0, 3).Draw(t, "in") > 0 {
				in = partition.Draw(t, "partition")
				query["partition"] = in
			}
			if rapid.Bool().Draw(t, "covering") {
				query["fields"] = []string{"_id", "a"}
			}
			s := mustCompile(t, mustJSON(sel))
			var want []string
			for _, id := range ids {
				d, err := db.Get(context.Background(), id, store.ReadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				ok, err := s.Match(context.Background(), d)
				if err != nil {
					t.Fatal(err)
				}
				if ok && (in == "" || strings.HasPrefix(id, in+":")) && !s.nothing() {
					want = append(want, id)
				}
			}
			for _, page := range []int{0, rapid.IntRange(1, 5).Draw(t, "page")} {
				got, plan := w.find(t, db, mustJSON(query), page, nil)
				if !plan.Index.special() {
					used++
				}
				var found []string
				for _, d := range got {
					id, _, _ := strings.Cut(strings.TrimPrefix(d, `{"_id":"`), `"`)
					found = append(found, id)
				}
				slices.Sort(found)
				if !slices.Equal(found, want) {
					t.Fatalf("%s by %s in pages of %d:\n got %v\nwant %v", mustJSON(query), plan.Index.Name, page, found, want)
				}
			}
		}
	})
	if used == 0 {
		t.Error("no index was used")
	}
}

// What a query of a partition looks at does not depend on the other partitions.
func TestPartitionCost(t *testing.T) {
	w := newWorld(t)
	db := w.createPartitioned(t)
	defer db.Release()
	putIndex(t, db, "n", `{"fields":["g","n"]}`)
	for p := range 20 {
		var docs []string
		for i := range 50 {
			docs = append(docs, fmt.Sprintf(`{"_id":"p%02d:%d","g":%d,"n":%d}`, p, i, i%2, i))
		}
		put(t, db, docs...)
	}
	for _, c := range []struct {
		query string
		keys  int
	}{
		{`{"selector":{"g":1,"n":{"$gt":null}},"partition":"p07","limit":1000}`, 25},
		{`{"selector":{"g":{"$in":[0,1]},"n":{"$gte":40}},"sort":[{"n":"desc"}],"partition":"p07","limit":1000}`, 10},
		{`{"selector":{"x":{"$exists":false}},"partition":"p07","limit":1000}`, 50},
		{`{"selector":{"g":1,"n":{"$gt":null}},"limit":2000}`, 1001}, // all documents, and the design document
	} {
		p := planOf(t, w, db, c.query)
		answer, err := w.f.Run(t.Context(), db, p, func(*Found) error { return nil }, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if answer.Stats.Keys != c.keys {
			t.Errorf("%s by %s looks at %d keys, want %d", c.query, p.Index.Name, answer.Stats.Keys, c.keys)
		}
	}
}
