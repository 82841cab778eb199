// Package query answers queries over many documents: ranges of their ids (_all_docs,
// _design_docs, _local_docs), views, selectors (_find), and the indexes of both. It also runs
// the other functions of design documents: shows, lists, updates and rewrites.
//
// A range is first checked with all its options, and then written. The check makes a plan,
// and the plan writes the answer. So if a request has several queries, all are checked before
// the first is answered.
//
// What always holds:
//   - options are checked in CouchDB's order, and before a byte of the answer is sent;
//   - rows go out as they are read, so a long answer takes no more memory;
//   - documents that come with the rows of a view are read after the snapshot of its index
//     is closed, so slow readers hold up no writer;
//   - a function of a design document gets no credentials, and what it writes is validated
//     like any other document;
//   - a rewrite stays in its database, and the rights for its new path are checked as for a
//     request to that path.
package query
