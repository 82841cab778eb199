package revtree

// Forks returns the revisions at which the paths of leaves that are not deleted part: the nearest
// common ancestor of any two of them is one of these, and each of these is that of some two. Parents
// come first.
func (t *Tree) Forks() (forks []Node) {
	if t.chain() {
		return nil
	}
	lives := make([]bool, len(t.nodes))   // a living leaf stands here or below
	branches := make([]int, len(t.nodes)) // how many children lead to living leaves
	for i := len(t.nodes) - 1; i >= 0; i-- {
		lives[i] = branches[i] > 0 || t.leafAt(i) && !t.nodes[i].Deleted
		if p := t.nodes[i].parent; p >= 0 && lives[i] {
			branches[p]++
		}
	}
	for i, n := range branches {
		if n > 1 {
			forks = append(forks, t.nodes[i].Node)
		}
	}
	return forks
}

// CommonAncestors returns the nearest common ancestor of a revision with each of some others, the
// zero Rev where none is known. A revision counts as its own ancestor.
func (t *Tree) CommonAncestors(r Rev, others []Rev) []Rev {
	found := make([]Rev, len(others))
	at := make(map[Rev]int, len(others)) // of the others
	mine := make([]bool, len(t.nodes))   // the path of r
	for i := t.index(r); i >= 0; i = t.nodes[i].parent {
		mine[i] = true
	}
	for i, o := range others {
		at[o] = i
	}
	meets := make([]int, len(t.nodes)) // where the path of each node meets that of r, -1: nowhere
	for i := range t.nodes {           // parents before children
		switch p := t.nodes[i].parent; {
		case mine[i]:
			meets[i] = i
		case p < 0:
			meets[i] = -1
		default:
			meets[i] = meets[p]
		}
		if o, asked := at[t.nodes[i].Rev]; asked && meets[i] >= 0 {
			found[o] = t.nodes[meets[i]].Rev
		}
	}
	return found
}
