// Package replicate makes one database hold what another holds, by CouchDB's
// replication protocol.
//
// A Job copies from a source to a target. Each is a Peer: a database of this server's
// store, or one behind HTTP. The job reads the source's changes, asks the target which
// revisions it lacks, fetches them with their histories and writes them as they are.
// From time to time it records its progress on both sides in a checkpoint. This is a
// local document whose id follows from what is replicated. A later job with the same id
// continues from there.
//
// The Manager holds the jobs of a server by id and schedules them. A limited number run
// at once, continuous jobs take turns, and failed jobs are retried after a pause. Jobs
// come from requests, from callers of Add, and from the documents of _replicator
// databases. The Manager writes the state of a job into its document. If several
// processes share a database, a lease makes sure that only one of them runs the job of a
// document.
//
// What always holds:
//   - a checkpoint is written only after the target has everything up to it on disk;
//   - a job may be stopped anywhere and repeated any number of times: what arrives twice
//     changes nothing;
//   - memory is bounded by batches, whatever the size of a database;
//   - a document that the target refuses is counted, logged and skipped; any other
//     failure stops the job.
package replicate
