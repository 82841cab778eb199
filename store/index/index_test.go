package index_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/storetest"
)

// world is a store with a manager of indexes.
type world struct {
	eng engine.Engine
	s   *store.Store
	m   *index.Manager

	ahead atomic.Int64 // how far the clock of s is ahead of the true time, in nanoseconds
}

func newWorld(t testing.TB, eng engine.Engine, opt index.Options) *world {
	ctx := context.Background()
	w := &world{eng: eng}
	w.s = storetest.On(t, eng, store.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }})
	opt.Store = w.s
	w.m = index.NewManager(ctx, opt)
	t.Cleanup(func() {
		if err := w.m.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) create(t fataler, name string) *store.DB {
	ctx := context.Background()
	w.s.Drop(ctx, name)
	if err := w.s.Create(ctx, name); err != nil {
		t.Fatal(err)
	}
	db, err := storetest.OpenDB(ctx, w.s, name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

// keysMapper emits for each of a document's "k" a row in view 0, in view 1, which is in
// raw order, and in view 2, whose keys are [k, v].
type keysMapper struct{}

func (keysMapper) Close() {}

func (keysMapper) Map(_ context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	return mapKeys(d.Body, emit)
}

func mapKeys(body []byte, emit func(int, []byte, []byte) error) error {
	var doc struct {
		K []json.RawMessage
		V json.RawMessage
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return err
	}
	for _, k := range doc.K {
		pair := fmt.Appendf(nil, "[%s,%s]", k, doc.V)
		for view, key := range [][]byte{k, k, pair} {
			if err := emit(view, key, doc.V); err != nil {
				return err
			}
		}
	}
	return nil
}

// sum adds numbers up.
type sum struct{ n int }

func (s *sum) Close() {}
func (s *sum) Reset() { s.n = 0 }
func (s *sum) Add(_, _, value []byte) error {
	n, err := strconv.Atoi(string(value))
	s.n += n
	return err
}
func (s *sum) Merge(p []byte) error { return s.Add(nil, nil, p) }
func (s *sum) AppendPartial(dst []byte) ([]byte, error) {
	return strconv.AppendInt(dst, int64(s.n), 10), nil
}
func (s *sum) AppendResult(dst []byte) ([]byte, error) { return s.AppendPartial(dst) }

var orders = []collate.Order{collate.Unicode, collate.Raw, collate.Unicode}

func keysDefinition() *index.Definition {
	def := &index.Definition{Signature: "keys", Label: "_design/keys", Changes: true, NewMapper: func() (index.Mapper, error) { return keysMapper{}, nil }}
	for _, o := range orders {
		def.Views = append(def.Views, index.View{Order: o, NewReducer: func(context.Context) (index.Reducer, error) { return &sum{}, nil }})
	}
	return def
}

// modelRow is a row of the naive model.
type modelRow struct {
	collated       []byte
	key, value, id string
}

// modelRows maps all living documents of a database and sorts the rows.
func modelRows(t fataler, db *store.DB, view int) (rows []modelRow) {
	q := store.AllDocsQuery{Limit: -1, IncludeDocs: true}
	err := db.AllDocs(context.Background(), q, func(store.Page) error { return nil }, func(r *store.Row) error {
		if bytes.HasPrefix(r.ID, []byte("_design/")) {
			return nil
		}
		return mapKeys(r.Doc.Body, func(v int, key, value []byte) error {
			if v == view {
				c, err := orders[v].AppendKey(nil, key)
				rows = append(rows, modelRow{c, string(key), string(value), string(r.ID)})
				return err
			}
			return nil
		})
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(rows, func(a, b modelRow) int {
		if c := bytes.Compare(a.collated, b.collated); c != 0 {
			return c
		}
		if c := strings.Compare(a.id, b.id); c != 0 {
			return c
		}
		ka, _ := collate.Raw.AppendKey(nil, []byte("["+a.key+","+a.value+"]"))
		kb, _ := collate.Raw.AppendKey(nil, []byte("["+b.key+","+b.value+"]"))
		return bytes.Compare(ka, kb)
	})
	return rows
}

func (r modelRow) String() string { return r.key + "/" + r.id + "/" + r.value }

var middleKey, _ = collate.AppendKey(nil, []byte("50000"))

var someKeys = func() []string {
	long := strings.Repeat("x", 3000) // longer than keys of the engine
	keys := []string{"null", "true", "0", "1", "1.0", "2", `"a"`, `"A"`, `"b"`, `"é"`, `"e\u0301"`, "[]", "[1]", "[1,2]", `["a",1]`, `["a",2]`, `["a",2,3]`, "{}", `{"a":1}`}
	for _, tail := range []string{"", "b", "a", "c"} {
		keys = append(keys, `"`+long+tail+`"`, `["`+long+tail+`",1]`)
	}
	return keys
}()

// docID is an id; some are longer than keys of the engine, and begin alike.
func docID(n int) string {
	if n%10 == 9 {
		return fmt.Sprintf("d%s%d", strings.Repeat("4", 2500), n)
	}
	return fmt.Sprintf("d%d", n)
}

// write adds a few revisions of documents. Some are conflicts, some tombstones.
func write(t *rapid.T, db *store.DB) {
	edits := make([]store.Edit, rapid.IntRange(1, 8).Draw(t, "edits"))
	for i := range edits {
		id := docID(rapid.IntRange(0, 40).Draw(t, "id"))
		if rapid.IntRange(0, 20).Draw(t, "design") == 0 {
			id = "_design/" + id
		}
		path := make([]revtree.Rev, rapid.IntRange(1, 4).Draw(t, "generation"))
		for g := range path {
			path[g] = revtree.Rev{Gen: uint64(len(path) - g), ID: strings.Repeat(string(rune('a'+rapid.IntRange(0, 2).Draw(t, "rev"))), 16)}
		}
		keys := rapid.SliceOfN(rapid.SampledFrom(someKeys), 0, 3).Draw(t, "keys")
		body := fmt.Sprintf(`{"k":[%s],"v":%d}`, strings.Join(keys, ","), rapid.IntRange(0, 2).Draw(t, "v"))
		edits[i] = store.Edit{Doc: document.Doc{ID: id, Rev: path[0], Path: path, Deleted: rapid.IntRange(0, 4).Draw(t, "deleted") == 0, Body: []byte(body)}}
	}
	if _, err := db.Write(context.Background(), edits, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
}

func purge(t *rapid.T, db *store.DB) {
	id := docID(rapid.IntRange(0, 40).Draw(t, "id"))
	open, err := db.OpenRevs(context.Background(), id, nil, store.ReadOptions{NoBody: true})
	if err != nil {
		return
	}
	var revs []revtree.Rev
	for _, o := range open[:rapid.IntRange(1, len(open)).Draw(t, "leaves")] {
		revs = append(revs, o.Doc.Rev)
	}
	if _, _, err := db.Purge(context.Background(), []string{id}, [][]revtree.Rev{revs}); err != nil {
		t.Fatal(err)
	}
}

// expire ends all tombstones.
func (w *world) expire(t fataler, db *store.DB) {
	ctx := context.Background()
	if err := db.SetLifetime(ctx, func(l *store.Lifetime) { l.TTL = "1_sec" }); err != nil {
		t.Fatal(err)
	}
	w.ahead.Add(int64(time.Hour))
	bare, err := w.s.Bare(ctx, db.Name(), "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Release()
	opt := store.ExpireOptions{Floor: func() (uint64, bool) { return w.m.Building(db.Name()) }}
	if _, err := bare.Expire(ctx, opt); err != nil {
		t.Fatal(err)
	}
}

// open returns the index, built up to now. With the race detector the largest one takes minutes.
func (w *world) open(t fataler, db *store.DB, def *index.Definition) *index.Index {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	ix, err := w.m.Open(ctx, db, def)
	if err != nil {
		t.Fatal(err)
	}
	info, err := db.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; ; try++ {
		err := ix.Wait(ctx, info.UpdateSeq)
		if err == nil {
			return ix
		}
		if try == 5 {
			t.Fatal(err)
		}
	}
}

// drawBound draws a bound, and a function that says which rows it lets in.
func drawBound(t *rapid.T, order collate.Order, view int, high bool) (b index.Bound, in func(modelRow) bool) {
	if rapid.IntRange(0, 3).Draw(t, "open") == 0 {
		return b, func(modelRow) bool { return true }
	}
	key := rapid.SampledFrom(someKeys).Draw(t, "bound")
	if view == 2 {
		key = fmt.Sprintf("[%s,%d]", key, rapid.IntRange(0, 2).Draw(t, "second"))
	}
	b.Key, _ = order.AppendKey(nil, []byte(key))
	if rapid.Bool().Draw(t, "with id") {
		b.ID = fmt.Sprintf("d%d", rapid.IntRange(0, 40).Draw(t, "bound id"))
	}
	b.Past = rapid.Bool().Draw(t, "past")
	return b, func(r modelRow) bool {
		c := bytes.Compare(r.collated, b.Key)
		if c == 0 && b.ID != "" {
			c = strings.Compare(r.id, b.ID)
		}
		if c == 0 {
			return b.Past == high
		}
		return c < 0 == high
	}
}

// query compares answers of the index with the model's.
func query(t *rapid.T, db *store.DB, ix *index.Index) {
	view := rapid.IntRange(0, 2).Draw(t, "view")
	queryView(t, ix, view, modelRows(t, db, view))
}

func queryView(t *rapid.T, ix *index.Index, view int, all []modelRow) {
	ctx := context.Background()
	q := index.RowsQuery{Descending: rapid.Bool().Draw(t, "descending"), Skip: rapid.IntRange(0, 5).Draw(t, "skip"), Limit: rapid.IntRange(-1, 20).Draw(t, "limit"), WantOffset: true}
	if rapid.Bool().Draw(t, "far") {
		q.Skip += rapid.IntRange(10, 60+len(all)/2).Draw(t, "farther")
	}
	low, aboveLow := drawBound(t, orders[view], view, false)
	high, belowHigh := drawBound(t, orders[view], view, true)
	rg := index.Range{View: view, Low: low, High: high}
	q.Ranges = []index.Range{rg}
	var in []modelRow
	before := 0
	for _, r := range all {
		switch {
		case aboveLow(r) && belowHigh(r):
			in = append(in, r)
		case !q.Descending && !aboveLow(r), q.Descending && !belowHigh(r):
			before++
		}
	}
	if n, err := ix.Count(ctx, q.Ranges); err != nil || n != len(in) {
		t.Fatalf("%d rows counted, want %d: %v", n, len(in), err)
	}
	reduceRange(t, ix, rg, in, q.Descending)
	if q.Descending { // rows of one document under one key stay in their order
		slices.Reverse(in)
		slices.SortStableFunc(in, func(a, b modelRow) int {
			if c := bytes.Compare(b.collated, a.collated); c != 0 {
				return c
			}
			return strings.Compare(b.id, a.id)
		})
		for i := 0; i < len(in); {
			n := 1
			for i+n < len(in) && bytes.Equal(in[i].collated, in[i+n].collated) && in[i].id == in[i+n].id {
				n++
			}
			slices.Reverse(in[i : i+n])
			i += n
		}
	}
	want := in[min(q.Skip, len(in)):]
	if q.Limit >= 0 {
		want = want[:min(q.Limit, len(want))]
	}
	var got []modelRow
	err := ix.Rows(ctx, q, index.RowsTo{Head: func(h index.Head) error {
		if int(h.Total) != len(all) || h.Offset != before && len(in) > 0 {
			t.Fatalf("head %+v, want %d rows, %d before", h, len(all), before)
		}
		return nil
	}, Row: func(r *index.Row) error {
		got = append(got, modelRow{nil, string(r.Key), string(r.Value), string(r.ID)})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%+v\ngot  %v\nwant %v\nof   %v", q, got, want, all)
	}
}

// reduceRange compares reductions of a range.
func reduceRange(t *rapid.T, ix *index.Index, rg index.Range, in []modelRow, descending bool) {
	q := index.ReduceQuery{Ranges: []index.Range{rg}, Descending: descending, GroupLevel: rapid.IntRange(-1, 3).Draw(t, "level"), Limit: -1}
	type group struct {
		key string
		sum int
	}
	var want []group
	last := ""
	for _, r := range in {
		key := ""
		switch {
		case q.GroupLevel == index.Exact:
			key = string(r.collated)
		case q.GroupLevel > 0:
			short := r.key
			if jsonscan.Kind([]byte(r.key)) == '[' {
				var list []json.RawMessage
				json.Unmarshal([]byte(r.key), &list)
				b, _ := json.Marshal(list[:min(len(list), q.GroupLevel)])
				short = string(b)
			}
			c, _ := orders[rg.View].AppendKey(nil, []byte(short))
			key = string(c)
		}
		if len(want) == 0 || key != last {
			want = append(want, group{key: key})
		}
		last = key
		n, _ := strconv.Atoi(r.value)
		want[len(want)-1].sum += n
	}
	if descending {
		slices.Reverse(want)
	}
	var got []group
	err := ix.Reduce(context.Background(), rg.View, q, index.GroupsTo{Group: func(g *index.Group) error {
		key := []byte{}
		if g.Key != nil {
			key, _ = orders[rg.View].AppendKey(nil, g.Key)
		}
		n, _ := strconv.Atoi(string(g.Value))
		got = append(got, group{string(key), n})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%+v:\ngot  %v\nwant %v", q, got, want)
	}
}

// After any writes, an index answers as if it had been built from the present documents.
func TestModel(t *testing.T) {
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			storetest.SkipSlow(t, name)
			w := newWorld(t, open(t), index.Options{Delay: time.Hour})
			n := 0
			rapid.Check(t, func(t *rapid.T) {
				n++
				db := w.create(t, fmt.Sprintf("db%d", n%3))
				defer db.Release()
				t.Repeat(map[string]func(*rapid.T){
					"write":  func(t *rapid.T) { write(t, db) },
					"purge":  func(t *rapid.T) { purge(t, db) },
					"expire": func(t *rapid.T) { w.expire(t, db) },
					"query": func(t *rapid.T) {
						ix := w.open(t, db, keysDefinition())
						defer ix.Release()
						query(t, db, ix)
					},
				})
			})
		})
	}
}

// collated is the key of a string.
func collated(s string) []byte {
	k, err := collate.AppendKey(nil, jsonscan.AppendString(nil, s))
	if err != nil {
		panic(err)
	}
	return k
}

// There are more rows than one snapshot may read, and several levels of summaries.
func TestManyRows(t *testing.T) {
	w := newWorld(t, storetest.Engine(t), index.Options{Delay: time.Hour})
	db := w.create(t, "many")
	defer db.Release()
	const docs = 2500
	for from := 0; from < docs; from += 500 {
		edits := make([]store.Edit, 500)
		for i := range edits {
			n := from + i
			keys := []string{someKeys[n%len(someKeys)], strconv.Itoa(n % 700)}
			if n%50 == 0 {
				keys = append(keys, keys[1]+".0", `"`+strings.Repeat("y", 1200)+strconv.Itoa(n%7)+`"`)
			}
			edits[i].Doc = document.Doc{ID: fmt.Sprintf("d%d", n), Body: fmt.Appendf(nil, `{"k":[%s],"v":%d}`, strings.Join(keys, ","), n%5)}
		}
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.open(t, db, keysDefinition()).Release()
	}
	ix := w.open(t, db, keysDefinition())
	defer ix.Release()
	var all [3][]modelRow
	for view := range all {
		all[view] = modelRows(t, db, view)
	}
	rapid.Check(t, func(t *rapid.T) {
		view := rapid.IntRange(0, 2).Draw(t, "view")
		queryView(t, ix, view, all[view])
	})
}
