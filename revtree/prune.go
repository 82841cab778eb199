package revtree

// Stem cuts every branch to its newest limit revisions, counted from its own leaf, and
// returns what was dropped. A limit below one is one: no leaf is ever dropped.
func (t *Tree) Stem(limit int) (dropped []Node) {
	limit = max(limit, 1)
	if len(t.nodes) <= limit {
		return nil
	}
	keep := make([]bool, len(t.nodes))
	for i := range t.nodes {
		if !t.leafAt(i) {
			continue
		}
		for k, n := i, 0; k >= 0 && n < limit; k, n = t.nodes[k].parent, n+1 {
			keep[k] = true
		}
	}
	return t.retain(keep)
}

// Purge removes a leaf and the branch that leads to it alone. ok is false, and nothing
// changed, if the revision is no leaf.
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

// retain drops the nodes that are not to be kept; children of dropped ones become roots.
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
