package revtree

import "slices"

// better reports whether a comes before b in winner order.
func better(a, b *Node) bool {
	if a.Deleted != b.Deleted {
		return b.Deleted
	}
	return Compare(a.Rev, b.Rev) > 0
}

// Leaves returns the leaves, the winner first, the others in the order in which they
// would win.
func (t *Tree) Leaves() []Node {
	var out []Node
	for i := range t.nodes {
		if t.leafAt(i) {
			out = append(out, t.nodes[i].Node)
		}
	}
	if len(out) > 1 {
		slices.SortFunc(out, func(a, b Node) int {
			if better(&a, &b) {
				return -1
			}
			return 1
		})
	}
	return out
}

// Winner returns the leaf that a reader sees; ok is false for an empty tree.
func (t *Tree) Winner() (n Node, ok bool) {
	for i := range t.nodes {
		if c := &t.nodes[i].Node; t.leafAt(i) && (!ok || better(c, &n)) {
			n, ok = *c, true
		}
	}
	return n, ok
}
