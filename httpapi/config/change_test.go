package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestChangesAreTold(t *testing.T) {
	local := filepath.Join(t.TempDir(), "local.ini")
	c := open(t, Options{Local: local, Flags: map[Name]string{{"log", "level"}: "debug"}})
	var seen []int64
	c.Watch(func() { seen = append(seen, c.Int("couchdb", "max_document_size")) })
	size := Name{"couchdb", "max_document_size"}
	if old, err := c.Put(size, "50000000", true); err != nil || old != "" {
		t.Errorf("old value %q, %v", old, err)
	}
	if old, err := c.Put(size, "60000000", false); err != nil || old != "50000000" {
		t.Errorf("old value %q, %v", old, err)
	}
	if _, err := c.Put(size, "many", true); err == nil {
		t.Error("a bad value was taken")
	}
	if err := c.Reload(); err != nil { // what was not to be kept is gone
		t.Fatal(err)
	}
	if old, found, err := c.Delete(size, true); err != nil || !found || old != "50000000" {
		t.Errorf("deleted %q, %v, %v", old, found, err)
	}
	if old, found, err := c.Delete(size, true); err != nil || found || old != "" {
		t.Errorf("deleted again: %q, %v, %v", old, found, err)
	}
	if want := []int64{8000000, 50000000, 60000000, 50000000, 8000000}; !reflect.DeepEqual(seen, want) {
		t.Errorf("told of %v, want %v", seen, want)
	}
	if err := c.Set("log", "level", "error"); err != nil || c.String("log", "level") != "error" {
		t.Errorf("a flag holds off a change: %v", err)
	}
	if err := c.Reload(); err != nil || c.String("log", "level") != "debug" {
		t.Errorf("after a reload the flag counts again: %q, %v", c.String("log", "level"), err)
	}
}

func TestReloadOfABadFileChangesNothing(t *testing.T) {
	file := write(t, "[couchdb]\nmax_dbs_open = 7\n")
	c := open(t, Options{File: file})
	told := 0
	c.Watch(func() { told++ })
	if err := os.WriteFile(file, []byte("[couchdb]\nmax_dbs_open = 8\nmax_document_size = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(); err == nil || !strings.Contains(err.Error(), file) || c.Int("couchdb", "max_dbs_open") != 7 {
		t.Errorf("%v, max_dbs_open %d", err, c.Int("couchdb", "max_dbs_open"))
	}
	if told != 1 {
		t.Errorf("told of %d changes", told-1)
	}
}

// What changes between the first reading and the watch is not missed.
func TestChangeBeforeTheWatch(t *testing.T) {
	c := open(t, Options{})
	read := func() int64 { return c.Int("couchdb", "max_document_size") }
	now := read()
	if err := c.Set("couchdb", "max_document_size", "777"); err != nil { // somebody else
		t.Fatal(err)
	}
	c.Watch(func() { now = read() })
	if now != 777 {
		t.Errorf("%d is known, and 777 is in force", now)
	}
}

// A server whose own file is away, or is just being written by an editor, stays who it is, and so does the next one.
func TestReloadOfALostFileChangesNothing(t *testing.T) {
	local := write(t, "[couchdb]\nuuid = u\n[chttpd_auth]\nsecret = s\n[admins]\nann = hash\n")
	c := open(t, Options{Local: local})
	whole, err := os.ReadFile(local)
	if err != nil {
		t.Fatal(err)
	}
	for what, lose := range map[string]func() error{
		"away":  func() error { return os.Remove(local) },
		"empty": func() error { return os.WriteFile(local, nil, 0o600) },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if err := c.Reload(); err == nil || !strings.Contains(err.Error(), local) || c.String("couchdb", "uuid") != "u" || len(c.Section("admins")) != 1 {
			t.Errorf("%s: %v, uuid %q, administrators %v", what, err, c.String("couchdb", "uuid"), c.Section("admins"))
		}
		if err := c.Set("log", "level", "debug"); err != nil {
			t.Fatal(err)
		}
		if next := open(t, Options{Local: local}); next.String("couchdb", "uuid") != "u" || next.String("chttpd_auth", "secret") != "s" || len(next.Section("admins")) != 1 {
			t.Errorf("%s: after the next start the uuid is %q", what, next.String("couchdb", "uuid"))
		}
		if err := os.WriteFile(local, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.Reload(); err != nil {
			t.Errorf("%s, and back: %v", what, err)
		}
	}
}

func TestWhereValuesComeFrom(t *testing.T) {
	c := open(t, Options{
		File:        write(t, "[couchdb]\nmax_dbs_open = 7\n[chttpd]\nport = 1\nbind_address = a\n[log]\nlevel = info\n"),
		Local:       write(t, "[chttpd]\nport = 2\nbind_address = b\n[log]\nlevel = error\n[admins]\nroot = hash\n"),
		Environment: map[Name]string{{"log", "level"}: "debug", {"chttpd", "bind_address"}: "c"},
		Flags:       map[Name]string{{"chttpd", "bind_address"}: "d"},
	})
	if _, err := c.Put(Name{"cors", "origins"}, "*", false); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range c.Show("") {
		got[s.Name.String()] = s.Value + " of " + s.From.String()
	}
	for name, want := range map[string]string{
		"[couchdb] max_dbs_open": "7 of file", "[chttpd] port": "2 of local.ini", "[log] level": "debug of environment",
		"[chttpd] bind_address": "d of command line", "[cors] origins": "* of memory", "[cors] max_age": "600 of default",
		"[admins] root": "**** of local.ini", "[chttpd_auth] secret": "",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if one, ok := c.ShowOne(Name{"admins", "root"}); !ok || one.Value != Mask {
		t.Errorf("root is %q, %v", one.Value, ok)
	}
	if _, ok := c.ShowOne(Name{"admins", "nobody"}); ok {
		t.Error("there is a nobody")
	}
}

func TestSwitchesInTwoSections(t *testing.T) {
	c := open(t, Options{})
	for _, s := range []struct {
		section, name, value string
		cors, valid          bool
	}{
		{"httpd", "enable_cors", "true", true, false},
		{"chttpd", "enable_cors", "false", false, false},
		{"chttpd", "enable_cors", "true", true, false},
		{"chttpd_auth", "require_valid_user", "true", true, true},
		{"chttpd_auth", "require_valid_user", "false", true, false},
		{"chttpd", "require_valid_user", "true", true, true},
	} {
		if err := c.Set(s.section, s.name, s.value); err != nil {
			t.Fatal(err)
		}
		if got := c.Bool("chttpd", "enable_cors"); got != s.cors || c.RequireValidUser() != s.valid {
			t.Errorf("after [%s] %s = %s: enable_cors %v, require_valid_user %v", s.section, s.name, s.value, got, c.RequireValidUser())
		}
	}
}

func TestReadersSeeWholeChanges(t *testing.T) {
	c := open(t, Options{})
	var readers sync.WaitGroup
	end := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if d := c.Duration("chttpd_auth", "timeout"); d != 10*time.Minute && d != time.Minute {
					t.Errorf("timeout %v", d)
					return
				}
			}
		})
	}
	for range 100 {
		if err := c.Set("chttpd_auth", "timeout", "60"); err != nil {
			t.Error(err)
		}
		if _, _, err := c.Delete(Name{"chttpd_auth", "timeout"}, true); err != nil {
			t.Error(err)
		}
	}
	close(end)
	readers.Wait()
}

// A change, in a file that somebody has written, is there at the next start together with
// all that was there before; or it is refused, and the file is as it was.
func FuzzSavedAndRead(f *testing.F) {
	f.Add("[admins]\na = b\n", "admins", "b", `"""x`)
	f.Add("[chttpd]\n; c\nport = 80\n", "log", "level", "`")
	f.Add("[cors]\norigins = `\"\"\"x`\n", "cors", "headers", "a")
	f.Add("[cors]\nheaders = \"a\"\n#\n", "cors", "origins", "a\\")
	f.Add("", "admins", "\ufeff", "\ufeff x ; y # z = \"q\"")
	f.Add("\ufeff[a]\r\nb=c\r\n\r\n; d\r\n[a]\r\nb = e", "a", "b", "")
	f.Add("[a]\nb = c", "app: 1", "hmac:x=", "==")
	f.Add("[a]\nb = c\n", "a", "x = y", "z")
	f.Add("[a]\n=\n", "[a]", ";", "[b]")
	f.Add("[chttpd]\nport = 1 = 2\n", "DEFAULT", "ü\u2028", "two\nlines")
	f.Add("[a] ; of the application\nb\t=\tc", "a", "", "x")
	f.Fuzz(func(t *testing.T, text, section, name, value string) {
		local := filepath.Join(t.TempDir(), "local.ini")
		if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(Options{Local: local})
		if err != nil {
			return
		}
		want, changed := c.local.values(), Name{section, name}
		if c.Set(section, name, value) == nil {
			want[changed] = value
		} else if after, err := os.ReadFile(local); err != nil || string(after) != text {
			t.Fatalf("a refused change has made %q of %q, %v", after, text, err)
		}
		again, err := Open(Options{Local: local})
		if err != nil {
			t.Fatalf("%q after [%s] %q = %q: %v", text, section, name, value, err)
		}
		if got := again.local.values(); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(c.local.values(), want) {
			t.Fatalf("%q after [%s] %q = %q: %q, want %q", text, section, name, value, got, want)
		}
		if _, there := want[changed]; !there {
			return
		}
		if _, _, err := c.Delete(changed, true); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		delete(want, changed)
		if again, err = Open(Options{Local: local}); err != nil || !reflect.DeepEqual(again.local.values(), want) {
			t.Fatalf("%q after the deletion of [%s] %q: %q, %v, want %q", text, section, name, again.local.values(), err, want)
		}
	})
}

var update = flag.Bool("update", false, "write docs/configuration.md")

func TestTheManualIsUpToDate(t *testing.T) {
	const path = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(path, []byte(manual()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != manual() {
		t.Errorf("docs/configuration.md is not what the table of settings says; run \"make docs\" (%v)", err)
	}
}
