// Package expiry has the tombstones of all databases end that are to end: it looks at one database
// after another from time to time (store.Bare.Expire), and tells what it is doing.
//
// What always holds:
//   - one database is worked on at a time, in small transactions with pauses, so that writers get on;
//   - whatever stops it, the next look goes on where it was.
//
// This is no chore of package smoosh: those follow changes, while tombstones end by time alone, in
// databases that nobody changes any more. It also goes on when smoosh is turned off.
package expiry
