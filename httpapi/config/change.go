package config

import (
	"fmt"
	"maps"

	"github.com/tododb/tododb/store/durable"
)

// Watch calls a function now, so that no change is missed since its caller has read, and after every
// change, one change after the other. The new values are in force then, and Set, Delete or Reload has
// not returned yet. The function may read settings but must not change any.
func (c *Config) Watch(changed func()) {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.watchers = append(c.watchers, changed)
	changed()
}

// tell is called with changing held.
func (c *Config) tell() {
	for _, changed := range c.watchers {
		changed()
	}
}

// Set gives a setting a value, now and for later starts. The value is in the local file when
// Set returns. On an error it is as before.
func (c *Config) Set(section, name, value string) error {
	_, err := c.Put(Name{section, name}, value, true)
	return err
}

// Put is like Set, but it returns the old value, "" if none was set, and writes the file only
// if keep says so.
func (c *Config) Put(n Name, value string, keep bool) (old string, err error) {
	if err := check(n, value); err != nil {
		return "", err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	return c.put(n, value, keep)
}

// Swap is like Set, but it does nothing and returns false if the setting no longer has the value old, ""
// if none is set.
func (c *Config) Swap(section, name, old, value string) (done bool, err error) {
	n := Name{section, name}
	if err := check(n, value); err != nil {
		return false, err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	if (*c.now.Load())[n].text != old {
		return false, nil
	}
	if c.isShared(n) {
		before := c.common.Values[n]
		return c.change(func(all map[Name]string) bool {
			if all[n] != before {
				return false
			}
			all[n] = value
			return true
		}, n)
	}
	_, err = c.put(n, value, true)
	return err == nil, err
}

// put is called with changing held.
func (c *Config) put(n Name, value string, keep bool) (old string, err error) {
	now := *c.now.Load()
	next := maps.Clone(now)
	next[n] = entry{value, OfMemory}
	if err := next.checkRoom(now); err != nil {
		return "", err
	}
	if keep && c.isShared(n) {
		if err := fits(n, value); err != nil {
			return "", fmt.Errorf("set %s: %w", n, err)
		}
		_, err := c.change(func(all map[Name]string) bool { all[n] = value; return true }, n)
		if err != nil {
			return "", fmt.Errorf("set %s: %w", n, err)
		}
		return now[n].text, nil
	}
	if keep {
		next[n] = entry{value, OfLocal}
		want := c.local.values()
		want[n] = value
		if err := c.write(n, want, func(f *file) { f.set(n, value) }); err != nil {
			return "", fmt.Errorf("set %s: %w", n, err)
		}
	}
	c.now.Store(&next)
	c.tell()
	return now[n].text, nil
}

// Delete removes a setting, also from the local file if keep says so. Its default is in force
// from now on. The operator's file counts again after the next start or Reload. Delete returns
// the old value; found tells whether anything was set.
func (c *Config) Delete(n Name, keep bool) (old string, found bool, err error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	now := *c.now.Load()
	e, found := now[n]
	if !found {
		return "", false, nil
	}
	if keep && c.isShared(n) {
		if _, err := c.change(func(all map[Name]string) bool { delete(all, n); return true }); err != nil {
			return "", false, fmt.Errorf("delete %s: %w", n, err)
		}
	} else if keep {
		want := c.local.values()
		delete(want, n)
		if err := c.write(n, want, func(f *file) { f.delete(n); f.dropEmpty(n.Section) }); err != nil {
			return "", false, fmt.Errorf("delete %s: %w", n, err)
		}
	}
	next := maps.Clone(*c.now.Load())
	delete(next, n)
	c.now.Store(&next)
	c.tell()
	return e.text, true, nil
}

// Reload reads the files again, and what is shared. On an error, which names the file and the setting,
// everything stays as it was.
func (c *Config) Reload() error {
	c.changing.Lock()
	defer c.changing.Unlock()
	common := c.common
	if c.shared != nil {
		var err error
		if common, err = c.shared.Read(); err != nil {
			return err
		}
	}
	if err := c.read(c.shared, common); err != nil {
		return err
	}
	c.tell()
	return nil
}

// write changes one setting of the local file. changing is held, so no change is lost. The new
// text is parsed before it replaces the old file. If any setting in it is not as wanted,
// nothing changes.
func (c *Config) write(n Name, want map[Name]string, change func(*file)) error {
	next := c.local.clone()
	change(next)
	text := next.text()
	reread, err := parse(text)
	if err != nil || !maps.Equal(reread.values(), want) {
		part := "key"
		if commentIn(want[n]) >= 0 {
			part = "value"
		}
		return &FormError{n, part}
	}
	if c.opt.Local != "" {
		if err := durable.Replace(c.opt.Local, text, 0o600); err != nil { // it has secrets
			return err
		}
	}
	c.local = reread
	return nil
}
