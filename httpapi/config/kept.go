package config

import (
	"fmt"
	"maps"
)

// Kept returns what the server's own file sets, secrets too: for a backup, and for nothing else.
func (c *Config) Kept() map[Name]string {
	c.changing.Lock()
	defer c.changing.Unlock()
	return maps.Clone(c.local.values())
}

// PutAll gives several settings their values, now and for later starts: all of them, or none. Settings
// that it does not name stay as they are. The error is that of Put.
func (c *Config) PutAll(all map[Name]string) error {
	for n, value := range all {
		if err := check(n, value); err != nil {
			return err
		}
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	now := *c.now.Load()
	next := maps.Clone(now)
	want := c.local.values()
	for n, value := range all {
		next[n] = entry{value, OfLocal}
		want[n] = value
	}
	if err := next.checkRoom(now); err != nil {
		return err
	}
	err := c.write(Name{}, want, func(f *file) {
		for n, value := range all {
			f.set(n, value)
		}
	})
	if err != nil {
		return fmt.Errorf("set %d settings: %w", len(all), err)
	}
	c.now.Store(&next)
	c.tell()
	return nil
}
