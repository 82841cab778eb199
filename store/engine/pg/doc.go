// Package pg is an engine on PostgreSQL 15 or later, for several processes that serve the same
// databases.
//
// All databases share one ordered table. A row of td_db stands for a database, or for one that
// belongs to another (a Sub), or for one that is made aside; a row of td_kv is an entry:
//
//	td_db   id, parent, name, instance, stamp    parent 0: a database, -1: made aside
//	td_kv   db, k, v, r                          k: space (1 byte), key; r: a key that is read with it
//	td_gone id                                   what was dropped, until its entries are removed
//	td_size id, bytes, ...               what a database was counted to take
//	td_meta name, value                          version of the schema, identity of the installation,
//	                                             and the note of a hold, under which all stamps are negative
//
// A writer locks the row of its database, in a statement of its own, before it reads. So there is one
// at a time, over all processes, and the row proves that the database is still there. Its reads
// come in one round trip with the lock; it then runs in memory, on top of what it read; its writes
// and the commit are the second round trip. A reader's first round trip begins its snapshot.
//
// What is asked or written at the same time shares round trips (gatherer): the questions of Foresee, and
// the writers of different databases (convoy), who then share the commit too.
//
// What always holds:
//   - entries of a database are only written by who holds its row, or stages values that nothing
//     refers to yet;
//   - no round trip depends on the context of a caller that may hang up: that would close the
//     connection. Every one has a deadline of its own;
//   - correctness needs no LISTEN, no advisory lock, no sequence and no server-side function.
package pg
