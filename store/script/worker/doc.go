// Package worker runs the functions of design documents in processes of their own: the same
// binary, executed again as a hidden command. No limit within a process holds for
// JavaScript; the limits of a process do.
//
// Pool is the script.Host of a server. Main is what a worker does.
//
// What always holds:
//   - a worker runs functions of one design document of one database, and serves one call
//     at a time; when it is done with that document it ends;
//   - a worker reaches nothing: its environment is empty, it has no files but the pipes to
//     the server, and where the kernel lets it, it may open none and connect nowhere;
//   - a call that takes too much time, memory or output ends its worker and fails as
//     os_process_error. A worker that ends for any other reason has its call done again
//     elsewhere;
//   - a worker ends with its server, and Pool.Close returns after the last has ended.
//
// On the pipes go frames: a length of four bytes, little endian, a kind, and as many bytes
// less one of fields (frame.go). A request is one frame and its answer some, of which the
// last is a result or a failure (messages.go).
package worker
