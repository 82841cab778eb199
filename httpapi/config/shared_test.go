package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
)

// common is what processes share, in memory.
type common struct {
	mu      sync.Mutex
	version uint64
	values  map[config.Name]string
}

func (c *common) Read() (config.Common, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return config.Common{Version: c.version, Values: maps.Clone(c.values)}, nil
}

func (c *common) Change(fn func(map[config.Name]string) bool) (config.Common, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := maps.Clone(c.values)
	if next == nil {
		next = map[config.Name]string{}
	}
	if fn(next) {
		c.values = next
		c.version++
	}
	return config.Common{Version: c.version, Values: maps.Clone(c.values)}, nil
}

func TestSharedSettings(t *testing.T) {
	storage := &common{}
	begin := func(local string, opt config.Options) (*config.Config, string) {
		t.Helper()
		opt.Local = filepath.Join(t.TempDir(), "local.ini")
		if err := os.WriteFile(opt.Local, []byte(local), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Share(storage); err != nil {
			t.Fatal(err)
		}
		return c, opt.Local
	}
	a, fileA := begin("[chttpd]\nport = 1234\nallow_jsonp = true\n", config.Options{})
	b, _ := begin("", config.Options{Flags: map[config.Name]string{{Section: "chttpd", Name: "enable_cors"}: "true"}})
	if a.String("chttpd", "port") != "1234" {
		t.Error("a process's own setting does not count")
	}
	if a.Bool("chttpd", "allow_jsonp") {
		t.Error("what the file says of a setting of all processes counts")
	}
	heard := -1 // it is called at once, too
	b.Watch(func() { heard++ })
	old, _ := storage.Read()
	if err := a.Set("couchdb", "max_document_size", "777"); err != nil {
		t.Fatal(err)
	}
	if err := a.Set("chttpd", "enable_cors", "false"); err != nil {
		t.Fatal(err)
	}
	if err := a.Set("chttpd", "port", "99"); err != nil {
		t.Fatal(err)
	}
	now, _ := storage.Read()
	if n := len(now.Values); n != 2 {
		t.Errorf("%d settings are shared: %v", n, now.Values)
	}
	text, err := os.ReadFile(fileA)
	if err != nil || !strings.Contains(string(text), "port = 99") || strings.Contains(string(text), "777") {
		t.Errorf("the process's own file: %s %v", text, err)
	}
	b.Heard(now)
	b.Heard(old) // comes late, and is old news
	if got := b.Int("couchdb", "max_document_size"); got != 777 || heard != 1 {
		t.Errorf("the other process has %d and heard %d times", got, heard)
	}
	if b.Bool("chttpd", "enable_cors") {
		t.Error("a change does not count over a flag, as it does where it was made")
	}
	one, _ := b.ShowOne(config.Name{Section: "couchdb", Name: "max_document_size"})
	if one.From != config.OfShared {
		t.Errorf("it comes from %s", one.From)
	}
	if _, found, err := b.Delete(config.Name{Section: "couchdb", Name: "max_document_size"}, true); err != nil || !found {
		t.Fatal(found, err)
	}
	now, _ = storage.Read()
	a.Heard(now)
	if got := a.Int("couchdb", "max_document_size"); got != 8000000 {
		t.Errorf("after it was deleted elsewhere it is %d", got)
	}
	if err := a.Set("x", "y=", "a ;b"); err == nil {
		t.Error("a value that no file can hold is taken")
	}

	// Of two that set what was not there, one does.
	if done, err := a.Swap("admins", "jan", "", "one"); !done || err != nil {
		t.Errorf("the first: %v %v", done, err)
	}
	if done, err := b.Swap("admins", "jan", "", "two"); done || err != nil {
		t.Errorf("the second: %v %v", done, err)
	}
	if got := b.Section("admins")["jan"]; got != "one" {
		t.Errorf("the second has %q", got)
	}
	// A reload reads all again.
	if err := a.Set("x", "y", "z"); err != nil {
		t.Fatal(err)
	}
	if err := b.Reload(); err != nil || b.Section("x")["y"] != "z" || !b.Bool("chttpd", "enable_cors") {
		t.Errorf("after a reload: %v %v", b.Section("x"), err)
	}
	kept := a.Kept()
	if kept[config.Name{Section: "x", Name: "y"}] != "z" || kept[config.Name{Section: "chttpd", Name: "port"}] != "99" || kept[config.Name{Section: "chttpd", Name: "allow_jsonp"}] != "" {
		t.Errorf("a backup has %v", kept)
	}
	if err := b.PutAll(map[config.Name]string{{Section: "x", Name: "y"}: "w", {Section: "chttpd", Name: "port"}: "5"}); err != nil {
		t.Fatal(err)
	}
	now, _ = storage.Read()
	if now.Values[config.Name{Section: "x", Name: "y"}] != "w" || b.String("chttpd", "port") != "5" || b.Section("x")["y"] != "w" {
		t.Errorf("restored: %v, port %s", now.Values, b.String("chttpd", "port"))
	}
}

// A storage that was put back has settings of an earlier version, from which others go on: they count, and so does what is set
// from then on.
func TestSharedSettingsPutBack(t *testing.T) {
	storage := &common{}
	a, b := sharing(t, storage), sharing(t, storage)
	hear := func() {
		now, _ := storage.Read()
		a.Heard(now)
		b.Heard(now)
	}
	set := func(value string) {
		t.Helper()
		if err := a.Set("admins", "jan", value); err != nil {
			t.Fatal(err)
		}
	}
	is := func(when, want string) {
		t.Helper()
		for name, c := range map[string]*config.Config{"a": a, "b": b} {
			if got := c.Section("admins")["jan"]; got != want {
				t.Errorf("%s %s has %q, not %q", when, name, got, want)
			}
		}
	}
	set("first")
	kept, _ := storage.Read()
	set("second")
	set("third")
	hear()
	is("before", "third")
	storage.version, storage.values = kept.Version, kept.Values
	hear()
	is("put back,", "first")
	set("anew")
	if got := a.Section("admins")["jan"]; got != "anew" {
		t.Errorf("where it was set it is %q", got)
	}
	hear()
	is("changed since,", "anew")

	// What one has not heard of in between has the version that it knows.
	storage.version, storage.values = kept.Version, kept.Values
	if err := b.Set("admins", "jan", "other"); err != nil {
		t.Fatal(err)
	}
	hear()
	is("with the same version,", "other")
}

// sharing is a process that shares a storage.
func sharing(t *testing.T, storage *common) *config.Config {
	t.Helper()
	c, err := config.Open(config.Options{})
	if err == nil {
		err = c.Share(storage)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
