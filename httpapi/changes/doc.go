// Package changes answers what happened since: the changes of a database (_changes) and the
// databases that were made, written or deleted (_db_updates), once or as a feed that waits.
//
// What always holds:
//   - a row is given only after the commit that it tells of, and the sequence in it is a place
//     to go on from that misses nothing;
//   - what _changes reads first ends at the sequence that was newest when the request came, so
//     a feed that does not wait ends, however much is written meanwhile;
//   - a feed that waits asks, while it does, whether its user may still read (Access.FeedRights);
//   - a feed ends well-formed when the server closes or its database is deleted.
package changes
