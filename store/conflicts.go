package store

import (
	"slices"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// A document is in conflict while more than one of its leaves lives. The conflict space names these
// documents, so that finding them costs what they are and not what the database is:
//
//	key    the document's sequence, as in the seq space
//	value  version | for each living leaf but the winner, in winner order: rev
//
// where rev is the nearest common ancestor of that leaf and the winner, zero if none is known. The
// transaction that moves a document in the feed moves its entry. A document that is not in
// conflict, and has no more than one leaf, costs nothing. Sequence 0 has the conflictsNote.

// living returns the leaves that are not deleted, given all in winner order.
func living(leaves []revtree.Node) []revtree.Node {
	if n := slices.IndexFunc(leaves, func(l revtree.Node) bool { return l.Deleted }); n >= 0 {
		return leaves[:n]
	}
	return leaves
}

func revsOf(nodes []revtree.Node) []revtree.Rev {
	revs := make([]revtree.Rev, len(nodes))
	for i, n := range nodes {
		revs[i] = n.Rev
	}
	return revs
}

// appendConflict appends the entry of a document with such leaves that live; ok is false if it is not
// in conflict.
func appendConflict(b []byte, tree *revtree.Tree, live []revtree.Node) (entry []byte, ok bool) {
	if len(live) < 2 {
		return b, false
	}
	b = append(b, record.Version)
	for _, rev := range tree.CommonAncestors(live[0].Rev, revsOf(live[1:])) {
		b = record.AppendRev(b, rev)
	}
	return b, true
}

func parseConflict(v []byte) (ancestors []revtree.Rev, err error) {
	r := record.Read(v)
	if r.Byte() != record.Version {
		return nil, corrupt("conflict of unknown version")
	}
	for len(r.Rest) > 0 && !r.Bad {
		ancestors = append(ancestors, r.Rev())
	}
	if r.Bad || len(ancestors) == 0 {
		return nil, corrupt("conflict of %d bytes", len(v))
	}
	return ancestors, nil
}

// putConflict writes the entry of a document at its sequence, if it is in conflict.
func (w *writer) putConflict(tree *revtree.Tree, leaves []revtree.Node, seq uint64) error {
	live := living(leaves)
	if len(live) < 2 {
		return nil
	}
	entry := w.keep(func(b []byte) []byte {
		b, _ = appendConflict(b, tree, live)
		return b
	})
	return w.tx.Put(spaceConflict, seqKey(seq), entry)
}

// keptBytes is how much the bodies take that compaction keeps of a document besides its leaves': those
// of the common ancestors of conflicting leaves, because whoever merges these needs them.
func keptBytes(tree *revtree.Tree) (total int64, err error) {
	for _, n := range tree.Forks() {
		if n.Data == nil {
			continue
		}
		ref, err := parseBodyRef(n.Data)
		if err != nil {
			return 0, err
		}
		total += ref.stored
	}
	return total, nil
}

// supersededNodes returns the revisions whose bodies compaction drops: those that have one and are neither
// a leaf nor a common ancestor of conflicting leaves.
func supersededNodes(tree *revtree.Tree) (nodes []revtree.Node) {
	kept := map[revtree.Rev]bool{}
	for _, f := range tree.Forks() {
		kept[f.Rev] = true
	}
	tree.Nodes(func(n revtree.Node, leaf bool) bool {
		if !leaf && n.Data != nil && !kept[n.Rev] {
			nodes = append(nodes, n)
		}
		return true
	})
	return nodes
}

// conflicts checks that the conflict space names the documents that are in conflict, as far as it is
// known to.
func (c *checker) conflicts() error {
	known, err := readConflictsNote(c.r, c.instance)
	if err != nil {
		c.report("conflicts: %v", err)
		return nil
	}
	if known == conflictsUnknown {
		return nil
	}
	entries := 0
	err = c.r.Scan(spaceConflict, engine.Range{From: seqKey(1)}, func(k, v []byte) (bool, error) {
		entries++
		seq, err := seqOfKey(k)
		if err == nil {
			_, err = parseConflict(v)
		}
		if want := c.inConflict[seq]; err != nil {
			c.report("conflict at %x: %v", k, err)
		} else if want != string(v) {
			c.report("the conflict at sequence %d is %x, its document says %x", seq, v, want)
		}
		return true, nil
	})
	if err == nil && known == conflictsComplete && entries != len(c.inConflict) {
		c.report("there are %d documents in conflict and %d conflicts", len(c.inConflict), entries)
	}
	return err
}

// noteConflict takes in a document whose conflict must be named.
func (c *checker) noteConflict(rec *docRecord, tree *revtree.Tree, leaves []revtree.Node) {
	if entry, ok := appendConflict(nil, tree, living(leaves)); ok {
		if c.inConflict == nil {
			c.inConflict = map[uint64]string{}
		}
		c.inConflict[rec.seq] = string(entry)
	}
}
