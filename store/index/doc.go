// Package index keeps secondary indexes of a database: rows derived from its documents,
// in the order of their keys.
//
// A Definition says what an index holds: views, numbered from 0, and a Mapper that turns a
// document into rows of them. Equal definitions, those of one signature, share an index.
// The Manager knows the indexes that are open; an Index follows the sequence feed of its
// database and answers ranges of rows, counts, reductions and the changes of the
// documents that match a key.
//
// What always holds:
//   - an index is never wrong, at most behind: the rows of all documents up to its
//     sequence, the sums over them and the sequence itself change in one transaction;
//   - what is in it is a function of the documents alone: built anew, it has the same
//     bytes in every space but that of the by-document records of deleted documents;
//   - a database that was deleted and made again, or set back, starts its indexes anew;
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
// A key is one of package collate. One that is longer than 900 bytes stands in rows as its
// first 900 bytes and a hash, so that every engine can hold it with any document id; such
// rows are put in order when they are read.
//
// # Summaries
//
// A row whose key's hash ends in 4k zero bits begins a segment of level k, which goes on to
// the next such row. The summary space holds for each segment how many rows it has and
// what they reduce to. A range is read from rows up to the first row that begins a
// segment, then in greater and greater segments as far as they fit, then in smaller ones
// again. Where segments begin depends on the rows alone, so an insertion changes
// one segment of each level.
package index
