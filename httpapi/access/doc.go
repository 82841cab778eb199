// Package access knows who asks and what they may do, and is the only way to a database.
//
// An Access finds out who sends a request (LetIn), holds it to the rule of its route
// (Admit), and opens the database that its path names (Open). The handle that a room gets
// from Open has a guard on it (store.Guard), which shows and takes what the user may see and
// write: the documents of _users and of _replicator by their own rules, design documents and
// what validation functions say, and what the token of a device allows.
//
// What always holds:
//   - a route without a rule is closed, and a rule that is not about a database opens none;
//   - a room works on the handle that it got, and hands that on to what works for it; one
//     that reads by another handle shows what it should not;
//   - only what the server does for itself uses a handle without guard (store.Bare), and says
//     what for;
//   - a change of a user, of a database's security object or of a setting counts for the next
//     request.
package access
