// Package audit keeps a trail of who changed what and when: one line of JSON for each
// change, beside the log and apart from it.
//
// What always holds:
//   - while there is no trail, a request pays a pointer read;
//   - a line is whole and is given to the operating system by the goroutine that answers,
//     so it survives the process; it is not forced to disk;
//   - a line holds names, addresses, paths and revisions, never a query, a header, a
//     body, or the value of a setting.
package audit
