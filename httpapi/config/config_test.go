package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/widetest"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tododb.ini")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, opt Options) *Config {
	t.Helper()
	c, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := open(t, Options{})
	if got := c.Int("couchdb", "max_document_size"); got != 8000000 {
		t.Errorf("max_document_size %d", got)
	}
	if got := c.Int("chttpd", "max_http_request_size"); got != 4294967296 {
		t.Errorf("max_http_request_size %d", got)
	}
	if got := c.Listen(); got != "127.0.0.1:5984" {
		t.Errorf("listen %q", got)
	}
	if c.Bool("chttpd", "enable_cors") || c.Duration("chttpd_auth", "timeout") != 10*time.Minute || c.Level() != slog.LevelInfo {
		t.Error("enable_cors, timeout or level")
	}
	if got := c.List("cors", "origins"); got != nil {
		t.Errorf("origins %q", got)
	}
	seen := map[Name]bool{}
	for _, row := range settings {
		if seen[row.Name] {
			t.Errorf("%s has two rows", row.Name)
		}
		seen[row.Name] = true
		if row.Name.Name != Any && row.check(row.Default) != nil {
			t.Errorf("default of %s: %v", row.Name, row.check(row.Default))
		}
		if row.Meaning == "" {
			t.Errorf("%s has no meaning", row.Name)
		}
	}
}

// As in CouchDB's files, a comment may stand behind a value, so a value has none in it.
func TestCommentsBehindValues(t *testing.T) {
	path := write(t, "[couchdb]\nmax_document_size = 4000000 ; bytes\nuri_file =\t;none\n[app]\na = x;y ; z ; w\nb = ;\n")
	c := open(t, Options{Local: path})
	if got := c.Int("couchdb", "max_document_size"); got != 4000000 {
		t.Errorf("max_document_size %d", got)
	}
	if got := c.Section("app"); got["a"] != "x;y" || got["b"] != ";" {
		t.Errorf("%q", got)
	}
	if _, err := c.Put(Name{"app", "a"}, "x ; y", true); !strings.HasSuffix(fmt.Sprint(err), "Invalid configuration value") {
		t.Errorf("a value with a comment in it: %v", err)
	}
	if _, err := c.Put(Name{"app", "a"}, "x; y", true); err != nil {
		t.Error(err)
	}
}

func TestTheNearerSourceCounts(t *testing.T) {
	file := write(t, "; the operator's\n[chttpd]\nport = 1001\nbind_address = ::\n[couchdb]\nmax_dbs_open = 7\n")
	local := write(t, "[chttpd]\nport = 1002\nenable_cors=true\n[cors]\norigins = http://a.example , app://obsidian.md\n")
	c := open(t, Options{File: file, Local: local, Flags: map[Name]string{{"chttpd", "enable_cors"}: "false"}})
	if got := c.Listen(); got != "[::]:1002" {
		t.Errorf("listen %q", got)
	}
	if got := c.FromFile("chttpd")["port"]; got != "1001" {
		t.Errorf("port of the operator's file %q", got)
	}
	if c.Int("couchdb", "max_dbs_open") != 7 || c.Bool("chttpd", "enable_cors") {
		t.Error("max_dbs_open or enable_cors")
	}
	if got, want := c.List("cors", "origins"), []string{"http://a.example", "app://obsidian.md"}; !reflect.DeepEqual(got, want) {
		t.Errorf("origins %q", got)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"[chttpd]\nport = 99999\n":               `[chttpd] port = "99999" is not a port from 0 to 65535`,
		"[chttpd]\nport = 1\n[ssl\n":             "line 3: [ssl is not a [section]",
		"[a]\n[b] c\n":                           "line 2: [b] c is not a [section]",
		"[a]\n = b\n":                            "line 2: = b is neither a [section] nor name = value",
		"[a]\nb = \x01\n":                        "[a] b: Invalid configuration value",
		"[a]\nb = " + strings.Repeat("x", 65537): "Invalid configuration value",
		"[chttpd]\nenable_cors = yes\n":          "is not true or false",
		"[couchdb]\nmax_document_size = 8M\n":    "a number of bytes",
		"port = 1\n":                             "before the first [section]",
		"[chttpd]\nport\n":                       "line 2: port is neither",
		"[admins]\nann = \n":                     `[admins] ann = "" is not a password of at least one character`,
		"[chttpd_auth]\nhash_algorithms=sha9\n":  `[chttpd_auth] hash_algorithms = "sha9" is not a list of sha, `,
		"[smoosh.mine]\npriority = x\n":          `[smoosh.mine] priority = "x" is not one of`,
	} {
		path := write(t, text)
		for _, opt := range []Options{{File: path}, {Local: path}} {
			_, err := Open(opt)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%q: %v, want the file and %q", text, err, want)
			}
		}
	}
	if _, err := Open(Options{File: filepath.Join(t.TempDir(), "none.ini")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	var bad *ValueError
	if _, err := Open(Options{Flags: map[Name]string{{"chttpd", "port"}: "x"}}); !errors.As(err, &bad) {
		t.Errorf("bad override: %v", err)
	}
}

func TestSetIsThereAtTheNextStart(t *testing.T) {
	local := write(t, "; keep me\n[chttpd]\nport = 1002\n")
	file := write(t, "[couchdb]\nmax_dbs_open = 7\n")
	c := open(t, Options{File: file, Local: local})
	for _, s := range [][3]string{
		{"couchdb", "uuid", "0123"}, {"admins", "root", `-pbkdf2:sha256-ab,12,600000`},
		{"admins", "o'brien: the 1st", `p;#%(x)s"'\`}, {"couchdb", "max_dbs_open", "9"},
	} {
		if err := c.Set(s[0], s[1], s[2]); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if got := c.Section("admins"); len(got) != 2 || got["o'brien: the 1st"] != `p;#%(x)s"'\` {
			t.Errorf("admins %q", got)
		}
		if c.String("couchdb", "uuid") != "0123" || c.Int("chttpd", "port") != 1002 || c.Int("couchdb", "max_dbs_open") != 9 {
			t.Error("uuid, port or max_dbs_open")
		}
		c = open(t, Options{File: file, Local: local})
	}
	text, _ := os.ReadFile(local)
	if !strings.Contains(string(text), "; keep me") {
		t.Errorf("the comment is gone:\n%s", text)
	}
	if info, _ := os.Stat(local); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(local), ".*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if _, _, err := c.Delete(Name{"admins", "root"}, true); err != nil {
		t.Fatal(err)
	}
	if _, there := open(t, Options{Local: local}).Section("admins")["root"]; there {
		t.Error("the deleted administrator is still there")
	}
}

func TestSetRefusesAndChangesNothing(t *testing.T) {
	local := filepath.Join(t.TempDir(), "local.ini")
	c := open(t, Options{Local: local})
	for _, s := range [][3]string{
		{"chttpd", "port", "x"}, {"admins", "a = b", "x"}, {"admins", "", "x"}, {"", "x", "x"},
		{"admins", "[x", "x"}, {"admins", "x", "two\nlines"}, {"admins", "x", "\xff"}, {"a]", "x", "y"}, {"a[", "x", "y"},
		{"admins", "x", strings.Repeat("x", 65537)}, {"admins", ";x", "y"}, {"app", "#x", "y"}, {"app", "x", " y"},
		{"app", "x", strings.Repeat("x", 65537)}, {"app", strings.Repeat("x", 1025), "y"}, {"app", "x\ny", "z"}, {"a\nb", "y", "z"},
	} {
		if err := c.Set(s[0], s[1], s[2]); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
	if _, err := os.Stat(local); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused value was written: %v", err)
	}
	gone := open(t, Options{Local: filepath.Join(t.TempDir(), "missing", "local.ini")})
	if err := gone.Set("chttpd", "port", "1"); err == nil || gone.Int("chttpd", "port") != 5984 {
		t.Errorf("a value that could not be written is in force: %v", err)
	}
}

// Whatever CouchDB takes as the level of its log keeps no server from starting.
func TestLevels(t *testing.T) {
	for word, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "1": slog.LevelDebug, "2": slog.LevelInfo, "notice": slog.LevelInfo, "3": slog.LevelInfo,
		"warn": slog.LevelWarn, "warning": slog.LevelWarn, "4": slog.LevelWarn, "err": slog.LevelError, "5": slog.LevelError,
		"crit": slog.LevelError, "emerg": slog.LevelError, "8": slog.LevelError, "none": LevelNone, "9": LevelNone,
		"nonsense": slog.LevelInfo,
	} {
		c := open(t, Options{File: write(t, "[log]\nlevel = "+word+"\n")})
		if got := c.Level(); got != want {
			t.Errorf("%s is %v, want %v", word, got, want)
		}
		if err := CheckLevel(word); (err != nil) != (word == "nonsense") {
			t.Errorf("%s on the command line: %v", word, err)
		}
	}
}

func TestListenOnEveryInterface(t *testing.T) {
	c := open(t, Options{File: write(t, "[chttpd]\nbind_address = any\nport = 1\n[ssl]\nport = 2\n")})
	if c.Listen() != ":1" || c.ListenTLS() != ":2" {
		t.Errorf("%q, %q", c.Listen(), c.ListenTLS())
	}
}

func TestWhatIsSetIsReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		section := rapid.OneOf(rapid.Just("admins"), rapid.String()).Draw(rt, "section")
		name := rapid.String().Draw(rt, "name")
		value := rapid.String().Draw(rt, "value")
		local := filepath.Join(t.TempDir(), "local.ini")
		c := open(t, Options{Local: local})
		if c.Set(section, name, value) != nil {
			return
		}
		c, err := Open(Options{Local: local})
		if err != nil {
			rt.Fatal(err)
		}
		if got := c.Section(section); len(got) != 1 || got[name] != value {
			rt.Fatalf("set [%q] %q = %q, read %q", section, name, value, got)
		}
	})
}

// A change leaves everything else in the file as somebody wrote it.
func TestAChangeKeepsTheRest(t *testing.T) {
	const before = "\ufeff; mine\r\n[b]\nx=1\n\n# two\n  y   =   2\n\n[a]\nz = 3\n[b]\nx = 4\n"
	local := write(t, before)
	c := open(t, Options{Local: local})
	if got := c.Section("b"); !reflect.DeepEqual(got, map[string]string{"x": "4", "y": "2"}) {
		t.Errorf("read as %q", got)
	}
	for _, step := range []struct{ section, name, value, want string }{
		{"b", "y", "5", "\ufeff; mine\r\n[b]\nx=1\n\n# two\ny = 5\n\n[a]\nz = 3\n[b]\nx = 4\n"},
		{"b", "x", "6", "\ufeff; mine\r\n[b]\nx = 6\n\n# two\ny = 5\n\n[a]\nz = 3\n[b]\n"},
		{"a", "w=", "=", "\ufeff; mine\r\n[b]\nx = 6\n\n# two\ny = 5\n\n[a]\nz = 3\nw= = =\n[b]\n"},
		{"new one", "v", "", "\ufeff; mine\r\n[b]\nx = 6\n\n# two\ny = 5\n\n[a]\nz = 3\nw= = =\n[b]\n\n[new one]\nv =\n"},
	} {
		if err := c.Set(step.section, step.name, step.value); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(local); err != nil || string(text) != step.want {
			t.Errorf("after [%s] %s = %s: %q, %v, want %q", step.section, step.name, step.value, text, err, step.want)
		}
	}
	for _, n := range []Name{{"new one", "v"}, {"a", "w="}, {"a", "z"}} {
		if _, found, err := c.Delete(n, true); err != nil || !found {
			t.Errorf("%s: %v, %v", n, found, err)
		}
	}
	const after = "\ufeff; mine\r\n[b]\nx = 6\n\n# two\ny = 5\n\n[b]\n"
	if text, err := os.ReadFile(local); err != nil || string(text) != after {
		t.Errorf("after deletions: %q, %v, want %q", text, err, after)
	}
}

// Settings of applications are kept, but not without end.
func TestUnknownSettingsAreBounded(t *testing.T) {
	widetest.Only(t)
	c := open(t, Options{})
	long := strings.Repeat("x", 1<<16)
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = c.Set("app", strconv.Itoa(n), long)
	}
	var full *RoomError
	if !errors.As(err, &full) || n < 60 || n > 65 {
		t.Errorf("after %d settings of 64 KiB: %v", n, err)
	}
	if err := c.Set("couchdb", "max_dbs_open", "7"); err != nil {
		t.Errorf("a known setting: %v", err)
	}
	if err := c.Set("app", "0", "shorter"); err != nil {
		t.Errorf("a shorter value: %v", err)
	}
	var text strings.Builder
	text.WriteString("[app]\n")
	for i := range 65 {
		fmt.Fprintf(&text, "k%d = %s\n", i, long)
	}
	if _, err := Open(Options{File: write(t, text.String())}); !errors.As(err, &full) {
		t.Errorf("a file with too much: %v", err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte("[admins]\na = b\n; c\n[log]\nlevel=debug\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parse(text)
		if err != nil {
			return
		}
		if again := parsed.text(); !bytes.Equal(again, text) {
			t.Fatalf("%q was written as %q", text, again)
		}
	})
}
