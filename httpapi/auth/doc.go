// Package auth finds out who is asking, and what they may do with a database.
//
// An Authenticator tries the ways that are in use: a session cookie, Basic, the headers
// of a proxy, a JSON Web Token, and the token of a device. Administrators come from the
// settings. All other users come from documents of _users, which the caller looks up
// (Accounts). The rules for those documents are here too (UserRules), and so are
// security objects (Security) and what a token allows (Scope).
//
// What always holds:
//   - credentials are compared in constant time, and passwords are kept only as hashes;
//   - a verified credential counts only for the very Account it was verified for: a new
//     password or role makes a new Account, and ends what the old one opened;
//   - no error shows a credential or part of one;
//   - no document and no device token makes anybody an administrator.
package auth
