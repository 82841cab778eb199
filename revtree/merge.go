package revtree

import (
	"errors"
	"slices"
)

// Outcome says what a merge did.
type Outcome int

const (
	Known    Outcome = iota // nothing: the revision and its path were there
	Joined                  // the revision was there, some ancestors on its path were not
	Filled                  // the revision was known only as an ancestor and has data now
	Extended                // the revision is a new leaf, its parent was a leaf
	Branched                // the revision is a new leaf beside others, or the first
)

// ErrBadPath says that a path is empty, that its generations do not fall by one each,
// or that they are beyond counting.
var ErrBadPath = errors.New("generations of a revision path must fall by one")

// Merge takes in a revision with its ancestors, newest first. The path joins the tree where it
// meets a known node; if it meets none, it becomes a root of its own. A path may also give a
// root its ancestors and so join two roots. Once a revision has data, its Data and Deleted stay
// as they are: the first to arrive counts. The same holds for parents, should two paths
// disagree about one. That cannot happen to revisions that are hashes over their parents.
//
// The tree keeps data but not path. ErrBadPath leaves the tree unchanged.
func (t *Tree) Merge(path []Rev, deleted bool, data []byte) (Outcome, error) {
	if len(path) == 0 || path[0].Gen >= maxGen {
		return Known, ErrBadPath
	}
	for i, r := range path {
		if path[0].Gen < uint64(i) || r.Gen != path[0].Gen-uint64(i) {
			return Known, ErrBadPath
		}
	}
	meet, at := len(path), -1 // path[meet] is the newest known revision, at index at
	for i, r := range path {
		if at = t.index(r); at >= 0 {
			meet = i
			break
		}
	}
	joined := false
	if at >= 0 {
		joined, at = t.adopt(at, path[meet+1:])
	}
	switch {
	case meet == 0 && t.nodes[at].Data == nil && data != nil:
		t.nodes[at].Data, t.nodes[at].Deleted = data, deleted
		return Filled, nil
	case meet == 0 && joined:
		return Joined, nil
	case meet == 0:
		return Known, nil
	}
	if at >= 0 && t.leafAt(at) {
		t.insert(at+1, at, path[:meet], deleted, data)
		return Extended, nil
	}
	t.insert(t.placeBelow(at, path[meet-1]), at, path[:meet], deleted, data)
	return Branched, nil
}

// placeBelow finds where a new child of the node at index parent goes, or a new root if parent
// is -1: before the first sibling that is greater.
func (t *Tree) placeBelow(parent int, r Rev) int {
	i := parent + 1
	for ; i < len(t.nodes) && t.nodes[i].parent >= parent; i++ {
		if t.nodes[i].parent == parent && Compare(t.nodes[i].Rev, r) > 0 {
			break
		}
	}
	return i
}

// insert puts a chain of new revisions, newest first, before the node at an index.
func (t *Tree) insert(at, parent int, chain []Rev, deleted bool, data []byte) {
	n := len(chain)
	t.nodes = slices.Grow(t.nodes, n)[:len(t.nodes)+n]
	copy(t.nodes[at+n:], t.nodes[at:])
	for i := at + n; i < len(t.nodes); i++ {
		if t.nodes[i].parent >= at {
			t.nodes[i].parent += n
		}
	}
	for i := range n {
		t.nodes[at+i] = node{Node: Node{Rev: chain[n-1-i]}, parent: parent}
		parent = at + i
	}
	leaf := &t.nodes[at+n-1]
	leaf.Deleted, leaf.Data = deleted, data
}

// adopt adds a path's ancestors above the root of the node at an index. It returns the node's
// new index.
func (t *Tree) adopt(at int, ancestors []Rev) (changed bool, now int) {
	rev := t.nodes[at].Rev
	child := at
	for _, r := range ancestors {
		p := t.nodes[child].parent
		if p >= 0 {
			if t.nodes[p].Rev != r {
				break // the histories disagree: what came first stays
			}
			child = p
			continue
		}
		changed = true
		if p = t.index(r); p < 0 {
			p = len(t.nodes)
			t.nodes = append(t.nodes, node{Node: Node{Rev: r}, parent: -1})
		}
		t.nodes[child].parent = p
		child = p
	}
	if changed {
		t.sort()
		at = t.index(rev)
	}
	return changed, at
}

// sort brings the nodes into the order of the encoding.
func (t *Tree) sort() {
	order := make([]int, len(t.nodes)) // siblings together, in Compare order
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &t.nodes[a], &t.nodes[b]
		if x.parent != y.parent {
			return x.parent - y.parent
		}
		return Compare(x.Rev, y.Rev)
	})
	first := make([]int, len(t.nodes)+1) // where the children of node i-1 begin in order
	for i, k := len(order)-1, len(t.nodes); k >= 0; k-- {
		for i >= 0 && t.nodes[order[i]].parent >= k-1 {
			i--
		}
		first[k] = i + 1
	}
	out := make([]node, 0, len(t.nodes))
	type visit struct{ old, parent int }
	var stack []visit
	push := func(old, now int) { // the children of a node, the last first
		end := len(order)
		if old+2 < len(first) {
			end = first[old+2]
		}
		for i := end - 1; i >= first[old+1]; i-- {
			stack = append(stack, visit{order[i], now})
		}
	}
	push(-1, -1)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := t.nodes[v.old]
		n.parent = v.parent
		out = append(out, n)
		push(v.old, len(out)-1)
	}
	t.nodes = out
}
