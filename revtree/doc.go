// Package revtree holds the edit history of one document as a tree of revisions.
//
// A Tree answers what replication asks: which revisions are leaves, which leaf
// wins, which of these revisions are missing. The same input gives the same
// answer, and the same encoded bytes, on every peer.
//
// Invariants:
//   - a child's generation is its parent's plus one;
//   - a revision stands in a tree once;
//   - before stemming, merging in any order, any number of times, gives one tree;
//   - the winner: live before deleted, then highest generation, then highest ID;
//   - stemming shortens paths and never drops a leaf;
//   - what Decode takes, AppendBinary writes again byte for byte.
//
// A replicated document may have several roots: a path need not reach back to generation one,
// and stemming cuts the oldest revisions off. A later path may join two roots.
//
// # Encoding
//
// AppendBinary writes parents before children. Roots come in Compare order. Each node is
// followed by its children in Compare order, each with all its descendants. The nodes stand in
// the same order in memory.
//
//	tree:  +---------+-----------------+--------+--------+---
//	       | version | number of nodes | node 0 | node 1 | ...
//	       |  (1)    | uvarint         |        |        |
//	       +---------+-----------------+--------+--------+---
//
//	node:  +-------+------------+----------+-----------+----------------+
//	       | flags | generation | distance | ID        | data           |
//	       | byte  | uvarint    | uvarint  | [n] bytes | n bytes        |
//	       +-------+------------+----------+-----------+----------------+
//	                a root's     to the     n: uvarint, n: uvarint; with
//	                             parent     absent with flag data
//	                                        flag hash
//
//	flags: 1  deleted
//	       2  data: the revision has data
//	       4  hash: the ID is 16 bytes, so its length is not written
//	       8  next: the parent is the node before, so no distance is written
//	      16  root: there is no parent; the generation is written, others follow from it
//
// A revision in a chain takes 17 bytes plus its data. Every number takes as few bytes as it
// can, and every flag is set where it applies: equal trees with equal data give equal bytes.
package revtree
