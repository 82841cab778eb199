// Package operate answers operators. It creates, deletes, lists and describes databases, and
// handles their rights, limits and compaction, and the server's settings, figures and set-up.
//
// What always holds:
//   - a setting is checked before it is stored, so it cannot stop a running server;
//   - a password that comes in a setting is hashed before anything sees it, and no answer shows it;
//   - the room never reads or writes a document.
package operate
