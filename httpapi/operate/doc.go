// Package operate answers what operators ask: databases made, dropped, listed and described,
// who may use them, their limits, compaction, and the server's settings, figures and set-up.
//
// What always holds:
//   - a setting is judged before it is kept, so a server that ran goes on running;
//   - a password that comes in a setting is hashed before anything sees it, and no answer shows it;
//   - the room never reads or writes a document.
package operate
