// Package access knows who asks and what they may do, and is the only way to a database.
//
// An Access finds out who sends a request (LetIn), enforces the rule of its route (Admit),
// and opens the database that its path names (Open). The handle from Open has a guard
// (store.Guard). It shows only what the user may see and accepts only what they may write. It
// enforces the rules of _users and _replicator, the rights for design documents, validation
// functions, and the limits of device tokens.
//
// What always holds:
//   - a route without a rule is closed, and a rule that is not about a database opens none;
//   - a room works on the handle that it got, and passes it on to what works for it; with
//     another handle it would show too much;
//   - only what the server does for itself uses a handle without a guard (store.Bare), and
//     says for what;
//   - a change of a user, of a database's security object or of a setting counts for the next
//     request.
package access
