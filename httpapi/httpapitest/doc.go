// Package httpapitest is what tests of the HTTP API share: a whole server over an empty store,
// users and tokens on it, requests to it, and looks at its answers. Tests of one room import it
// from outside of the room, and so do tests of replication between servers. Nothing but tests
// may import it.
package httpapitest
