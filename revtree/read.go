package revtree

import "slices"

// Path returns a revision and its ancestors, newest first; nil if the revision is not there.
func (t *Tree) Path(r Rev) []Rev {
	i := t.index(r)
	if i < 0 {
		return nil
	}
	n := 0
	for k := i; k >= 0; k = t.nodes[k].parent {
		n++
	}
	out := make([]Rev, 0, n)
	for ; i >= 0; i = t.nodes[i].parent {
		out = append(out, t.nodes[i].Rev)
	}
	return out
}

// PathNodes is Path with everything known about each revision.
func (t *Tree) PathNodes(r Rev) []Node {
	var out []Node
	for i := t.index(r); i >= 0; i = t.nodes[i].parent {
		out = append(out, t.nodes[i].Node)
	}
	return out
}

// LeavesBelow returns the leaves that descend from a revision, in Compare order. A leaf counts
// as its own descendant.
func (t *Tree) LeavesBelow(r Rev) []Node {
	at := t.index(r)
	if at < 0 {
		return nil
	}
	var out []Node
	for i := at; i < len(t.nodes) && (i == at || t.nodes[i].parent >= at); i++ {
		if t.leafAt(i) {
			out = append(out, t.nodes[i].Node)
		}
	}
	slices.SortFunc(out, func(a, b Node) int { return Compare(a.Rev, b.Rev) })
	return out
}

// Missing returns the revisions in revs that are not there, each as often as it is asked for.
// It also returns the leaves of a lower generation than the highest of them, which may be their
// ancestors (couch_db.erl, find_missing).
func (t *Tree) Missing(revs []Rev) (missing, possibleAncestors []Rev) {
	highest := uint64(0)
	for _, r := range revs {
		if t.index(r) < 0 {
			missing = append(missing, r)
			highest = max(highest, r.Gen)
		}
	}
	if missing == nil {
		return nil, nil
	}
	for i := len(t.nodes) - 1; i >= 0; i-- {
		if t.leafAt(i) && t.nodes[i].Gen < highest {
			possibleAncestors = append(possibleAncestors, t.nodes[i].Rev)
		}
	}
	return missing, possibleAncestors
}

// SetData replaces the data of a revision; nil drops it. It reports whether the revision is
// there.
func (t *Tree) SetData(r Rev, data []byte) bool {
	i := t.index(r)
	if i >= 0 {
		t.nodes[i].Data = data
	}
	return i >= 0
}

// Nodes calls fn for every node, parents first, until it returns false.
func (t *Tree) Nodes(fn func(n Node, leaf bool) bool) {
	for i := range t.nodes {
		if !fn(t.nodes[i].Node, t.leafAt(i)) {
			return
		}
	}
}
