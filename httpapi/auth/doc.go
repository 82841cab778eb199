// Package auth tells who is asking, from a request's credentials: the administrators
// of the settings, Basic credentials, and CouchDB's AuthSession cookie.
//
// What always holds:
//   - a password is compared in constant time, and never logged or kept in clear;
//   - a credential that was verified once is remembered as a keyed hash, so that a
//     request does not cost a password hash, and forgotten when the password changes;
//   - hashes and cookies have CouchDB 3.5's form: a server that is given CouchDB's
//     [admins] and secret takes its passwords and its running sessions.
package auth
