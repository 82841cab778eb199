// Package query answers what is asked of many documents at once: ranges over their ids
// (_all_docs, _design_docs, _local_docs), views, selectors (_find) and the indexes that both
// stand on; and what else design documents answer: shows, lists, updates and rewrites.
//
// A range is first judged, all of its options together, and then written: the plan that comes
// of judging is what writes it, so that several queries in one request are refused before
// the first of them is answered.
//
// What always holds:
//   - options are judged in CouchDB's order, and before a byte of the answer is sent;
//   - rows go out as they are read, so that the length of an answer costs no memory;
//   - documents that come with the rows of a view are read after the snapshot of its index
//     is closed: who reads slowly holds up no writer;
//   - a function of a design document gets no credentials, and what it writes is validated
//     like any other document;
//   - a rewrite leads to no other database, and who may use its new path is judged there, as
//     for a request that asked for that path itself.
package query
