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
// A document that replicates may have several roots: a path need not reach back to
// generation one, and stemming cuts the oldest revisions off. A path that comes later
// may join them.
//
// # Encoding
//
// AppendBinary writes the nodes parents first: roots in Compare order, each followed
// by its children in Compare order, each with all that is below it. In memory they
// stand in the same order.
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
// A revision of a chain takes 17 bytes and its data. Every number is written in as few
// bytes as hold it, every flag where it applies: equal trees with equal data give equal
// bytes.
package revtree
