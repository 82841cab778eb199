// Package view makes indexes of the views of design documents, and reads them as CouchDB
// does.
//
// A Design is what of a design document its indexes depend on; its Definition has a view
// for each of its views, in the order of their names, and a signature that does not depend
// on what the design document is called. Map functions, and reduce functions of its own,
// are run by a compiler that the caller gives; the built-in reduce functions are here.
package view
