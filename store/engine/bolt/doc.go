// Package bolt keeps each database in one bbolt file of its own.
//
// A Space is a top-level bucket, named by its number; bucket "id" holds the
// database's identity. The file of a database is its name with each slash written
// as a dot (which no name has) and ".bolt" behind it. The stores of its indexes are
// files in a folder beside it, with ".subs" for ".bolt".
//
// A file comes into being under another name and is renamed when it is whole, so
// that what has the right name is a database. While it is open it is locked against
// other processes.
//
// No page of a file ends the process, whatever is on it: where bbolt would panic, fault or
// not come to an end, the call gives engine.ErrForeign, and so do all that follow.
package bolt
