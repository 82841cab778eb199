package config

import (
	"fmt"
	"maps"
	"slices"
)

// Kept returns what the server's own file sets, and what is shared, secrets too: for a backup, and for
// nothing else.
func (c *Config) Kept() map[Name]string {
	c.changing.Lock()
	defer c.changing.Unlock()
	kept := c.local.values()
	if c.shared != nil {
		maps.DeleteFunc(kept, func(n Name, _ string) bool { return !own(n) })
		maps.Copy(kept, c.common.Values)
	}
	return kept
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
	common := map[Name]string{}
	for n, value := range all {
		if next[n] = (entry{value, OfLocal}); c.isShared(n) {
			common[n] = value
		} else {
			want[n] = value
		}
	}
	if err := next.checkRoom(now); err != nil {
		return err
	}
	if len(common) > 0 {
		if _, err := c.change(func(now map[Name]string) bool { maps.Copy(now, common); return true }, slices.Collect(maps.Keys(common))...); err != nil {
			return fmt.Errorf("set %d settings: %w", len(all), err)
		}
		all = maps.Clone(all)
		maps.DeleteFunc(all, func(n Name, _ string) bool { return c.isShared(n) })
		next = maps.Clone(*c.now.Load())
		for n, value := range all {
			next[n] = entry{value, OfLocal}
		}
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
