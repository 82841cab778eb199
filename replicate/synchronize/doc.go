// Package synchronize keeps a local and a remote database the same in both directions.
// A synchronization is one object that can be created, watched, changed and deleted.
//
// A Synchronizer holds the synchronizations of a server. Each belongs to a database and
// drives up to two replications, a pull from the remote and a push to it. They run once,
// at intervals, or continuously. The definition is a document in a private database of the
// server. Nobody else sees it, because it contains the credentials for the remote. The
// status is a local document beside it.
//
// Where processes share the databases, each knows all synchronizations: before a request, and each
// second, it reads what the others have written. One process, which has the lease, runs a
// synchronization and writes its status; the others show that, and one of them takes over when the
// process is gone.
//
// What always holds:
//   - a synchronization continues after a restart where it was, and ends with its database:
//     a later database of the same name does not get it;
//   - credentials are never shown;
//   - a status belongs to a revision of the definition, so one that is done runs again only if its
//     definition has changed since, whoever runs it;
//   - a process that has lost the lease does not write over the status of the one that has it;
//   - Create, Change and Delete return once their change is on disk and the replications
//     that it stops have ended.
package synchronize
