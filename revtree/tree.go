package revtree

// Node is one revision in a tree.
type Node struct {
	Rev
	Deleted bool
	// Data belongs to the tree's owner, who records there where the revision's body is. nil
	// means that the revision is known only as an ancestor.
	Data []byte
}

// Tree holds the revisions of one document; the zero value is an empty tree. A revision stands
// in it once. A copy of a Tree shares its nodes: use only one of the two. Several goroutines
// may read a tree while none changes it.
type Tree struct {
	// nodes stand in the order of the encoding: each node is directly followed by all its
	// descendants, parents before children.
	nodes []node
}

type node struct {
	Node
	parent int // index, -1 for a root
}

// index finds a revision. It searches newest first, since most callers ask for the newest.
func (t *Tree) index(r Rev) int {
	for i := len(t.nodes) - 1; i >= 0; i-- {
		if t.nodes[i].Gen == r.Gen && t.nodes[i].ID == r.ID {
			return i
		}
	}
	return -1
}

// leafAt relies on the order: if a node has children, the next node is one of them.
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

// IsLeaf reports whether a revision is there and has no children.
func (t *Tree) IsLeaf(r Rev) bool {
	i := t.index(r)
	return i >= 0 && t.leafAt(i)
}
