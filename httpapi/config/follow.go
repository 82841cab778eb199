package config

import "sync/atomic"

// Follow reads the settings that one part of the server needs, now and after every change. It
// returns a function that returns the newest reading. That takes no lock, so a request may
// call it as often as it likes. read gets its previous result, nil at first, so it can keep
// what is still right. A result is never changed later.
func Follow[T any](c *Config, read func(c *Config, old *T) *T) (now func() *T) {
	var newest atomic.Pointer[T]
	c.Watch(func() { newest.Store(read(c, newest.Load())) })
	return newest.Load
}
