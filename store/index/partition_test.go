package index_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
)

// somePartitions has names that are the beginning of others, names with the bytes that end a name on
// disk, and names that are too long to be stored whole.
var somePartitions = []string{"a", "aa", "a!", "\x00", "ü", strings.Repeat("p", 128), strings.Repeat("p", 129), strings.Repeat("p", 300) + "q"}

// A range of a partition has the same rows of that partition as the same range of an index over
// all partitions: in the same order both ways, as many, and reduced to the same groups.
func TestPartitionsAreRanges(t *testing.T) {
	w := newWorld(t, storetest.Engine(t), index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	w.m.SetBatches(30, 500)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		name := fmt.Sprintf("db%d", n)
		if err := w.s.CreateWith(t.Context(), name, store.Properties{Partitioned: true}); err != nil {
			rt.Fatal(err)
		}
		db, err := storetest.OpenDB(t.Context(), w.s, name)
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Release()
		whole, parts := keysDefinition(), keysDefinition()
		whole.Signature, parts.Signature, parts.Partitioned, parts.IncludeDesign = "whole", "parts", true, true
		for range rapid.IntRange(1, 3).Draw(rt, "rounds") { // built at once, and then brought up to date
			writePartitioned(rt, db)
			seq, err := db.UpdateSeq(t.Context())
			if err != nil {
				rt.Fatal(err)
			}
			var open []*index.Index
			for _, def := range []*index.Definition{whole, parts} {
				ix, err := w.m.Open(t.Context(), db, def)
				if err == nil {
					defer ix.Release()
					err = ix.Wait(t.Context(), seq)
				}
				if err != nil {
					rt.Fatal(err)
				}
				open = append(open, ix)
			}
			for range 5 {
				comparePartition(t.Context(), rt, open[0], open[1])
			}
		}
	})
}

func writePartitioned(rt *rapid.T, db *store.DB) {
	edits := make([]store.Edit, rapid.IntRange(1, 60).Draw(rt, "edits"))
	for i := range edits {
		id := fmt.Sprintf("%s:%d", rapid.SampledFrom(somePartitions).Draw(rt, "partition"), rapid.IntRange(0, 9).Draw(rt, "id"))
		if rapid.IntRange(0, 30).Draw(rt, "design") == 0 {
			id = "_design/" + id
		}
		path := []revtree.Rev{{Gen: 1, ID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "rev")}}
		keys := rapid.SliceOfN(rapid.SampledFrom(someKeys), 0, 3).Draw(rt, "keys")
		body := fmt.Sprintf(`{"k":[%s],"v":%d}`, strings.Join(keys, ","), rapid.IntRange(0, 2).Draw(rt, "v"))
		edits[i] = store.Edit{Doc: document.Doc{ID: id, Rev: path[0], Path: path, Deleted: rapid.IntRange(0, 6).Draw(rt, "deleted") == 0, Body: []byte(body)}}
	}
	if _, err := db.Write(context.Background(), edits, store.WriteOptions{Replicated: true}); err != nil {
		rt.Fatal(err)
	}
}

func comparePartition(ctx context.Context, rt *rapid.T, whole, parts *index.Index) {
	partition := rapid.SampledFrom(somePartitions).Draw(rt, "of")
	view := rapid.IntRange(0, len(orders)-1).Draw(rt, "view")
	bound := func(what string) (b index.Bound) {
		if rapid.Bool().Draw(rt, what) {
			return b
		}
		key, err := orders[view].AppendKey(nil, []byte(rapid.SampledFrom(someKeys).Draw(rt, "key")))
		if err != nil {
			rt.Fatal(err)
		}
		b = index.Bound{Key: key, Past: rapid.Bool().Draw(rt, "past")}
		if rapid.IntRange(0, 2).Draw(rt, "with an id") == 0 {
			b.ID = fmt.Sprintf("%s:%d", partition, rapid.IntRange(0, 9).Draw(rt, "id"))
		}
		return b
	}
	rg := index.Range{View: view, Low: bound("no low end"), High: bound("no high end")}
	descending := rapid.Bool().Draw(rt, "descending")
	rows := func(ix *index.Index, rg index.Range) (out []string) {
		q := index.RowsQuery{Ranges: []index.Range{rg}, Descending: descending, Limit: -1}
		err := ix.Rows(ctx, q, index.RowsTo{Row: func(r *index.Row) error {
			if name, _ := document.Partition(string(r.ID)); name == partition {
				out = append(out, fmt.Sprintf("%s/%s/%s", r.Key, r.ID, r.Value))
			} else if ix == parts {
				rt.Fatalf("partition %q has a row of %q", partition, r.ID)
			}
			return nil
		}})
		if err != nil {
			rt.Fatal(err)
		}
		return out
	}
	want, got := rows(whole, rg), rows(parts, rg.In(partition))
	if !slices.Equal(want, got) {
		rt.Fatalf("partition %q, %+v: %q, want %q", partition, rg, got, want)
	}
	if n, err := parts.Count(ctx, []index.Range{rg.In(partition)}); err != nil || n != len(want) {
		rt.Fatalf("partition %q, %+v: %d rows, want %d, %v", partition, rg, n, len(want), err)
	}
	level := rapid.SampledFrom([]int{0, 1, index.Exact}).Draw(rt, "group level")
	sums := 0
	q := index.ReduceQuery{Ranges: []index.Range{rg.In(partition)}, Descending: descending, GroupLevel: level, Limit: -1}
	var keys []string
	err := parts.Reduce(ctx, view, q, index.GroupsTo{Group: func(g *index.Group) error {
		var n int
		_, err := fmt.Sscan(string(g.Value), &n)
		sums += n
		keys = append(keys, string(g.Key))
		return err
	}})
	if err != nil {
		rt.Fatal(err)
	}
	total := 0
	for _, row := range want {
		total += int(row[len(row)-1] - '0')
	}
	if sums != total {
		rt.Fatalf("partition %q, %+v by %d: %d in the groups %q, want %d", partition, rg, level, sums, keys, total)
	}
	if level == 0 && len(keys) > 1 || level == index.Exact && len(slices.Compact(slices.Clone(keys))) != len(keys) {
		rt.Fatalf("partition %q, %+v by %d: the groups %q", partition, rg, level, keys)
	}
}
