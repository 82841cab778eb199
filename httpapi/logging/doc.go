// Package logging writes the server's log to where [log] writer says: standard error, a file,
// the journal of systemd, or syslog.
//
// What always holds:
//   - a line is written whole, in the order in which the lines came;
//   - a line of Later is written within moments, all others before their call returns or by who is writing just then;
//   - a destination that cannot be opened changes nothing: the log continues where it was;
//   - when Close returns, what a file's buffer held is in the file.
package logging
