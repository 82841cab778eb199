package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Shared is where processes that share a storage keep the settings that they have in common. What
// belongs to a process (Own) stays with it.
type Shared interface {
	// Read returns what is set.
	Read() (Common, error)
	// Change has fn change what is set, in one transaction, and returns the outcome. fn may be called
	// again from the start. If it returns false, nothing changes.
	Change(fn func(all map[Name]string) bool) (Common, error)
}

// Common is what the processes have set at one time.
type Common struct {
	Version uint64 // greater after each change
	Values  map[Name]string
}

// own tells whether a setting is each process's own.
func own(n Name) bool {
	row, _ := lookup(n)
	return row.Is(Own)
}

// isShared tells whether a change of the setting is one for all processes.
func (c *Config) isShared(n Name) bool { return c.shared != nil && !own(n) }

// Share has the settings read and written with other processes from now on. What the server's own
// file says of them counts no more: it has what is left from when the process was alone.
func (c *Config) Share(with Shared) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	common, err := with.Read()
	if err != nil {
		return fmt.Errorf("read the settings of all processes: %w", err)
	}
	if err := c.read(with, common); err != nil {
		return err
	}
	c.tell()
	return nil
}

// Common returns what the server's own file says of settings that processes share: for those who
// begin to.
func (c *Config) Common() map[Name]string {
	c.changing.Lock()
	defer c.changing.Unlock()
	found := c.local.values()
	maps.DeleteFunc(found, func(n Name, _ string) bool { return own(n) })
	return found
}

// Heard takes in what the processes have set, which may be old news. A value that has changed counts
// here as it does for the process that has changed it: over all others.
func (c *Config) Heard(common Common) {
	c.changing.Lock()
	defer c.changing.Unlock()
	if common.Version <= c.common.Version && !common.is(c.common) {
		// Or the storage was put back. What is read now is no older than what this process knows; if it cannot be
		// read, old news do not last: others follow.
		if now, err := c.shared.Read(); err == nil {
			common = now
		}
	}
	c.heard(common)
}

// is tells whether two are the same.
func (c Common) is(other Common) bool {
	return c.Version == other.Version && maps.Equal(c.Values, other.Values)
}

// heard is called with changing held, for what was read or changed since. Of the settings that are named the value counts
// even if it has not changed: it was set here just now, perhaps over one that was not kept.
func (c *Config) heard(common Common, set ...Name) {
	if common.Version == 0 || common.is(c.common) { // the server goes on with what it has where nothing was ever set
		return
	}
	next := maps.Clone(*c.now.Load())
	for n := range c.common.Values {
		if _, still := common.Values[n]; !still {
			delete(next, n)
		}
	}
	for n, value := range common.Values {
		if before, was := c.common.Values[n]; !was || before != value || slices.Contains(set, n) || next[n].text != value && next[n].from == OfShared {
			next[n] = entry{value, OfShared}
		}
	}
	c.common = common
	c.now.Store(&next)
	c.tell()
}

// change changes what is shared, and takes the outcome in. It is told which settings get a value. changing is held.
func (c *Config) change(fn func(all map[Name]string) bool, set ...Name) (done bool, err error) {
	common, err := c.shared.Change(func(all map[Name]string) bool {
		done = fn(all)
		return done
	})
	if err != nil {
		return false, err
	}
	if !done {
		set = nil
	}
	c.heard(common, set...)
	return done, nil
}

// fits refuses what could not be written into a file: all settings may have to be, for a backup.
func fits(n Name, value string) error {
	f := &file{}
	f.set(n, value)
	reread, err := parse(f.text())
	if err == nil && maps.Equal(reread.values(), map[Name]string{n: value}) {
		return nil
	}
	if _, ok := errors.AsType[*RoomError](err); ok {
		return err
	}
	part := "key"
	if commentIn(value) >= 0 {
		part = "value"
	}
	return &FormError{n, part}
}
