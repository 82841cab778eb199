package store_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// model is the simplest possible database. It has the revisions of each document, each with its
// parent, and the order of the last changes.
type model struct {
	docs  map[string]*modelDoc
	order []string // ids, the least recently changed first
}

type modelDoc struct {
	revs map[revtree.Rev]*modelRev
}

type modelRev struct {
	parent  revtree.Rev
	body    string // "" for a revision that is known by name only
	deleted bool
}

func (d *modelDoc) leaves() []revtree.Rev {
	inner := map[revtree.Rev]bool{}
	for _, r := range d.revs {
		inner[r.parent] = true
	}
	var out []revtree.Rev
	for rev := range d.revs {
		if !inner[rev] {
			out = append(out, rev)
		}
	}
	slices.SortFunc(out, func(a, b revtree.Rev) int {
		if x, y := d.revs[a].deleted, d.revs[b].deleted; x != y {
			if x {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(b.Gen, a.Gen), cmp.Compare(b.ID, a.ID))
	})
	return out
}

func (d *modelDoc) winner() (revtree.Rev, *modelRev) {
	rev := d.leaves()[0]
	return rev, d.revs[rev]
}

// living are the leaves that are not deleted.
func (d *modelDoc) living() []revtree.Rev {
	return slices.DeleteFunc(d.leaves(), func(r revtree.Rev) bool { return d.revs[r].deleted })
}

// common is the nearest common ancestor of two revisions, zero for none.
func (d *modelDoc) common(a, b revtree.Rev) revtree.Rev {
	var path []revtree.Rev
	for ; !a.IsZero(); a = d.revs[a].parent {
		path = append(path, a)
	}
	for !b.IsZero() && !slices.Contains(path, b) {
		b = d.revs[b].parent
	}
	return b
}

// forks are the common ancestors of leaves in conflict.
func (d *modelDoc) forks() (forks []revtree.Rev) {
	live := d.living()
	for i, a := range live {
		for _, b := range live[i+1:] {
			forks = append(forks, d.common(a, b))
		}
	}
	return forks
}

func (m *model) changed(id string) {
	m.order = slices.DeleteFunc(m.order, func(s string) bool { return s == id })
	m.order = append(m.order, id)
}

func (m *model) merge(id string, path []revtree.Rev, deleted bool, body string) (changed bool) {
	d := m.docs[id]
	if d == nil {
		d = &modelDoc{revs: map[revtree.Rev]*modelRev{}}
		m.docs[id] = d
	}
	for i, rev := range path {
		r := d.revs[rev]
		if r == nil {
			r = &modelRev{}
			d.revs[rev] = r
			changed = true
		}
		if i+1 < len(path) && r.parent.IsZero() {
			r.parent = path[i+1]
			changed = true
		}
		if i == 0 && r.body == "" {
			r.body, r.deleted = body, deleted
			changed = true
		}
	}
	if changed {
		m.changed(id)
	}
	return changed
}

func (m *model) purge(id string, rev revtree.Rev) {
	d := m.docs[id]
	if d == nil || !slices.Contains(d.leaves(), rev) {
		return
	}
	for {
		parent := d.revs[rev].parent
		delete(d.revs, rev)
		if parent.IsZero() || !slices.Contains(d.leaves(), parent) {
			break
		}
		rev = parent
	}
	m.order = slices.DeleteFunc(m.order, func(s string) bool { return s == id })
	if len(d.revs) == 0 {
		delete(m.docs, id)
	} else {
		m.order = append(m.order, id)
	}
}

// parse makes a document of JSON text, as a client would send it.
func parse(t testing.TB, format string, args ...any) document.Doc {
	t.Helper()
	d, err := document.Parse([]byte(fmt.Sprintf(format, args...)), document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDatabaseIsLikeItsModel(t *testing.T) {
	modelTest(t, store.Properties{}, "a", "b", "c", "_design/d", "ü/x")
}

func TestPartitionedDatabaseIsLikeItsModel(t *testing.T) {
	modelTest(t, store.Properties{Partitioned: true}, "a:1", "a:2", "a!:1", "b::", "_design/a:b")
}

func modelTest(t *testing.T, p store.Properties, docs ...string) {
	eachEngineWith(t, p, func(t *testing.T, open func(testing.TB) *store.DB) {
		storetest.SkipSlow(t, path.Base(t.Name()))
		rapid.Check(t, func(rt *rapid.T) {
			db := open(t)
			defer db.Release()
			m := &model{docs: map[string]*modelDoc{}}
			ids := rapid.SampledFrom(modelIDs(t, rt, docs))
			rt.Repeat(map[string]func(*rapid.T){
				"edit":      func(rt *rapid.T) { modelEdit(t, rt, db, m, ids.Draw(rt, "id")) },
				"replicate": func(rt *rapid.T) { modelReplicate(t, rt, db, m, ids.Draw(rt, "id")) },
				"purge":     func(rt *rapid.T) { modelPurge(t, rt, db, m, ids.Draw(rt, "id")) },
				"compact": func(rt *rapid.T) {
					if err := db.Compact(t.Context()); err != nil {
						rt.Fatal(err)
					}
					for _, d := range m.docs {
						kept := append(d.leaves(), d.forks()...)
						for rev, r := range d.revs {
							if !slices.Contains(kept, rev) {
								r.body = ""
							}
						}
					}
				},
				"setting": func(rt *rapid.T) {
					if err := db.SetSecurity(t.Context(), []byte(`{}`)); err != nil {
						rt.Fatal(err)
					}
				},
				"": func(rt *rapid.T) {
					compareWithModel(t.Context(), rt, db, m)
					compareRanges(t, rt, db, m, ids)
				},
			})
			checkClean(rt, t.Context(), db)
			if strings.HasSuffix(t.Name(), "/bolt") { // the others do not always know what they have committed
				checkSuperseded(rt, t.Context(), db)
			}
		})
	})
}

// modelIDs are the ids of a run. Either they are short, or they are longer than keys of the engine
// and begin alike.
func modelIDs(t *testing.T, rt *rapid.T, short []string) []string {
	if rapid.Bool().Draw(rt, "short ids") {
		return short
	}
	lengths := []int{79, 80, 81, 200, 600}
	if strings.Contains(t.Name(), "bolt") {
		lengths = []int{2048, 2049, 4064, 7000, 30000}
	}
	begin := strings.Repeat("k", rapid.SampledFrom(lengths).Draw(rt, "begin"))
	design := "_design/" + strings.Repeat("d", rapid.SampledFrom(lengths).Draw(rt, "design"))
	if strings.Contains(short[0], ":") { // ids of a partitioned database
		return []string{"a:1", "a:" + begin, begin + ":a", begin + ":" + begin, begin + "k:a", design}
	}
	return []string{"a", begin, begin + "a", begin + "b" + begin, begin[1:], design}
}

// compareRanges reads random ranges in both directions, in pages of any size.
func compareRanges(t *testing.T, rt *rapid.T, db *store.DB, m *model, ids *rapid.Generator[string]) {
	for range 3 {
		q := store.AllDocsQuery{Limit: -1, WantOffset: true, Descending: rapid.Bool().Draw(rt, "descending"), PageRows: rapid.IntRange(0, 2).Draw(rt, "page"),
			Skip: rapid.IntRange(0, 2).Draw(rt, "skip"), ExcludeEnd: rapid.Bool().Draw(rt, "exclusive")}
		if rapid.Bool().Draw(rt, "limited") {
			q.Limit = rapid.IntRange(0, 3).Draw(rt, "limit")
		}
		bound := func() (string, bool) {
			id := ids.Draw(rt, "bound")
			return id[:rapid.IntRange(len(id)/2, len(id)).Draw(rt, "of it")] + rapid.SampledFrom([]string{"", "\x00", "l"}).Draw(rt, "and"), rapid.Bool().Draw(rt, "bounded")
		}
		q.Start, q.HasStart = bound()
		q.End, q.HasEnd = bound()
		var want []string
		before := 0
		for _, id := range slices.Sorted(maps.Keys(m.docs)) {
			_, r := m.docs[id].winner()
			c := 0
			if q.HasStart {
				c = cmp.Compare(id, q.Start)
			}
			e := -1
			if q.HasEnd {
				e = cmp.Compare(id, q.End)
			}
			if q.Descending {
				c, e = -c, -e
				if !q.HasEnd {
					e = -1
				}
			}
			switch {
			case r.deleted:
			case c < 0:
				before++
			case e < 0 || e == 0 && !q.ExcludeEnd:
				want = append(want, id)
			}
		}
		if q.Descending {
			slices.Reverse(want)
		}
		want = want[min(q.Skip, len(want)):]
		if q.Limit >= 0 {
			want = want[:min(q.Limit, len(want))]
		}
		var got []string
		offset := -1
		err := db.AllDocs(t.Context(), q, func(p store.Page) error { offset = p.Offset; return nil }, func(r *store.Row) error {
			got = append(got, string(r.ID))
			return nil
		}, func() error { return nil })
		if err != nil || !slices.Equal(got, want) || offset != before {
			rt.Fatalf("%.200q\nis %.200q at %d, %v, the model says %.200q at %d", fmt.Sprint(q), got, offset, err, want, before)
		}
	}
}

func modelEdit(t *testing.T, rt *rapid.T, db *store.DB, m *model, id string) {
	d := m.docs[id]
	var parent revtree.Rev
	if d != nil && rapid.IntRange(0, 4).Draw(rt, "names a revision") > 0 {
		revs := slices.SortedFunc(maps.Keys(d.revs), revtree.Compare)
		parent = rapid.SampledFrom(revs).Draw(rt, "parent")
	}
	deleted := rapid.IntRange(0, 3).Draw(rt, "delete") == 0
	body := fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 3).Draw(rt, "n"))
	doc := parse(t, `{"_id":%q,"_deleted":%v,%s`, id, deleted, body[1:])
	doc.Rev, doc.HasRev = parent, !parent.IsZero()

	res, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	conflict := false
	over := parent
	if d != nil {
		winner, w := d.winner()
		switch {
		case parent.IsZero():
			conflict = !w.deleted || deleted
			over = winner
		default:
			conflict = w.deleted || !slices.Contains(d.leaves(), parent)
		}
	}
	if res[0].Err != nil {
		if !conflict && (d == nil || d.revs[res[0].Rev] == nil) {
			// An edit that makes an existing revision is a conflict too.
			again := parse(t, `{"_deleted":%v,%s`, deleted, body[1:])
			rev, err := again.RevID(over, nil)
			if err != nil {
				rt.Fatal(err)
			}
			if d == nil || d.revs[rev] == nil {
				rt.Fatalf("edit of %s over %s: %v", id, over, res[0].Err)
			}
		}
		return
	}
	if conflict {
		rt.Fatalf("edit of %s over %s went through", id, over)
	}
	path := []revtree.Rev{res[0].Rev}
	if !over.IsZero() {
		path = append(path, over)
	}
	m.merge(id, path, deleted, body)
}

func modelReplicate(t *testing.T, rt *rapid.T, db *store.DB, m *model, id string) {
	gen := rapid.Uint64Range(1, 5).Draw(rt, "generation")
	depth := rapid.Uint64Range(1, gen).Draw(rt, "depth")
	var path []revtree.Rev
	for g := gen; g > gen-depth; g-- {
		// The letter of a generation is the same in all ancestors of a path, so that
		// paths meet but a revision never has two parents.
		letter := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "letter")
		if g < gen && len(path) > 0 {
			letter = path[0].ID[:1]
		}
		path = append(path, revtree.Rev{Gen: g, ID: strings.Repeat(letter, 3)})
	}
	deleted := rapid.IntRange(0, 3).Draw(rt, "delete") == 0
	body := fmt.Sprintf(`{"r":%d}`, rapid.IntRange(0, 9).Draw(rt, "n"))
	doc := parse(t, `{"_id":%q,"_deleted":%v,%s`, id, deleted, body[1:])
	doc.Path, doc.Rev, doc.HasRev = path, path[0], true
	res, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{Replicated: true})
	if err != nil || res[0].Err != nil {
		rt.Fatal(err, res)
	}
	m.merge(id, path, deleted, body)
}

func modelPurge(t *testing.T, rt *rapid.T, db *store.DB, m *model, id string) {
	d := m.docs[id]
	if d == nil {
		return
	}
	revs := slices.SortedFunc(maps.Keys(d.revs), revtree.Compare)
	rev := rapid.SampledFrom(revs).Draw(rt, "revision")
	leaf := slices.Contains(d.leaves(), rev)
	purged, _, err := db.Purge(t.Context(), []string{id}, [][]revtree.Rev{{rev}})
	if err != nil {
		rt.Fatal(err)
	}
	if got := len(purged[0]) == 1; got != leaf {
		rt.Fatalf("purge of %s %s: purged %v, is a leaf: %v", id, rev, got, leaf)
	}
	m.purge(id, rev)
}

func compareWithModel(ctx context.Context, rt *rapid.T, db *store.DB, m *model) {
	info, err := db.Info(ctx)
	if err != nil {
		rt.Fatal(err)
	}
	live, dead := uint64(0), uint64(0)
	for id, d := range m.docs {
		rev, r := d.winner()
		if r.deleted {
			dead++
		} else {
			live++
		}
		got, err := db.Get(ctx, id, store.ReadOptions{Deleted: true, Conflicts: true, DeletedConflicts: true, Revs: true})
		if err != nil {
			rt.Fatalf("get %s: %v", id, err)
		}
		if got.Rev != rev || got.Deleted != r.deleted || string(got.Body) != r.body {
			rt.Fatalf("%s is %s %v %s, the model says %s %v %s", id, got.Rev, got.Deleted, got.Body, rev, r.deleted, r.body)
		}
		if n := 1 + len(got.Conflicts) + len(got.DeletedConflicts); n != len(d.leaves()) {
			rt.Fatalf("%s has %d leaves, the model says %d", id, n, len(d.leaves()))
		}
		for i, p := range got.Path {
			want := revtree.Rev{}
			if i+1 < len(got.Path) {
				want = got.Path[i+1]
			}
			if d.revs[p].parent != want {
				rt.Fatalf("%s: parent of %s is %s, the model says %s", id, p, want, d.revs[p].parent)
			}
		}
		for rev, r := range d.revs {
			got, err := db.Get(ctx, id, store.ReadOptions{Rev: rev})
			if r.body == "" && err == nil || r.body != "" && (err != nil || string(got.Body) != r.body) {
				rt.Fatalf("%s %s reads %v, %v; the model says %q", id, rev, got, err, r.body)
			}
		}
	}
	if info.DocCount != live || info.DelCount != dead {
		rt.Fatalf("counts are %d and %d, the model says %d and %d", info.DocCount, info.DelCount, live, dead)
	}
	for _, name := range []string{"a", "a!", "b", "none", "_design/a"} {
		comparePartition(ctx, rt, db, m, name)
	}
	var order []string
	since := uint64(0)
	for { // in pages of two, to try pending too
		end, err := db.Changes(ctx, store.ChangesQuery{Since: since, Limit: 2}, func(c *store.Change) error {
			order = append(order, string(c.ID))
			return nil
		}, func() error { return nil })
		if err != nil {
			rt.Fatal(err)
		}
		if want := len(m.order) - len(order); end.Pending != want {
			rt.Fatalf("%d changes pending after %d, the model says %d", end.Pending, end.Last, want)
		}
		if end.Done || end.Pending == 0 {
			break
		}
		since = end.Last
	}
	if !slices.Equal(order, m.order) {
		rt.Fatalf("the feed is %q, the model says %q", order, m.order)
	}
	compareConflicts(ctx, rt, db, m)
	var listed []string
	err = db.AllDocs(ctx, store.AllDocsQuery{Limit: -1, IncludeDocs: true}, func(store.Page) error { return nil }, func(r *store.Row) error {
		listed = append(listed, string(r.ID)+string(r.Doc.Body))
		return nil
	}, func() error { return nil })
	if err != nil {
		rt.Fatal(err)
	}
	var want []string
	for _, id := range slices.Sorted(maps.Keys(m.docs)) {
		if _, r := m.docs[id].winner(); !r.deleted {
			want = append(want, id+r.body)
		}
	}
	if !slices.Equal(listed, want) {
		rt.Fatalf("all documents are %q, the model says %q", listed, want)
	}
	for _, start := range []string{"a", "b", "b\x00", "zz"} {
		for _, descending := range []bool{false, true} {
			offset := -1
			q := store.AllDocsQuery{Start: start, HasStart: true, Descending: descending, Limit: 0, WantOffset: true}
			err := db.AllDocs(ctx, q, func(p store.Page) error { offset = p.Offset; return nil }, nil, func() error { return nil })
			if err != nil {
				rt.Fatal(err)
			}
			before := 0
			for id, d := range m.docs {
				if _, r := d.winner(); !r.deleted && (!descending && id < start || descending && id > start) {
					before++
				}
			}
			if offset != before {
				rt.Fatalf("offset of %q (descending: %v) is %d, the model says %d", start, descending, offset, before)
			}
		}
	}
}

// compareConflicts compares which documents are in conflict.
func compareConflicts(ctx context.Context, rt *rapid.T, db *store.DB, m *model) {
	var want []string
	for _, id := range m.order {
		d := m.docs[id]
		if live := d.living(); len(live) > 1 {
			line := fmt.Sprint(id, live)
			for _, r := range live[1:] {
				line += fmt.Sprint(d.common(live[0], r))
			}
			want = append(want, line)
		}
	}
	for _, q := range []store.ChangesQuery{{Limit: -1}, {Limit: 1}, {Limit: -1, Descending: true}, {Limit: -1, IncludeDocs: true, PageRows: 1}} {
		q.InConflict = true
		var got []string
		for {
			end, err := db.Changes(ctx, q, func(c *store.Change) error {
				line := fmt.Sprint(string(c.ID), c.Revs)
				for _, r := range c.Ancestors {
					line += fmt.Sprint(r)
				}
				got = append(got, line)
				return nil
			}, func() error { return nil })
			if err != nil {
				rt.Fatal(err)
			}
			if end.Pending != len(want)-len(got) && !q.Descending {
				rt.Fatalf("%d of %d conflicts came, %d are pending", len(got), len(want), end.Pending)
			}
			if q.Since = end.Last; end.Done || end.Pending == 0 {
				break
			}
		}
		if q.Descending {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("in conflict are %q, the model says %q", got, want)
		}
	}
	if n, err := db.ConflictCount(ctx); n != len(want) || err != nil {
		rt.Fatalf("%d documents are in conflict, %v; the model says %d", n, err, len(want))
	}
}

// comparePartition compares the figures and the documents of a partition.
func comparePartition(ctx context.Context, rt *rapid.T, db *store.DB, m *model, name string) {
	if !db.Partitioned() {
		return
	}
	var want store.PartitionInfo
	var ids []string
	for id, d := range m.docs {
		if p, _, _ := strings.Cut(id, ":"); p != name || id[0] == '_' {
			continue
		}
		if _, r := d.winner(); r.deleted {
			want.DelCount++
		} else {
			want.DocCount++
			ids = append(ids, id)
		}
		for _, rev := range d.leaves() {
			want.External += int64(len(d.revs[rev].body))
			want.Active += int64(len(d.revs[rev].body)) + 2 // the bytes before it on disk
		}
	}
	got, err := db.PartitionInfo(ctx, name)
	if err != nil || got != want {
		rt.Fatalf("partition %s is %+v (%v), the model says %+v", name, got, err, want)
	}
	var listed []string
	err = db.AllDocs(ctx, store.AllDocsQuery{Partition: name, Limit: -1}, func(store.Page) error { return nil }, func(r *store.Row) error {
		listed = append(listed, string(r.ID))
		return nil
	}, func() error { return nil })
	if slices.Sort(ids); err != nil || name[0] != '_' && !slices.Equal(listed, ids) {
		rt.Fatalf("partition %s has %q (%v), the model says %q", name, listed, err, ids)
	}
}

// checkClean fails the test if Check finds anything.
func checkClean(t interface {
	Errorf(string, ...any)
	Fatal(...any)
}, ctx context.Context, db *store.DB) {
	err := db.Check(ctx, func(problem string) { t.Errorf("check: %s", problem) })
	if err != nil {
		t.Fatal(err)
	}
}
