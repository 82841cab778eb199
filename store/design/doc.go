// Package design is the home of design documents: what they have to look like, what is in
// them, and their functions, ready to be called.
//
// A Cache reads the design documents of a database once and keeps what it has found, a
// Document each, until one of them changes: whoever changed it, in this process or another,
// the sequence of the newest change of a design document (store.DB.Design) tells. What
// others make of a document (definitions of indexes, compiled selectors) they keep with it
// (Document.Once), so all of it goes together.
//
// Invariants:
//   - what a Cache gives is of the design documents at the sequence that was asked for or a
//     later one, never of an earlier one;
//   - a design document that has not changed stays the same Document, with all that was made
//     of it;
//   - nothing is kept of a database that was deleted or is closed, and of all open ones
//     together not much more than MaxBytes.
package design
