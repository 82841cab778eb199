// Package fair shares scarce things among those who want them: turns of large queries,
// processes for functions, the hashing of passwords, running replications.
//
// A Line knows who waits and who runs, and decides who is next. Slots are a Line that
// goroutines wait in.
//
// Everybody has a Key: an owner, and a name that several owners may share. Asking often does
// not help, since turns go round by owners and names and not by requests.
//
// Invariants:
//   - no more run than there are slots, and no more of one owner than its share;
//   - nobody waits who could run, once the caller that made room has asked for the next;
//   - with Turns, a waiting owner is served before any other owner is served twice by its turn:
//     each owner that waited before it gets at most one such turn;
//   - a caller that stops waiting takes no slot.
package fair
