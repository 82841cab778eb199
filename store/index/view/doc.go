// Package view makes indexes of the views of design documents, and reads them as CouchDB
// does.
//
// The index of a design document has a view for each of its views, in the order of their
// names, and a signature that does not depend on what the design document is called. Map
// functions, and reduce functions that are not built in, are compiled by a compiler that
// the caller gives; the built-in reduce functions are here.
package view
