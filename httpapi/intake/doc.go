// Package intake reads the bodies of requests. Their memory depends on the number of requests
// and not on their size.
//
// A short body is read into memory without a copy. A longer one goes to a file in the server's
// folder as it arrives, and is then mapped. Its readers see bytes all the same, which the
// system reads and drops page by page. So a body can be checked from the first byte to the
// last before anything is done with it.
//
// What always holds:
//   - a Body's bytes do not change, and are valid until its owner calls Close;
//   - bodies in memory share a Budget while they are read, and never wait for it: if it is
//     used up they go to files, so slow clients keep nobody waiting;
//   - work on bodies shares the budget too (Budget.Work), and does wait, for a limited time;
//   - a file has no name once it is open, if the system allows that. Files left by a crash
//     are removed when the folder is next opened.
package intake
