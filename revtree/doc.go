// Package revtree holds the edit history of one document as a tree of revisions.
//
// A Tree answers what replication asks: which revisions are leaves, which leaf
// wins, which of these revisions are missing. The same input gives the same
// answer, and the same encoded bytes, on every peer.
//
// Invariants:
//   - a child's generation is its parent's plus one;
//   - before stemming, merging in any order, any number of times, gives one tree;
//   - the winner: live before deleted, then highest generation, then highest ID;
//   - stemming shortens paths and never drops a leaf.
//
// # Encoding
//
// AppendBinary writes the nodes parents first: roots in Compare order, each followed
// by its children in Compare order, each with all that is below it.
//
//	version (1) | uvarint number of nodes | nodes
//
//	node: flags | [uvarint generation]  of a root
//	            | [uvarint distance]    to the parent, where it is not the node before
//	            | 16 bytes, or uvarint length and as many bytes: the ID
//	            | [uvarint length, bytes] data
//
// Equal trees with equal data give equal bytes.
package revtree
