// Package intake reads the bodies of requests, so that the memory they take follows the
// number of requests and not their size.
//
// A body that is short is read into memory, without a copy. A longer one goes to a file
// in the server's folder as it comes, and is then mapped: who asked for it sees bytes all
// the same, but they are the file's, which the system reads and forgets page by page. So
// a body can be judged from its first byte to its last before anything is done with it.
//
// What always holds:
//   - a Body's bytes do not change, and are good until Close, by nobody but its closer;
//   - bodies in memory share a Budget while they are read, and never wait for it: where it
//     is used up they go to files, so that clients who are slow keep nobody waiting;
//   - what is made of bodies shares it too (Budget.Work), and does wait, for so long;
//   - a file has no name once it is open, where the system allows that. What a crash
//     leaves is removed when the folder is next opened.
package intake
