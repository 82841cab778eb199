// Package auth tells who is asking, and what of a database that one may use.
//
// An Authenticator tries the ways that are in use: a session cookie, Basic, the headers
// of a proxy, a JSON Web Token, and the token of a device. Administrators come from the
// settings, everybody else from documents of _users, which others find for it
// (Accounts). The rules of those documents stand here too (CheckUser, ShowUser), and so
// do security objects (Security) and what a token allows (Scope).
//
// What always holds:
//   - credentials are compared in constant time, and a password is kept as a hash alone;
//   - what was verified once counts for the very Account it was verified for: a new
//     password or role has another Account, and ends what the old one opened;
//   - no error shows a credential, nor a part of one;
//   - no document and no token of a device makes an administrator.
package auth
