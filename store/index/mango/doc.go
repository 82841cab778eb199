// Package mango answers Mango queries: selectors, matched on the bytes of documents; the
// indexes that design documents of the language "query" hold; the planner, which chooses one
// for a query; and what finds changes by a selector.
//
// A Selector is compiled once and may be used from many goroutines. Matching decodes
// nothing but the members that the selector names. A Finder plans queries, runs them and
// explains them; the rows it reads are those of package index, a view of a design document
// for each index.
//
// What always holds:
//   - a selector matches what CouchDB's matches (mango_selector.erl): negation is pushed
//     inward, so that only $exists matches a field that is not there;
//   - values of different types compare by CouchDB's order (package collate), which is that
//     of the rows of an index; ids compare by their bytes;
//   - an index only narrows what is looked at: what is found is judged by the whole
//     selector, so that an indexed answer is that of a look at all documents, but for those
//     that have not the fields of a sort;
//   - a bookmark leads behind the row that it was given for, in the index it came from.
package mango
