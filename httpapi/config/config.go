package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where the settings come from.
type Options struct {
	File        string          // the operator's file, which must exist; "" for none
	Local       string          // the server's own file, created by the first Set; "": Set keeps values in memory only
	Environment map[Name]string // from environment variables; not written to a file
	Flags       map[Name]string // from the command line; they take precedence over the environment
}

// Config has the settings of one server. It is safe for use by several goroutines.
//
// The getters take a section and a name from the table of settings. They panic if there is no
// such row, or if it is of another kind: that is a mistake in the program, never in a file.
// They take no lock, so a request may call them as often as it likes.
type Config struct {
	opt Options
	now atomic.Pointer[values] // what is in force; replaced, never changed

	// changing is held for a whole change, watchers included, so they hear of changes one
	// after the other.
	changing sync.Mutex
	local    *file
	filed    map[Name]string // what the operator's file says
	shared   Shared          // nil: this process is alone
	common   Common          // what shared had when it was last read
	watchers []func()
}

// values has what is set, and by whom. Everything else has its default.
type values map[Name]entry

type entry struct {
	text string
	from Origin
}

// Open reads the settings. An error names the file, the setting, and the allowed values.
func Open(opt Options) (*Config, error) {
	c := &Config{opt: opt}
	if err := c.read(nil, Common{}); err != nil {
		return nil, err
	}
	return c, nil
}

// errLost says that a file which had settings has none any more. Whoever went on without them would have another
// identity and other administrators, and would write that over what is put back later.
var errLost = errors.New("the file is missing or empty, and had settings when it was last read; put it back")

// read reads the files, then the environment and the flags, which take precedence, and last what
// a preset says of the rest. shared is what has the settings of all processes, and common what they are.
// On an error nothing has changed.
func (c *Config) read(shared Shared, common Common) error {
	filed, local, next := map[Name]string{}, &file{}, values{}
	if c.opt.File != "" {
		f, err := readFile(c.opt.File, true)
		if err != nil {
			return err
		}
		filed = f.values()
		next.add(filed, OfFile)
	}
	if c.opt.Local != "" {
		f, err := readFile(c.opt.Local, false)
		if err != nil {
			return err
		}
		values := f.values()
		if len(values) == 0 && c.local != nil && len(c.local.values()) > 0 {
			return &FileError{c.opt.Local, errLost}
		}
		if shared != nil {
			maps.DeleteFunc(values, func(n Name, _ string) bool { return !own(n) })
		}
		next.add(values, OfLocal)
		local = f
	}
	next.add(common.Values, OfShared)
	for _, from := range []struct {
		values map[Name]string
		origin Origin
	}{{c.opt.Environment, OfEnvironment}, {c.opt.Flags, OfFlag}} {
		for name, value := range from.values {
			if err := check(name, value); err != nil {
				return err
			}
		}
		next.add(from.values, from.origin)
	}
	next.addPreset()
	c.filed, c.local, c.shared, c.common = filed, local, shared, common
	c.now.Store(&next)
	return nil
}

func (v values) add(more map[Name]string, from Origin) {
	for n, text := range more {
		v[n] = entry{text, from}
	}
}

// get returns the value in force, and its row.
func (c *Config) get(section, name string, as reading) (string, *Setting) {
	n := Name{section, name}
	row, known := lookup(n)
	if !known {
		panic("config: no setting " + n.String())
	}
	if as != row.Kind.read && as != asText {
		panic(fmt.Sprintf("config: %s is %s and is asked for as something else", n, row.Kind))
	}
	if e, ok := c.find(n); ok && row.Kind.counts(e.text) {
		return e.text, row
	}
	return row.Default, row
}

// find returns what is set. A setting that nobody has set has the value that it has in the
// section where older programs write it, and one of a host the value that it has for all hosts.
func (c *Config) find(n Name) (entry, bool) {
	now := *c.now.Load()
	if e, ok := now[n]; ok {
		return e, true
	}
	if all, is := ofHost(n); is {
		e, ok := now[all]
		return e, ok
	}
	if row := rows[n]; row == nil || !row.Is(Older) {
		return entry{}, false
	}
	e, ok := now[Name{olderSection[n.Section], n.Name}]
	return e, ok
}

// String returns the text of a setting of any kind.
func (c *Config) String(section, name string) string {
	value, _ := c.get(section, name, asText)
	return value
}

// Bool returns a setting that is true or false.
func (c *Config) Bool(section, name string) bool {
	value, _ := c.get(section, name, asBool)
	return value == "true"
}

// Int returns a count, a size in bytes, a limit (0 for infinity) or a port.
func (c *Config) Int(section, name string) int64 {
	value, _ := c.get(section, name, asInt)
	n, _ := strconv.ParseInt(value, 10, 64)
	return n
}

// Float returns a share or a rate.
func (c *Config) Float(section, name string) float64 {
	value, _ := c.get(section, name, asFloat)
	f, _ := strconv.ParseFloat(value, 64)
	return f
}

// Duration returns a setting given in seconds or milliseconds.
func (c *Config) Duration(section, name string) time.Duration {
	value, row := c.get(section, name, asDuration)
	return row.Kind.duration(value)
}

// List returns the words of a list, without the blanks around them.
func (c *Config) List(section, name string) []string {
	value, _ := c.get(section, name, asList)
	return splitList(value)
}

// Level returns the lowest level that is logged.
func (c *Config) Level() slog.Level {
	value, _ := c.get("log", "level", asLevel)
	return levels[value] // an unknown word means info, as in CouchDB
}

// Listen returns the address to listen on, HOST:PORT.
func (c *Config) Listen() string {
	return net.JoinHostPort(host(c.String("chttpd", "bind_address")), c.String("chttpd", "port"))
}

// ListenTLS returns the same for HTTPS.
func (c *Config) ListenTLS() string {
	address, port := c.String("ssl", "bind_address"), c.String("ssl", "port")
	if _, ok := c.ACMEHosts(); ok {
		if !c.IsSet("ssl", "port") {
			port = "443"
		}
		return net.JoinHostPort(host(cmp.Or(address, "any")), port)
	}
	return net.JoinHostPort(host(cmp.Or(address, c.String("chttpd", "bind_address"))), port)
}

// ListenFigures returns the same for the figures' own port.
func (c *Config) ListenFigures() string {
	return net.JoinHostPort(host(c.String("prometheus", "bind_address")), c.String("prometheus", "port"))
}

// TLSVersions returns the oldest and the newest version of TLS, as numbers of the protocol.
func (c *Config) TLSVersions() (oldest, newest uint16) {
	list, _ := tlsVersions(c.String("ssl", "tls_versions")) // it has been checked
	return slices.Min(list), slices.Max(list)
}

// host reads CouchDB's word for every interface.
func host(address string) string {
	if address == "any" {
		return ""
	}
	return address
}

// IsSet tells whether anybody has set the setting, even to its default.
func (c *Config) IsSet(section, name string) bool {
	_, ok := c.find(Name{section, name})
	return ok
}

// Ways returns the ways of authentication in the order in which they are tried: cookie,
// default (Basic), proxy, jwt.
func (c *Config) Ways() []string {
	ways, _ := parseWays(c.String("chttpd", "authentication_handlers"))
	return ways
}

// RequireValidUser tells whether only known users are answered. Programs write it into either
// section.
func (c *Config) RequireValidUser() bool {
	return c.Bool("chttpd", "require_valid_user") || c.Bool("chttpd_auth", "require_valid_user")
}

// Section returns what is set in a section without defaults, such as the administrators and
// their hashes.
func (c *Config) Section(section string) map[string]string {
	found := map[string]string{}
	for n, e := range *c.now.Load() {
		if n.Section == section {
			found[n.Name] = e.text
		}
	}
	return found
}

// CORSHosts returns the sections [cors:HOST], by the host in lower case. Their settings are read
// like those of [cors], which has what they do not set.
func (c *Config) CORSHosts() map[string]string {
	found := map[string]string{}
	for n := range *c.now.Load() {
		if _, is := ofHost(n); is {
			host := strings.ToLower(strings.TrimPrefix(n.Section, perHost))
			if _, name, is := strings.Cut(host, "://"); is {
				host = name // the manual of CouchDB writes [cors:http://example.com]
			}
			found[host] = n.Section
		}
	}
	return found
}

// FromFile returns what the operator's file sets in a section, even if the server's own file
// says otherwise.
func (c *Config) FromFile(section string) map[string]string {
	c.changing.Lock()
	defer c.changing.Unlock()
	found := map[string]string{}
	for n, value := range c.filed {
		if n.Section == section {
			found[n.Name] = value
		}
	}
	return found
}
