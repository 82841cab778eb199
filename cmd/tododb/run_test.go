package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// runFor runs a command to its end and returns what it printed.
func runFor(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := run(ctx, args, &out)
	return out.String(), err
}

// background runs a server in this process until stop is called, which returns how it ended.
func background(t *testing.T, args ...string) (base string, out *syncBuffer, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out = &syncBuffer{}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, args, out) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	listening := regexp.MustCompile(`listening on (http://\S+)/\n`)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := listening.FindStringSubmatch(out.String()); m != nil {
			return m[1], out, stop
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("serve ended: %v", err)
		default:
		}
	}
	t.Fatal("serve does not listen")
	return "", nil, nil
}

func get(t *testing.T, url, user, password string) int {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestVersion(t *testing.T) {
	out, err := runFor(t, "version")
	if err != nil || out != "tododb unversioned\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Setenv("TODODB_DATA", t.TempDir())
	broken := filepath.Join(t.TempDir(), "broken.ini")
	if err := os.WriteFile(broken, []byte("[chttpd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--config", broken}, "line 1: [chttpd is not"}, // systemd does not try again
		{[]string{"server"}, "server"},
		{[]string{"serve", "now"}, "now"},
		{[]string{"serve", "--prot", "1"}, "--prot"},
		{[]string{"serve", "--listen", "5984"}, "--listen"},
		{[]string{"serve", "--listen", "localhost:http"}, "a port from 0 to 65535"},
		{[]string{"serve", "--log-level", "loud"}, "debug, info"},
		{[]string{"serve", "--preset", "couchdb"}, "pouchdb, obsidian, rxdb"},
		{[]string{"serve", "--log-format", "xml"}, "auto, text or json"},
		{[]string{"--log-level", "loud"}, "debug, info"},
		{[]string{"replicate", "only-one"}, "TARGET"},
		{[]string{"replicate"}, "SOURCE"},
		{[]string{"version", "2"}, "2"},
	} {
		_, err := runFor(t, c.args...)
		if exitCode(err) != 2 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: exit %d, %v; want 2 and %q", c.args, exitCode(err), err, c.want)
		}
	}
}

func TestFoldersThatCannotServe(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "--data", missing}, {"compact", "--data", missing}, {"check", "--data", file},
		{"serve", "--data", file, "--listen", "127.0.0.1:0"},
		{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--config", missing},
	} {
		if _, err := runFor(t, args...); exitCode(err) != 1 {
			t.Errorf("%q: exit %d, %v", args, exitCode(err), err)
		}
	}
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("check made a folder: %v", err)
	}
}

func TestFirstStartMakesAnAdministrator(t *testing.T) {
	dir := t.TempDir()
	args := []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--log-level", "none"}
	base, out, stop := background(t, args...)
	m := regexp.MustCompile(`administrator admin with the password (\w+),`).FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("no password in %q", out)
	}
	if got := get(t, base+"/_all_dbs", "admin", m[1]); got != 200 {
		t.Errorf("the printed password: %d", got)
	}
	if got := get(t, base+"/_all_dbs", "", ""); got != 401 {
		t.Errorf("no password: %d", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	settings, err := os.ReadFile(filepath.Join(dir, "local.ini"))
	if err != nil || strings.Contains(string(settings), m[1]) || !strings.Contains(string(settings), "pbkdf2") {
		t.Errorf("local.ini: %v\n%s", err, settings)
	}

	base, out, stop = background(t, args...)
	if strings.Contains(out.String(), "password") {
		t.Errorf("the second start prints %q", out)
	}
	if got := get(t, base+"/_all_dbs", "admin", m[1]); got != 200 {
		t.Errorf("the password at the second start: %d", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(dir, "local.ini"))
	if err != nil || !bytes.Equal(again, settings) {
		t.Errorf("the second start changed local.ini:\n%s\n%s", settings, again)
	}
}

func TestAdministratorsOfTheOperator(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "tododb.ini")
	if err := os.WriteFile(file, []byte("[admins]\nann = ann's\n[chttpd_auth]\niterations = 10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TODODB_CONFIG", file)
	t.Setenv("TODODB_DATA", dir)
	t.Setenv("TODODB_LISTEN", "127.0.0.1:0")
	t.Setenv("TODODB_LOG_LEVEL", "none")
	t.Setenv("COUCHDB_USER", "bob")
	for _, password := range []string{"first", "first", "second"} {
		t.Setenv("COUCHDB_PASSWORD", password)
		before, _ := os.ReadFile(filepath.Join(dir, "local.ini"))
		base, out, stop := background(t)
		if strings.Contains(out.String(), "password") {
			t.Errorf("prints %q", out)
		}
		for _, c := range []struct {
			user, password string
			status         int
		}{{"bob", password, 200}, {"ann", "ann's", 200}, {"bob", "ann's", 401}, {"admin", "x", 401}} {
			if got := get(t, base+"/_all_dbs", c.user, c.password); got != c.status {
				t.Errorf("%s with %s: %d", c.user, c.password, got)
			}
		}
		after, _ := os.ReadFile(filepath.Join(dir, "local.ini"))
		if bytes.Equal(before, after) && password == "second" {
			t.Error("a new password left local.ini as it was")
		}
		if hashes := regexp.MustCompile(`(?m)-pbkdf2:sha256-\w+,\w+,10$`).FindAll(after, -1); len(hashes) != 2 {
			t.Errorf("%d hashes of two have ten iterations:\n%s", len(hashes), after)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("COUCHDB_PASSWORD", "")
	if _, err := runFor(t); exitCode(err) != 2 {
		t.Errorf("a user without a password: %v", err)
	}
}

func TestOneFolderOneProcess(t *testing.T) {
	dir := t.TempDir()
	args := []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--log-level", "none"}
	_, _, stop := background(t, args...)
	for _, args := range [][]string{args, {"check", "--data", dir}, {"compact", "--data", dir}} {
		if _, err := runFor(t, args...); !errors.Is(err, errInUse) {
			t.Errorf("%s: %v", args[0], err)
		}
	}
	if _, err := runFor(t, "backup", "there", "--data", dir); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "leave --data out") {
		t.Errorf("backup: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := runFor(t, "check", "--data", dir); err != nil || out != "databases checked: 2, problems: 0\n" { // the server's own
		t.Errorf("check afterwards: %q, %v", out, err)
	}
}

// What is no data folder is left as it is: a check that found nothing to check would be taken for a good one.
func TestWhatIsNoDataFolderIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, args := range [][]string{
		{"check", "--data", dir}, {"compact", "--data", dir}, {"backup", "there", "--data", dir}, {"move", "--from", dir, "--to", filepath.Join(dir, "to")},
	} {
		if _, err := runFor(t, args...); err == nil || !strings.Contains(err.Error(), "no data folder") {
			t.Errorf("%s: %v", args[0], err)
		}
	}
	for _, args := range [][]string{{"serve", "--data", "", "--listen", "127.0.0.1:0"}, {"check", "--data", ""}, {"restore", "there", "--data", ""}} {
		if _, err := runFor(t, args...); exitCode(err) != 2 || !strings.Contains(err.Error(), "--data") {
			t.Errorf("%s in a folder without a name: %v", args[0], err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestWrongWordsSayWhatIsRight(t *testing.T) {
	for says, args := range map[string][]string{
		"want HOST:PORT":                  {"serve", "--listen", "5984"},
		"want origins":                    {"serve", "--origins", "notes.example"},
		"not \"https://a.example/\"":      {"config", "--origins", "https://b.example,https://a.example/"},
		"does not begin with postgres://": {"serve", "--storage", "mysql://db/notes", "--data", t.TempDir()},
		"no such command":                 {"help", "nope"},
		"try tododb db --help":            {"help", "db", "creat"},
		"try tododb serve --help":         {"serve", "--prot", "5984"},
	} {
		if _, err := runFor(t, args...); exitCode(err) != 2 || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v; want %s", args, err, says)
		}
	}
	t.Setenv("TODODB_LISTEN", "5984")
	if _, err := runFor(t, "serve"); exitCode(err) != 2 || !strings.HasPrefix(err.Error(), "TODODB_LISTEN: want HOST:PORT") {
		t.Errorf("from the environment: %v", err)
	}
	if out, err := runFor(t, "help", "db", "create"); err != nil || !strings.HasPrefix(out, "create makes a database") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	out, err := runFor(t, "serve", "--data", t.TempDir(), "--listen", taken.Addr().String())
	if exitCode(err) != 1 || !strings.Contains(err.Error(), "address already in use: another program has that port") || out != "" {
		t.Errorf("%v, printed %q", err, out)
	}
}

func TestCheckAndCompact(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("COUCHDB_USER", testUser)
	t.Setenv("COUCHDB_PASSWORD", testPassword)
	base, _, stop := background(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--log-level", "none")
	for _, path := range []string{"/one", "/two%2Fin", "/one/doc"} {
		r, err := http.NewRequest("PUT", base+path, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(testUser, testPassword)
		answer, err := http.DefaultClient.Do(r)
		if err != nil || answer.StatusCode != 201 {
			t.Fatalf("PUT %s: %v %v", path, answer, err)
		}
		answer.Body.Close()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := runFor(t, "compact", "--data", dir); err != nil || strings.Count(out, "\n") != 4 || !strings.Contains(out, "two/in: ") {
		t.Errorf("compact: %q, %v", out, err)
	}
	if out, err := runFor(t, "check", "--data", dir, "one"); err != nil || out != "databases checked: 1, problems: 0\n" {
		t.Errorf("check: %q, %v", out, err)
	}
	if _, err := runFor(t, "check", "--data", dir, "three"); exitCode(err) != 6 || !strings.Contains(err.Error(), "three") {
		t.Errorf("check of what is not there: %v", err)
	}

	// A file that is not a database, and one that lost its end.
	file := filepath.Join(dir, "databases", "one.bolt")
	if err := os.WriteFile(file, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runFor(t, "check", "--data", dir)
	if exitCode(err) != 3 || !strings.Contains(out, "one") || strings.Contains(out, "two/in") {
		t.Errorf("check of a foreign file: exit %d, %q, %v", exitCode(err), out, err)
	}
}
