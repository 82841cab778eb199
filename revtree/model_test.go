package revtree

import (
	"bytes"
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// model is what a Tree should be, in naive lines over maps.
type model struct {
	nodes  map[Rev]Node
	parent map[Rev]Rev
}

func newModel() *model {
	return &model{nodes: map[Rev]Node{}, parent: map[Rev]Rev{}}
}

// arrival is one call of Merge.
type arrival struct {
	path    []Rev
	deleted bool
	data    []byte
}

func (m *model) merge(a arrival) {
	for i, r := range a.path {
		if _, ok := m.nodes[r]; !ok {
			m.nodes[r] = Node{Rev: r}
		}
		if i > 0 {
			m.parent[a.path[i-1]] = r
		}
	}
	if n := m.nodes[a.path[0]]; n.Data == nil {
		m.nodes[n.Rev] = Node{Rev: n.Rev, Deleted: a.deleted, Data: a.data}
	}
}

func (m *model) isLeaf(r Rev) bool {
	for _, p := range m.parent {
		if p == r {
			return false
		}
	}
	_, ok := m.nodes[r]
	return ok
}

func (m *model) path(r Rev) []Rev {
	if _, ok := m.nodes[r]; !ok {
		return nil
	}
	path := []Rev{r}
	for p, ok := m.parent[r]; ok; p, ok = m.parent[p] {
		path = append(path, p)
	}
	return path
}

// leaves are in winner order.
func (m *model) leaves() []Node {
	var out []Node
	for r, n := range m.nodes {
		if m.isLeaf(r) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b Node) int {
		switch {
		case a.Deleted && !b.Deleted:
			return 1
		case !a.Deleted && b.Deleted:
			return -1
		}
		return Compare(b.Rev, a.Rev)
	})
	return out
}

func (m *model) keep(kept map[Rev]bool) {
	for r := range m.nodes {
		if !kept[r] {
			delete(m.nodes, r)
		}
	}
	for child, p := range m.parent {
		if !kept[child] || !kept[p] {
			delete(m.parent, child)
		}
	}
}

func (m *model) stem(limit int) {
	kept := map[Rev]bool{}
	for _, leaf := range m.leaves() {
		path := m.path(leaf.Rev)
		for _, r := range path[:min(limit, len(path))] {
			kept[r] = true
		}
	}
	m.keep(kept)
}

func (m *model) purge(leaf Rev) bool {
	if !m.isLeaf(leaf) {
		return false
	}
	kept := map[Rev]bool{}
	for _, other := range m.leaves() {
		if other.Rev != leaf {
			for _, r := range m.path(other.Rev) {
				kept[r] = true
			}
		}
	}
	m.keep(kept)
	return true
}

func (m *model) leavesBelow(r Rev) []Node {
	var out []Node
	for _, leaf := range m.leaves() {
		if slices.Contains(m.path(leaf.Rev), r) {
			out = append(out, leaf)
		}
	}
	slices.SortFunc(out, func(a, b Node) int { return Compare(a.Rev, b.Rev) })
	return out
}

func (m *model) missing(revs []Rev) (missing, ancestors []Rev) {
	for _, r := range revs {
		if _, ok := m.nodes[r]; !ok {
			missing = append(missing, r)
		}
	}
	for _, leaf := range m.leaves() {
		if slices.ContainsFunc(missing, func(r Rev) bool { return leaf.Gen < r.Gen }) {
			ancestors = append(ancestors, leaf.Rev)
		}
	}
	return missing, ancestors
}

// differs says where a tree differs from the model; "" if nowhere.
func (m *model) differs(t *Tree) string {
	if t.Len() != len(m.nodes) {
		return fmt.Sprintf("%d nodes, want %d", t.Len(), len(m.nodes))
	}
	for r, want := range m.nodes {
		got, ok := t.Find(r)
		if !ok || !sameNode(got, want) {
			return fmt.Sprintf("node %v: %v, %t, want %v", r, got, ok, want)
		}
		if got, want := t.IsLeaf(r), m.isLeaf(r); got != want {
			return fmt.Sprintf("%v is a leaf: %t, want %t", r, got, want)
		}
		if got, want := t.Path(r), m.path(r); !slices.Equal(got, want) {
			return fmt.Sprintf("path of %v: %v, want %v", r, got, want)
		}
		nodes := t.PathNodes(r)
		for i, a := range m.path(r) {
			if i >= len(nodes) || !sameNode(nodes[i], m.nodes[a]) {
				return fmt.Sprintf("nodes of the path of %v: %v", r, nodes)
			}
		}
		if got, want := t.LeavesBelow(r), m.leavesBelow(r); !slices.EqualFunc(got, want, sameNode) {
			return fmt.Sprintf("leaves below %v: %v, want %v", r, got, want)
		}
	}
	if problem := m.forksDiffer(t); problem != "" {
		return problem
	}
	want := m.leaves()
	if got := t.Leaves(); !slices.EqualFunc(got, want, sameNode) {
		return fmt.Sprintf("leaves %v, want %v", got, want)
	}
	winner, ok := t.Winner()
	if ok != (len(want) > 0) || ok && !sameNode(winner, want[0]) {
		return fmt.Sprintf("winner %v, %t, of %v", winner, ok, want)
	}
	seen := map[Rev]bool{}
	problem := ""
	t.Nodes(func(n Node, leaf bool) bool {
		if p, ok := m.parent[n.Rev]; ok && !seen[p] {
			problem = fmt.Sprintf("%v comes before its parent %v", n.Rev, p)
		}
		if seen[n.Rev] || leaf != m.isLeaf(n.Rev) {
			problem = fmt.Sprintf("%v comes twice, or as a leaf: %t", n.Rev, leaf)
		}
		seen[n.Rev] = true
		return true
	})
	return problem
}

func sameNode(a, b Node) bool {
	return a.Rev == b.Rev && a.Deleted == b.Deleted &&
		(a.Data == nil) == (b.Data == nil) && bytes.Equal(a.Data, b.Data)
}

// history is what happened to a document somewhere: each revision has one parent and
// one body, as revisions that are hashes do.
type history struct {
	revs   []Rev
	parent map[Rev]Rev
}

func drawHistory(t *rapid.T) *history {
	h := &history{parent: map[Rev]Rev{}}
	for i := range rapid.IntRange(1, 24).Draw(t, "revisions") {
		// Equal IDs in different generations happen, and text IDs of few bytes.
		id := rapid.SampledFrom([]string{"a", "b", "zz", "", "0123456789abcdef", "\xff\xfe3456789abcdef"}).Draw(t, "id")
		r := Rev{Gen: uint64(rapid.IntRange(0, 3).Draw(t, "generation")), ID: id}
		// Mostly a child of something recent, so that there are long branches.
		if up := rapid.IntRange(-1, 3).Draw(t, "parent"); up >= 0 && i > up && len(h.revs) > up {
			parent := h.revs[len(h.revs)-1-up]
			r.Gen = parent.Gen + 1
			if _, ok := h.parent[r]; !ok && !slices.Contains(h.revs, r) {
				h.parent[r] = parent
			}
		}
		if !slices.Contains(h.revs, r) {
			h.revs = append(h.revs, r)
		}
	}
	return h
}

// arrive draws how a revision comes: with its full path or the newest part of it.
func (h *history) arrive(t *rapid.T) arrival {
	r := rapid.SampledFrom(h.revs).Draw(t, "revision")
	return h.arrival(r, rapid.IntRange(1, 8).Draw(t, "length"))
}

func (h *history) arrival(r Rev, length int) arrival {
	a := arrival{path: []Rev{r}, data: []byte(r.String())}
	for p, ok := h.parent[r]; ok && len(a.path) < length; p, ok = h.parent[p] {
		a.path = append(a.path, p)
	}
	a.deleted = (r.Gen+uint64(len(r.ID)))%3 == 0
	if r.ID == "b" {
		a.data = []byte{} // empty is not absent
	}
	return a
}

func (h *history) arrivals(t *rapid.T) []arrival {
	return rapid.SliceOfN(rapid.Custom(h.arrive), 1, 20).Draw(t, "arrivals")
}

// common is the nearest common ancestor of two revisions, zero for none.
func (m *model) common(a, b Rev) Rev {
	mine := m.path(a)
	for _, r := range m.path(b) {
		if slices.Contains(mine, r) {
			return r
		}
	}
	return Rev{}
}

func (m *model) forksDiffer(t *Tree) string {
	want := map[Rev]bool{}
	live := slices.DeleteFunc(m.leaves(), func(n Node) bool { return n.Deleted })
	for i, a := range live {
		for _, b := range live[i+1:] {
			if r := m.common(a.Rev, b.Rev); !r.IsZero() {
				want[r] = true
			}
		}
	}
	got := t.Forks()
	for _, n := range got {
		if !want[n.Rev] || !sameNode(n, m.nodes[n.Rev]) {
			return fmt.Sprintf("forks %v, want %v", got, want)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("forks %v, want %v", got, want)
	}
	var all []Rev
	for r := range m.nodes {
		all = append(all, r)
	}
	for i, r := range t.CommonAncestors(winnerOf(t), all) {
		if want := m.common(winnerOf(t), all[i]); r != want {
			return fmt.Sprintf("common ancestor of the winner and %v: %v, want %v", all[i], r, want)
		}
	}
	return ""
}

func winnerOf(t *Tree) Rev {
	n, _ := t.Winner()
	return n.Rev
}
