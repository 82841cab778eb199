// Package audit keeps a trail of who changed what and when: one line of JSON for each
// change, separate from the log.
//
// What always holds:
//   - while there is no trail, it costs a request one pointer read;
//   - the goroutine that answers writes whole lines to the operating system, so they survive
//     the process; they are not synced to disk;
//   - a line contains names, addresses, paths and revisions, never a query, a header, a
//     body, or the value of a setting.
package audit
