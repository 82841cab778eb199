package config

import "fmt"

// Watch has a function called after every change. It is called with the new values in
// force, before Set, Delete or Reload returns, one change after the other; it reads
// settings as it likes and must not change any.
func (c *Config) Watch(changed func()) {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.watchers = append(c.watchers, changed)
}

// tell is called with changing held.
func (c *Config) tell() {
	for _, changed := range c.watchers {
		changed()
	}
}

// Set gives a setting a value, from now on and for later starts: it is in the local
// file when Set returns. On an error the value is as before.
func (c *Config) Set(section, name, value string) error {
	_, err := c.Put(Name{section, name}, value, true)
	return err
}

// Put is Set for whoever wants to know the value that was in force before, or does not
// want the new one to outlive this process.
func (c *Config) Put(n Name, value string, keep bool) (old string, err error) {
	row, err := lookup(n)
	if err != nil {
		return "", err
	}
	if err := row.check(value); err != nil {
		return "", err
	}
	if err := checkWritable(n); err != nil {
		return "", err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	old = row.Default
	if e, ok := (*c.now.Load())[n]; ok {
		old = e.text
	}
	from := OfMemory
	if keep {
		from = OfLocal
		if err := c.write(func(f *file) { f.set(n, value) }); err != nil {
			return "", fmt.Errorf("set %s: %w", n, err)
		}
	}
	c.now.Store(c.with(func(v values) { v[n] = entry{value, from} }))
	c.tell()
	return old, nil
}

// Delete takes a setting out of the local file, if keep says so, and its default is in
// force from now on. What the operator's file says counts again at the next start or
// Reload. It returns what was in force; found tells whether anything was set.
func (c *Config) Delete(n Name, keep bool) (old string, found bool, err error) {
	row, err := lookup(n)
	if err != nil {
		return "", false, err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	e, found := (*c.now.Load())[n]
	if !found {
		return row.Default, false, nil
	}
	if keep {
		if err := c.write(func(f *file) { f.delete(n) }); err != nil {
			return "", false, fmt.Errorf("delete %s: %w", n, err)
		}
	}
	c.now.Store(c.with(func(v values) { delete(v, n) }))
	c.tell()
	return e.text, true, nil
}

// Reload reads the files again. On an error, which names the file and the setting,
// everything stays as it was.
func (c *Config) Reload() error {
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.read(); err != nil {
		return err
	}
	c.tell()
	return nil
}

// write changes the local file; changing is held, so that two changes do not lose one
// another.
func (c *Config) write(change func(*file)) error {
	next, err := c.local.clone()
	if err != nil {
		return err
	}
	change(next)
	if c.opt.Local != "" {
		if err := next.save(c.opt.Local); err != nil {
			return err
		}
	}
	c.local = next
	return nil
}
