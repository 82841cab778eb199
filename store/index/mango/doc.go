// Package mango answers Mango queries: it compiles selectors and matches documents
// against them, on the bytes of the documents.
//
// A Selector is compiled once and may be used from many goroutines. Matching decodes
// nothing but the members that the selector names.
//
// What always holds:
//   - a selector matches what CouchDB's matches (mango_selector.erl): negation is pushed
//     inward, so that only $exists matches a field that is not there;
//   - values of different types compare by CouchDB's order: null, booleans, numbers,
//     strings, arrays, objects; strings by the Unicode collation of the root locale.
package mango
