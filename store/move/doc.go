// Package move brings all databases of one engine into another, so that nobody who comes to the new home
// can tell the difference: what is copied is entries of the engine, in the order of their keys, and not
// documents. Sequences, epochs, checkpoints, local documents, recorded answers and indexes are what
// they were.
//
// What always holds:
//   - the old home is held (engine.Holder) from before the first entry is read: it is read by everybody
//     and written by nobody. So what has arrived is always the beginning of what is there, space by space,
//     and a move that was interrupted goes on after the last key that has arrived;
//   - the new home has a journal, a database of its own, from before the first entry comes until
//     everything is proved. While it is there, nobody may serve the new home;
//   - before the journal goes, the hold says that the databases have moved. So at no time are there two
//     homes that can be written to.
//
// The journal's entries are JSON. Space 1 has one, "move": which move it is; space 2 has one for each
// database that has arrived and is proved.
package move
