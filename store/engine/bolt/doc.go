// Package bolt keeps each database in one bbolt file of its own.
//
// A Space is a top-level bucket, named by its number; bucket "id" holds the database's
// identity. The file of a database is its name, with a dot for each slash (no name has a dot),
// and ".bolt". The sub-databases for its indexes are files in a folder beside it, with ".subs"
// for ".bolt".
//
// A file is made under another name and renamed when it is complete, so a file with the right
// name is a database. While open, it is locked against other processes.
//
// With a journal (unless Options.Direct) a small transaction is a record there first, which all databases
// share, and stands in memory above its file until a flush: the file alone may be behind then. A database may
// have no file yet. docs/architecture.md tells why, recover.go has the records' format.
//
// No page of a file can end the process, whatever is on it: where bbolt would panic, fault or
// never end, the call returns engine.ErrForeign, and so do all later calls.
package bolt
