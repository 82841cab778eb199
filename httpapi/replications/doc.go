// Package replications answers what is asked about replications and synchronizations: it starts and
// ends them and tells how they go on, and it lists all tasks of the server. A Replicator and a
// Synchronizer do the work.
//
// What always holds:
//   - a replication is of the user who asked for it, never of a device's token: it would have
//     all the rights of the token's owner;
//   - no credentials of a source or target get into the trail;
//   - only administrators of a database handle its synchronizations: what these bring in is
//     written without asking who wrote it.
package replications
