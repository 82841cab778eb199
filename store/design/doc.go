// Package design is the home of design documents: what they must look like, what they contain,
// and their functions, ready to be called.
//
// A Cache reads the design documents of a database once. It keeps each as a Document until one
// of them changes, by this process or another: the sequence of the newest change to a design
// document (store.DB.Design) shows that. Other packages keep what they derive from a Document
// with it (Document.Once), such as definitions of indexes and compiled selectors.
//
// Invariants:
//   - a Cache never returns design documents from before the sequence that was asked for;
//   - a design document that has not changed stays the same Document, with everything derived
//     from it;
//   - nothing is kept of a database that was deleted or closed, and for all open ones together
//     not much more than MaxBytes.
package design
