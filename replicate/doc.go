// Package replicate makes one database hold what another holds, by CouchDB's
// replication protocol.
//
// A Job copies from a source to a target, each a Peer: a database of this server's
// store, or one behind HTTP. It reads the source's changes, asks the target which of
// the revisions it lacks, fetches those with their histories and writes them as they
// are. From time to time it writes down, on both sides, how far it has come: the
// checkpoint, a local document whose id follows from what is replicated. A later job
// of the same id goes on from there.
//
// The Manager holds the jobs of a server by id and schedules them: so many run at once,
// continuous ones take turns, and those that fail are tried again after a pause. Jobs
// come from requests, from whoever else calls Add, and from the documents of _replicator
// databases, whose states the Manager writes into them. Where several processes share a
// database, a lease has the job of a document run in one of them.
//
// What always holds:
//   - a checkpoint is written only after the target has everything up to it on disk;
//   - a job may be stopped anywhere and repeated any number of times: what comes twice
//     changes nothing;
//   - memory is bounded by batches, whatever the size of a database;
//   - a document that the target refuses is counted, logged and passed over; any other
//     failure stops the job.
package replicate
