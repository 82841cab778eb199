// Package mango answers Mango queries. It has the selectors, which match the bytes of
// documents; the indexes in design documents of the language "query"; the planner, which
// chooses an index for a query; and the search for changes by a selector.
//
// A Selector is compiled once and may be used from many goroutines. Matching decodes only the
// members that the selector names. A Finder plans, runs and explains queries. It reads rows
// from package index, which has a view for each index of a design document.
//
// What always holds:
//   - a selector matches as in CouchDB (mango_selector.erl): negation is pushed inward, so that
//     only $exists matches a missing field;
//   - values of different types compare in CouchDB's order (package collate), which is also the
//     order of an index's rows; ids compare by their bytes;
//   - an index only narrows the search, and the whole selector judges each result. So the
//     answer is the same as that of a full scan, except for documents that lack a sort field;
//   - a bookmark continues after its row, in the index it came from;
//   - a document that moves while an answer is read, page by page, comes once (marks).
package mango
