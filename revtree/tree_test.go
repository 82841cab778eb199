package revtree

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func mustMerge(t rapid.TB, tree *Tree, a arrival) Outcome {
	t.Helper()
	outcome, err := tree.Merge(a.path, a.deleted, a.data)
	if err != nil {
		t.Fatalf("merge %v: %v", a.path, err)
	}
	return outcome
}

func check(t rapid.TB, m *model, tree *Tree) {
	t.Helper()
	if problem := m.differs(tree); problem != "" {
		t.Fatal(problem)
	}
	encoded := tree.AppendBinary(nil)
	again, err := Decode(encoded)
	if err != nil {
		t.Fatalf("decode %x: %v", encoded, err)
	}
	if problem := m.differs(&again); problem != "" {
		t.Fatalf("decoded: %s", problem)
	}
	if got := again.AppendBinary(nil); !bytes.Equal(got, encoded) {
		t.Fatalf("encoded again %x, want %x", got, encoded)
	}
}

func TestTreeIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		tree, m := Tree{}, newModel()
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { check(t, m, &tree) },
			"merge": func(t *rapid.T) {
				a := h.arrive(t)
				m.merge(a)
				before := tree.AppendBinary(nil)
				found, had := tree.Find(a.path[0])
				outcome := mustMerge(t, &tree, a)
				changed := !bytes.Equal(before, tree.AppendBinary(nil))
				if changed != (outcome != Known) || had != (outcome <= Filled) ||
					(had && found.Data == nil) != (outcome == Filled) {
					t.Fatalf("outcome %d; changed %t, had %v, %t", outcome, changed, found, had)
				}
			},
			"missing": func(t *rapid.T) {
				revs := rapid.SliceOfN(rapid.SampledFrom(h.revs), 0, 6).Draw(t, "revs")
				revs = append(revs, Rev{Gen: rapid.Uint64Range(0, 9).Draw(t, "generation"), ID: "nowhere"})
				missing, ancestors := tree.Missing(revs)
				wantMissing, wantAncestors := m.missing(revs)
				slices.SortFunc(ancestors, Compare)
				slices.SortFunc(wantAncestors, Compare)
				if !slices.Equal(missing, wantMissing) || !slices.Equal(ancestors, wantAncestors) {
					t.Fatalf("missing of %v: %v, %v, want %v, %v", revs, missing, ancestors, wantMissing, wantAncestors)
				}
			},
			"stem": func(t *rapid.T) {
				limit := rapid.IntRange(0, 9).Draw(t, "limit")
				before := tree.Len()
				dropped := tree.Stem(limit)
				m.stem(max(limit, 1))
				checkGone(t, &tree, before, dropped)
			},
			"purge": func(t *rapid.T) {
				r := rapid.SampledFrom(h.revs).Draw(t, "revision")
				before := tree.Len()
				removed, ok := tree.Purge(r)
				if want := m.purge(r); ok != want || ok != (len(removed) > 0) {
					t.Fatalf("purge %v: %v, %t, want %t", r, removed, ok, want)
				}
				checkGone(t, &tree, before, removed)
			},
			"data": func(t *rapid.T) {
				r := rapid.SampledFrom(h.revs).Draw(t, "revision")
				data := rapid.SampledFrom([][]byte{nil, {}, []byte("moved")}).Draw(t, "data")
				n, ok := m.nodes[r]
				if got := tree.SetData(r, data); got != ok {
					t.Fatalf("set data of %v: %t, want %t", r, got, ok)
				}
				if n.Data = data; ok {
					m.nodes[r] = n
				}
			},
		})
	})
}

func checkGone(t rapid.TB, tree *Tree, before int, gone []Node) {
	t.Helper()
	if before != tree.Len()+len(gone) {
		t.Fatalf("%d nodes before, %d now, %d gone", before, tree.Len(), len(gone))
	}
	for _, n := range gone {
		if _, ok := tree.Find(n.Rev); ok {
			t.Fatalf("%v is said to be gone", n.Rev)
		}
	}
}

func TestArrivalOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrivals := drawHistory(t).arrivals(t)
		m, first, second := newModel(), Tree{}, Tree{}
		for _, a := range arrivals {
			m.merge(a)
			mustMerge(t, &first, a)
		}
		for _, a := range rapid.Permutation(arrivals).Draw(t, "order") {
			mustMerge(t, &second, a)
		}
		for _, a := range arrivals { // merging again changes nothing
			if outcome := mustMerge(t, &second, a); outcome != Known {
				t.Fatalf("%v again: outcome %d", a.path, outcome)
			}
		}
		check(t, m, &first)
		if a, b := first.AppendBinary(nil), second.AppendBinary(nil); !bytes.Equal(a, b) {
			t.Fatalf("one order gives %x, another %x", a, b)
		}
	})
}

// Revisions whose paths disagree about a parent cannot be hashes. Even so, each stands once and
// the tree stays sound.
func TestDisagreeingPathsKeepTheTreeSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := Tree{}
		for range rapid.IntRange(1, 12).Draw(t, "arrivals") {
			gen := rapid.Uint64Range(1, 6).Draw(t, "generation")
			ids := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, int(gen)).Draw(t, "ids")
			a := arrival{data: []byte("x"), deleted: rapid.Bool().Draw(t, "deleted")}
			for i, id := range ids {
				a.path = append(a.path, Rev{Gen: gen - uint64(i), ID: id})
			}
			mustMerge(t, &tree, a)
			if rapid.Bool().Draw(t, "stem") {
				tree.Stem(3)
			}
			encoded := tree.AppendBinary(nil)
			if again, err := Decode(encoded); err != nil || !bytes.Equal(again.AppendBinary(nil), encoded) {
				t.Fatalf("%x: %v", encoded, err)
			}
			seen := map[Rev]bool{}
			tree.Nodes(func(n Node, leaf bool) bool {
				if seen[n.Rev] || leaf && n.Data == nil {
					t.Fatalf("%v stands twice, or is a leaf without data", n.Rev)
				}
				seen[n.Rev] = true
				return true
			})
		}
	})
}

func TestMergeRefusesBadPaths(t *testing.T) {
	for _, path := range [][]Rev{
		nil,
		{{3, "c"}, {3, "b"}},
		{{3, "c"}, {1, "a"}},
		{{3, "c"}, {4, "d"}},
		{{0, "b"}, {math.MaxUint64, "a"}},
		{{math.MaxInt64, "a"}},
		{{math.MaxUint64, "b"}, {math.MaxUint64 - 1, "a"}},
	} {
		var tree Tree
		if _, err := tree.Merge(path, false, []byte{}); !errors.Is(err, ErrBadPath) || tree.Len() != 0 {
			t.Errorf("%v: %v, %d nodes", path, err, tree.Len())
		}
	}
}

// The steps are recorded CouchDB cases, by their names, with the paths that it gave as
// _revisions of all leaves.
func TestRecordedTrees(t *testing.T) {
	type step struct {
		path    []string
		deleted bool
		want    Outcome
	}
	tests := []struct {
		name   string
		limit  int
		steps  []step
		leaves [][]string // in winner order, each with its path
	}{
		{"gap_filled", 1000, []step{
			{path: []string{"1-a"}, want: Branched},
			{path: []string{"4-d", "3-c"}, want: Branched},
			{path: []string{"3-c", "2-b", "1-a"}, want: Filled},
		}, [][]string{{"4-d", "3-c", "2-b", "1-a"}}},
		{"replicated_gap_filled", 1000, []step{
			{path: []string{"5-e", "4-d"}, want: Branched},
			{path: []string{"4-d", "3-c"}, want: Filled},
			{path: []string{"2-b", "1-a"}, want: Branched},
			{path: []string{"3-c", "2-b"}, want: Filled},
		}, [][]string{{"5-e", "4-d", "3-c", "2-b", "1-a"}}},
		{"extends_leaf", 1000, []step{
			{path: []string{"2-b", "1-a"}, want: Branched},
			{path: []string{"4-d", "3-c", "2-b", "1-a"}, want: Extended},
			{path: []string{"6-f", "5-e", "4-d"}, want: Extended},
			{path: []string{"8-b", "7-a"}, want: Branched},
			{path: []string{"7-a", "6-f"}, want: Filled},
		}, [][]string{{"8-b", "7-a", "6-f", "5-e", "4-d", "3-c", "2-b", "1-a"}}},
		{"several_roots", 1000, []step{
			{path: []string{"1-a"}, want: Branched},
			{path: []string{"1-b"}, want: Branched},
			{path: []string{"3-c"}, want: Branched},
			{path: []string{"2-x", "1-a"}, want: Extended},
		}, [][]string{{"3-c"}, {"2-x", "1-a"}, {"1-b"}}},
		{"a path tells more of a known revision", 1000, []step{
			{path: []string{"2-b"}, want: Branched},
			{path: []string{"2-b", "1-a"}, want: Joined},
			{path: []string{"2-b"}, want: Known},
		}, [][]string{{"2-b", "1-a"}}},
		{"stem_on_write, at first", 3, []step{
			{path: []string{"4-d", "3-c", "2-b", "1-a"}, want: Branched},
			{path: []string{"3-f", "2-b", "1-a"}, want: Branched},
			{path: []string{"5-x", "4-d"}, want: Extended},
		}, [][]string{{"5-x", "4-d", "3-c"}, {"3-f", "2-b", "1-a"}}},
		{"replicated_path_overlaps_stemmed", 2, []step{
			{path: []string{"5-e", "4-d", "3-c", "2-b", "1-a"}, want: Branched},
			{path: []string{"6-f", "5-e", "4-d", "3-c", "2-b", "1-a"}, want: Extended},
			{path: []string{"5-b", "4-d", "3-c", "2-b", "1-a"}, want: Branched},
			{path: []string{"3-d", "2-b", "1-a"}, want: Branched},
		}, [][]string{{"6-f", "5-e"}, {"5-b", "4-d"}, {"3-d", "2-b"}}},
		{"stemmed_ancestor_again", 2, []step{
			{path: []string{"1-a"}, want: Branched},
			{path: []string{"2-b", "1-a"}, want: Extended},
			{path: []string{"3-c", "2-b"}, want: Extended},
			{path: []string{"1-a"}, want: Branched},
			{path: []string{"2-b"}, want: Known},
		}, [][]string{{"3-c", "2-b"}, {"1-a"}}},
		{"revs_limit_drops_no_leaf", 1, []step{
			{path: []string{"1-a"}, want: Branched},
			{path: []string{"2-b"}, want: Branched},
			{path: []string{"3-c"}, want: Branched},
			{path: []string{"4-d"}, want: Branched},
			{path: []string{"5-e", "4-e"}, deleted: true, want: Branched},
			{path: []string{"5-x", "4-d"}, want: Extended},
			{path: []string{"2-x", "1-a"}, want: Extended},
		}, [][]string{{"5-x"}, {"3-c"}, {"2-x"}, {"2-b"}, {"5-e"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tree Tree
			for _, s := range tt.steps {
				if got := mustMerge(t, &tree, arrival{revs(t, s.path), s.deleted, []byte(s.path[0])}); got != s.want {
					t.Errorf("%v: outcome %d, want %d", s.path, got, s.want)
				}
				// Some of these cases lower the limit after their first write; that makes
				// no difference to the result.
				tree.Stem(tt.limit)
			}
			leaves := tree.Leaves()
			if len(leaves) != len(tt.leaves) {
				t.Fatalf("leaves %v, want %v", leaves, tt.leaves)
			}
			for i, want := range tt.leaves {
				if got := tree.Path(leaves[i].Rev); !slices.Equal(got[:min(len(got), tt.limit)], revs(t, want)) {
					t.Errorf("leaf %d: %v, want %v", i, got, want)
				}
			}
		})
	}
}

func revs(t testing.TB, texts []string) []Rev {
	t.Helper()
	var out []Rev
	for _, s := range texts {
		out = append(out, rev(t, s))
	}
	return out
}

// In the recorded case stem_on_write _revs_info goes further back than the limit: where
// the other branch keeps what this one drops, the two stay joined.
func TestStemKeepsWhatAnotherBranchKeeps(t *testing.T) {
	var tree Tree
	mustMerge(t, &tree, arrival{path: revs(t, []string{"5-x", "4-d", "3-c", "2-b", "1-a"}), data: []byte{}})
	mustMerge(t, &tree, arrival{path: revs(t, []string{"3-f", "2-b", "1-a"}), data: []byte{}})
	if dropped := tree.Stem(3); dropped != nil {
		t.Fatalf("dropped %v", dropped)
	}
	if got, want := tree.Path(rev(t, "5-x")), revs(t, []string{"5-x", "4-d", "3-c", "2-b", "1-a"}); !slices.Equal(got, want) {
		t.Errorf("path %v, want %v", got, want)
	}
	var dropped []string
	for _, n := range tree.Stem(1) {
		dropped = append(dropped, n.String())
	}
	if want := []string{"1-a", "2-b", "3-c", "4-d"}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
}

// The recorded case revs_diff.
func TestMissing(t *testing.T) {
	var tree Tree
	mustMerge(t, &tree, arrival{path: revs(t, []string{"2-p", "1-o"}), data: []byte{}})
	mustMerge(t, &tree, arrival{path: revs(t, []string{"2-q", "1-o"}), data: []byte{}})
	for _, tt := range []struct{ ask, missing, ancestors []string }{
		{ask: []string{"1-o", "2-p"}},
		{[]string{"3-a", "4-b", "2-p"}, []string{"3-a", "4-b"}, []string{"2-q", "2-p"}},
		{[]string{"2-z"}, []string{"2-z"}, nil},
		{[]string{"3-c", "3-c"}, []string{"3-c", "3-c"}, []string{"2-q", "2-p"}},
	} {
		missing, ancestors := tree.Missing(revs(t, tt.ask))
		if !slices.Equal(missing, revs(t, tt.missing)) || !slices.Equal(ancestors, revs(t, tt.ancestors)) {
			t.Errorf("%v: %v, %v, want %v, %v", tt.ask, missing, ancestors, tt.missing, tt.ancestors)
		}
	}
}
