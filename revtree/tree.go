package revtree

import (
	"errors"
	"slices"
)

// Node is one revision in a tree.
type Node struct {
	Rev
	Deleted bool
	// Data belongs to the tree's owner, who keeps there where the revision's body is.
	// nil means that the revision is known as an ancestor only.
	Data []byte
}

// Tree is the revisions of one document. The zero value is an empty tree. A revision
// stands in it once.
type Tree struct {
	// nodes stand in the order of the encoding: a parent before its children, all
	// that is below a node right behind it.
	nodes []node
}

type node struct {
	Node
	parent int // index, -1 for a root
}

// Outcome says what a merge did.
type Outcome int

const (
	Known    Outcome = iota // nothing: the revision and its path were there
	Joined                  // the revision was there, its path told of ancestors that were not
	Filled                  // the revision was known as an ancestor only and has data now
	Extended                // the revision is a new leaf upon what was a leaf
	Branched                // the revision is a new leaf beside others, or the first
)

// ErrBadPath says that the generations of a path do not fall by one each.
var ErrBadPath = errors.New("generations of a revision path must fall by one")

// Merge takes in a revision with its ancestors, newest first. The path joins the tree
// where it meets a node that is there; without one it makes a root of its own. A path
// may also give a root its ancestors and so join two roots. Data and Deleted of a
// revision that has data stay as they are.
func (t *Tree) Merge(path []Rev, deleted bool, data []byte) (Outcome, error) {
	for i, r := range path {
		if path[0].Gen < uint64(i) || r.Gen != path[0].Gen-uint64(i) {
			return Known, ErrBadPath
		}
	}
	if len(path) == 0 {
		return Known, ErrBadPath
	}
	meet, at := len(path), -1 // path[meet] is the newest that is there, at index at
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
	outcome := Branched
	ordered := len(t.nodes) == 0 // appending keeps the order
	if at >= 0 && t.leafAt(at) {
		outcome = Extended
		ordered = at == len(t.nodes)-1
	}
	parent := at
	for i := meet - 1; i >= 0; i-- {
		n := node{Node: Node{Rev: path[i]}, parent: parent}
		if i == 0 {
			n.Deleted, n.Data = deleted, data
		}
		parent = len(t.nodes)
		t.nodes = append(t.nodes, n)
	}
	if !ordered {
		t.sort()
	}
	return outcome, nil
}

// adopt gives the root above the node at an index the ancestors that a path tells of.
// It returns the node's new index.
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

// index finds a revision, newest first, since it is the newest that is asked for most.
func (t *Tree) index(r Rev) int {
	for i := len(t.nodes) - 1; i >= 0; i-- {
		if t.nodes[i].Gen == r.Gen && t.nodes[i].ID == r.ID {
			return i
		}
	}
	return -1
}

// leafAt relies on the order: the node behind one that has children is its child.
func (t *Tree) leafAt(i int) bool {
	return i == len(t.nodes)-1 || t.nodes[i+1].parent != i
}

// Len is the number of revisions.
func (t *Tree) Len() int { return len(t.nodes) }

// Find returns the node of a revision.
func (t *Tree) Find(r Rev) (Node, bool) {
	if i := t.index(r); i >= 0 {
		return t.nodes[i].Node, true
	}
	return Node{}, false
}

// IsLeaf tells whether a revision is there and has no children.
func (t *Tree) IsLeaf(r Rev) bool {
	i := t.index(r)
	return i >= 0 && t.leafAt(i)
}

// better tells whether a comes before b in winner order.
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

// Path returns a revision and its ancestors, newest first; nil if it is not there.
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

// PathNodes is Path with what is known of each revision.
func (t *Tree) PathNodes(r Rev) []Node {
	var out []Node
	for i := t.index(r); i >= 0; i = t.nodes[i].parent {
		out = append(out, t.nodes[i].Node)
	}
	return out
}

// LeavesBelow returns the leaves that descend from a revision, itself if it is one, in
// Compare order.
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

// Missing returns those of revs that are not there, each as often as it is asked for,
// and the leaves of a lower generation than some of these: they may be their
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
	for i := range t.nodes {
		if t.leafAt(i) && t.nodes[i].Gen < highest {
			possibleAncestors = append(possibleAncestors, t.nodes[i].Rev)
		}
	}
	return missing, possibleAncestors
}

// SetData replaces the data of a revision; it tells whether the revision is there.
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
