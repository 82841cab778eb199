package revtree

// Stem cuts every branch to its newest limit revisions, counted from its own leaf, and returns
// the nodes it dropped. A limit below one counts as one: no leaf is ever dropped.
func (t *Tree) Stem(limit int) (dropped []Node) {
	limit = max(limit, 1)
	if len(t.nodes) <= limit {
		return nil
	}
	if t.chain() {
		return t.behead(len(t.nodes) - limit)
	}
	// left[i]: how many revisions, from i upwards, the most generous leaf below it keeps.
	left := make([]int, len(t.nodes))
	keep := make([]bool, len(t.nodes))
	all := true
	for i := len(t.nodes) - 1; i >= 0; i-- { // children before their parent
		if t.leafAt(i) {
			left[i] = limit
		}
		keep[i] = left[i] > 0
		all = all && keep[i]
		if p := t.nodes[i].parent; p >= 0 {
			left[p] = max(left[p], left[i]-1)
		}
	}
	if all {
		return nil
	}
	return t.retain(keep)
}

// chain reports whether every revision but the last has one child: the common case.
func (t *Tree) chain() bool {
	for i := range t.nodes {
		if t.nodes[i].parent != i-1 {
			return false
		}
	}
	return true
}

// behead drops the oldest n revisions of a chain.
func (t *Tree) behead(n int) (dropped []Node) {
	dropped = make([]Node, n)
	for i := range dropped {
		dropped[i] = t.nodes[i].Node
	}
	kept := copy(t.nodes, t.nodes[n:])
	clear(t.nodes[kept:]) // let go of their data
	t.nodes = t.nodes[:kept]
	for i := range t.nodes {
		t.nodes[i].parent = i - 1
	}
	return dropped
}

// Purge removes a leaf and the part of its branch that leads to no other leaf. ok is false, and
// nothing changes, if the revision is not a leaf.
func (t *Tree) Purge(leaf Rev) (removed []Node, ok bool) {
	at := t.index(leaf)
	if at < 0 || !t.leafAt(at) {
		return nil, false
	}
	children := make([]int, len(t.nodes))
	for i := range t.nodes {
		if p := t.nodes[i].parent; p >= 0 {
			children[p]++
		}
	}
	keep := make([]bool, len(t.nodes))
	for i := range keep {
		keep[i] = true
	}
	for ; at >= 0 && children[at] == 0; at = t.nodes[at].parent {
		keep[at] = false
		if p := t.nodes[at].parent; p >= 0 {
			children[p]--
		}
	}
	return t.retain(keep), true
}

// retain drops the nodes not marked in keep; children of dropped nodes become roots.
func (t *Tree) retain(keep []bool) (dropped []Node) {
	now := make([]int, len(t.nodes)) // new index of each kept node
	kept := make([]node, 0, len(t.nodes))
	roots := 0
	for i, n := range t.nodes {
		if !keep[i] {
			dropped = append(dropped, n.Node)
			continue
		}
		if n.parent >= 0 && keep[n.parent] {
			n.parent = now[n.parent]
		} else {
			n.parent = -1
			roots++
		}
		now[i] = len(kept)
		kept = append(kept, n)
	}
	t.nodes = kept
	if dropped != nil && roots > 1 {
		t.sort()
	}
	return dropped
}
