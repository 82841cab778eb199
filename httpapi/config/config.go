package config

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"
)

// Options say where the settings come from.
type Options struct {
	File      string          // the operator's file; "" for none. It must exist
	Local     string          // the server's own file, made by the first Set; "": Set keeps values in memory only
	Overrides map[Name]string // from flags and the environment; they are not written to a file
}

// Config is the settings of one server. It is safe for use by several goroutines.
//
// The getters take a section and name of the table of settings and panic on one that
// is not there, or that is asked for as the wrong kind: that is a mistake in the
// program, never in a file.
type Config struct {
	path      string          // of the local file; "" for none
	operators map[Name]string // what the operator's file says

	mu     sync.RWMutex // guards what follows
	values map[Name]string
	local  *file
}

// Open reads the settings. An error names the file, the setting, and what it may be.
func Open(opt Options) (*Config, error) {
	c := &Config{path: opt.Local, values: map[Name]string{}, local: newFile()}
	if opt.File != "" {
		f, err := readFile(opt.File, true)
		if err != nil {
			return nil, err
		}
		c.operators = f.values()
		maps.Copy(c.values, c.operators)
	}
	if opt.Local != "" {
		f, err := readFile(opt.Local, false)
		if err != nil {
			return nil, err
		}
		maps.Copy(c.values, f.values())
		c.local = f
	}
	for name, value := range opt.Overrides {
		if err := check(name, value); err != nil {
			return nil, err
		}
		c.values[name] = value
	}
	return c, nil
}

func check(name Name, value string) error {
	row, err := lookup(name)
	if err != nil {
		return err
	}
	return row.check(value)
}

// get returns the value in force, and the row that describes it.
func (c *Config) get(section, name string, kinds ...Kind) string {
	n := Name{section, name}
	row, err := lookup(n)
	if err != nil {
		panic(err)
	}
	ok := len(kinds) == 0
	for _, k := range kinds {
		ok = ok || k == row.Kind
	}
	if !ok {
		panic(fmt.Sprintf("config: %s is asked for as %s and is %s", n, kinds[0], row.Kind))
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if value, ok := c.values[n]; ok {
		return value
	}
	return row.Default
}

// String returns a setting of any kind as it is written.
func (c *Config) String(section, name string) string { return c.get(section, name) }

// Bool returns a setting that is true or false.
func (c *Config) Bool(section, name string) bool { return c.get(section, name, Bool) == "true" }

// Int returns a count, a size in bytes, a limit (0 for infinity) or a port.
func (c *Config) Int(section, name string) int64 {
	n, _ := strconv.ParseInt(c.get(section, name, Size, Count, Port, Limit), 10, 64)
	return n
}

// Duration returns a setting given in seconds.
func (c *Config) Duration(section, name string) time.Duration {
	return seconds(c.get(section, name, Seconds))
}

// List returns the words of a list, without the blanks around them.
func (c *Config) List(section, name string) []string {
	return splitList(c.get(section, name, List))
}

// Level returns the least level that is logged.
func (c *Config) Level() slog.Level { return levels[c.get("log", "level", Level)] }

// Listen returns the address to listen on, HOST:PORT.
func (c *Config) Listen() string {
	return net.JoinHostPort(c.String("chttpd", "bind_address"), c.String("chttpd", "port"))
}

// Section returns what is set in a section, defaults left out: the administrators
// and their hashes, for one.
func (c *Config) Section(section string) map[string]string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := map[string]string{}
	for n, value := range c.values {
		if n.Section == section {
			found[n.Name] = value
		}
	}
	return found
}

// Set gives a setting a value, from now on and for later starts: it is in the local
// file when Set returns. On an error the value is as before.
func (c *Config) Set(section, name, value string) error {
	n := Name{section, name}
	if err := check(n, value); err != nil {
		return err
	}
	if err := checkWritable(n); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.write(func(f *file) { f.set(n, value) }); err != nil {
		return fmt.Errorf("set %s: %w", n, err)
	}
	c.values[n] = value
	return nil
}

// Delete takes a setting out of the local file; its default is in force from now on,
// though what the operator's file says counts again at the next start.
func (c *Config) Delete(section, name string) error {
	n := Name{section, name}
	if _, err := lookup(n); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.write(func(f *file) { f.delete(n) }); err != nil {
		return fmt.Errorf("delete %s: %w", n, err)
	}
	delete(c.values, n)
	return nil
}

// write changes the local file; the lock is held, so that two changes do not lose
// one another.
func (c *Config) write(change func(*file)) error {
	next, err := c.local.clone()
	if err != nil {
		return err
	}
	change(next)
	if c.path != "" {
		if err := next.save(c.path); err != nil {
			return err
		}
	}
	c.local = next
	return nil
}

// FromFile returns what the operator's file sets in a section, whatever the server's
// own file says.
func (c *Config) FromFile(section string) map[string]string {
	found := map[string]string{}
	for n, value := range c.operators {
		if n.Section == section {
			found[n.Name] = value
		}
	}
	return found
}
