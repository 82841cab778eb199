package config

import "sync/atomic"

// Follow reads what one part of the server wants of the settings, now and after every
// change, and returns what gives the newest reading. It takes no lock, so a request may
// ask as often as it likes. read gets what it returned before, nil at first, so that what
// is still right can go on; what it has returned is never changed.
func Follow[T any](c *Config, read func(c *Config, old *T) *T) (now func() *T) {
	var newest atomic.Pointer[T]
	take := func() { newest.Store(read(c, newest.Load())) }
	take()
	c.Watch(take)
	return newest.Load
}
