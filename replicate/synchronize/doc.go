// Package synchronize keeps a local and a remote database the same in both directions.
// A synchronization is one object that can be created, watched, changed and deleted.
//
// A Synchronizer holds the synchronizations of a server. Each belongs to a database and
// drives up to two replications, a pull from the remote and a push to it. They run once,
// at intervals, or continuously. The definition is a document in a private database of the
// server. Nobody else sees it, because it contains the credentials for the remote. The
// status is a local document beside it.
//
// What always holds:
//   - a synchronization continues after a restart where it was, and ends with its database:
//     a later database of the same name does not get it;
//   - credentials are never shown;
//   - Create, Change and Delete return once their change is on disk and the replications
//     that it stops have ended.
package synchronize
