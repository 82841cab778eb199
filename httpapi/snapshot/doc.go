// Package snapshot answers GET /{db}/_snapshot: all documents of a database as one stream, for a
// client that has nothing yet. From the last line of the stream a client goes on with _changes.
//
// # What a snapshot is
//
// Lines of JSON. A line with an _id is a revision of a document, with _revisions: what _bulk_get
// would give. Documents come in the order of the feed, each with all its leaves, so whoever takes
// them in with new_edits=false has the trees that a replication would have brought. Documents
// that were deleted before the snapshot was begun are left out. A line with last_seq is a place:
// the lines before it are everything up to that sequence. The last line is one.
//
// # What is on disk
//
// Each database, filter and coding has a file, and every client gets the beginning of it:
//
//	ID.gz, ID.zst, ID.ndjson   the coded lines, only ever appended to
//	ID.cuts                    JSON lines: what the file holds, then one line for each cut
//
// A cut is a length of the file at which a snapshot may end. Whoever asks after the database has
// changed has the changes since the last cut appended, and gets a new cut. So the work is
// shared by all clients, and an ETag stands for the same bytes for as long as the file is kept.
// When what was appended has become a large part of the file, it is begun anew.
//
// What always holds:
//   - a cut is in ID.cuts only when its bytes are on disk; what a crash leaves behind the last
//     cut is cut off, and files without a cut are removed;
//   - the lines up to a cut, and then the changes since its last line, are the database;
//   - a file is for all who see the whole database. Whoever does not is refused;
//   - whoever builds does so in his own request, with his rights and his turns. If he goes
//     away, the next one goes on where he has stopped.
package snapshot
