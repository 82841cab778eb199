// Package synchronize keeps a local database and a remote one the same, in both
// directions, as one thing that can be made, watched, changed and ended.
//
// A Synchronizer holds the synchronizations of a server. Each belongs to a database and
// drives up to two replications, a pull from the remote and a push to it: once, at
// intervals, or for as long as it is there. What it is stands in a document of a database
// of the server's own, which nobody else sees, since the credentials of remotes stand
// there too; how it is getting on stands in a local document beside it.
//
// What always holds:
//   - a synchronization goes on after a restart where it was, and ends with its database:
//     one of the same name that is made later does not get it;
//   - credentials are never shown;
//   - Create, Change and Delete return after what they do is on disk, and after the
//     replications that it ends have ended.
package synchronize
