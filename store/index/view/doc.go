// Package view makes indexes of the views of design documents, and reads them as CouchDB
// does.
//
// The index of a design document has a view for each of its views, in the order of their names.
// Its signature does not depend on the document's id. The caller's compiler compiles map
// functions and custom reduce functions; the built-in reduce functions are here.
package view
