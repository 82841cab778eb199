// Package replications answers requests about replications and synchronizations. It starts and
// ends them, shows their progress, and lists all tasks of the server. A Replicator and a
// Synchronizer do the work.
//
// What always holds:
//   - a replication belongs to a user, and a device's token cannot start one: it would have all
//     the rights of the token's owner;
//   - no credentials of a source or target get into the audit trail;
//   - only administrators of a database manage its synchronizations: these write what others
//     wrote without checking who they were.
package replications
