// Package index keeps secondary indexes of a database: rows derived from its documents,
// in the order of their keys.
//
// A Definition says what an index holds: views, numbered from 0, and a Mapper that turns a
// document into their rows. Definitions with the same signature share an index. The Manager
// knows the open indexes. An Index follows the sequence feed of its database. It answers ranges
// of rows, counts, reductions, and the changes of the documents that match a key.
//
// What always holds:
//   - an index is never wrong, at most behind: the rows of all documents up to its
//     sequence, the sums over them and the sequence itself change in one transaction;
//   - its content is a function of the documents alone: rebuilt, it has the same bytes in every
//     space, except for the by-document records of deleted documents;
//   - a database that was deleted and created again, or restored, starts its indexes anew;
//   - the cost of counting and reducing a range does not grow with the rows in it.
//
// # What is on disk
//
// An index is a storage of its own (store.DB.OpenSub). Every value begins with a version
// byte (1).
//
//	space    key                                value
//	state    "state"                            signature, database, sequences, rows of each view
//	rows     view, key, document id             keys and values as JSON
//	bydoc    document id                        the keys under which the document has rows
//	summary  view, level, key, document id      rows and reduction of a segment
//	byseq    view, key, sequence                document id: with Definition.Changes
//
// Keys come from package collate. They and document ids have any length: package
// store/engine/anykey says how engines hold them.
//
// # Summaries
//
// A row whose key's hash ends in 4k zero bits begins a segment of level k, which extends to the
// next such row. For each segment, the summary space holds how many rows it has and what they
// reduce to. A range is read as rows up to the first row that begins a segment, then in larger
// and larger segments as long as they fit, then in smaller ones again. Only the rows decide
// where segments begin, so an insertion changes one segment of each level.
package index
