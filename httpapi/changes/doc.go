// Package changes answers what has happened since: the changes of a database (_changes), and
// which databases were created, written or deleted (_db_updates). It answers once or with a
// feed that waits.
//
// What always holds:
//   - a row is sent only after its commit, and a client that continues from the row's sequence
//     misses nothing;
//   - the first read of _changes ends at the sequence that was newest when the request came,
//     so a feed that does not wait ends, however much is written in the meantime;
//   - while a feed waits, it checks whether its user may still read (Access.FeedRights);
//   - a feed ends well-formed when the server closes or its database is deleted.
package changes
