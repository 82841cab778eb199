// Package worker runs the functions of design documents in separate processes: the same binary,
// executed again with a hidden command. No limit within a process can hold JavaScript; the
// limits of a process can.
//
// Pool is the script.Host of a server. Main is the worker's side.
//
// What always holds:
//   - a worker runs functions of one design document of one database, and serves one call at a
//     time; when the document is no longer needed, it ends;
//   - a worker reaches nothing: its environment is empty, its only files are the pipes to the
//     server, and where the kernel can forbid it, it may neither open files nor connect
//     anywhere;
//   - a call that takes too much time, memory or output ends its worker and fails as
//     os_process_error. If a worker ends for any other reason, its call is repeated elsewhere;
//   - a worker ends with its server, and Pool.Close returns after the last has ended.
//
// The pipes carry frames. A frame is its length in four bytes, little endian, then a kind, and
// then its fields, one byte less than the length (frame.go). A request is one frame. Its answer
// is several, of which the last is a result or a failure (messages.go).
package worker
