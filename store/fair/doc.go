// Package fair shares what there is little of among those who want it: turns of large queries,
// processes of functions, the hashing of passwords, running replications.
//
// A Line knows who waits and who runs, and says who is next. Slots are a Line that goroutines
// wait in.
//
// Everybody has a Key: an owner, and a name that may come from several owners. It is of no use
// to ask often, since turns go round by owners and names and not by requests.
//
// Invariants:
//   - no more run than there are slots, and no more of one owner than its share;
//   - nobody waits who could run, once whoever made room has asked for the next;
//   - by turns, an owner that waits is served before any other is served twice by its turn:
//     of the owners that waited before it, each has at most one such turn;
//   - whoever goes away while waiting takes no slot along.
package fair
