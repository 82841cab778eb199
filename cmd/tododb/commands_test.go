package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// shell runs the program as people do, against one server.
type shell struct {
	*testing.T
	server *process
	data   string // of the server
	dir    string // where the program runs
}

// said is what a command printed, and its exit code.
type said struct {
	out, err string
	code     int
}

func newShell(t *testing.T) *shell {
	t.Helper()
	data := t.TempDir()
	return &shell{t, startServer(t, data, ""), data, t.TempDir()}
}

func (s *shell) command(args ...string) *exec.Cmd {
	s.Helper()
	path, err := binary()
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "COUCHDB_USER="+testUser, "COUCHDB_PASSWORD="+testPassword, "TODODB_URL="+s.server.base)
	return cmd
}

func (s *shell) run(stdin string, args ...string) said {
	s.Helper()
	return s.ran(stdin, s.command(args...))
}

func (s *shell) ran(stdin string, cmd *exec.Cmd) said {
	s.Helper()
	var out, err bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &err
	cmd.Run()
	if cmd.ProcessState == nil {
		s.Fatalf("%s did not start", cmd)
	}
	return said{out.String(), err.String(), cmd.ProcessState.ExitCode()}
}

// ok wants a command to succeed, and returns what it printed.
func (s *shell) ok(stdin string, args ...string) string {
	s.Helper()
	got := s.run(stdin, args...)
	if got.code != 0 {
		s.Fatalf("%s: exit %d\n%s%s", args, got.code, got.out, got.err)
	}
	return got.out
}

// fails wants a command to fail with a code, and to say something.
func (s *shell) fails(code int, says string, args ...string) {
	s.Helper()
	if got := s.run("", args...); got.code != code || !strings.Contains(got.err, says) {
		s.Errorf("%s: exit %d, %q; want %d and %q", args, got.code, got.err, code, says)
	}
}

// file writes a file that commands find.
func (s *shell) file(name, text string) string {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return name
}

func TestCommandsSayWhatToDo(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for name, c := range map[string]struct {
		set  []string
		args []string
		code int
		says string
	}{
		"nobody listens":            {[]string{"TODODB_URL=http://127.0.0.1:1"}, []string{"status"}, 7, "Start one with tododb serve"},
		"a backup":                  {[]string{"TODODB_URL=http://127.0.0.1:1"}, []string{"backup", "b"}, 7, "Start one with tododb serve"},
		"a backup by nobody":        {[]string{"COUCHDB_USER=", "COUCHDB_PASSWORD="}, []string{"backup", "b"}, 1, "set COUCHDB_USER and COUCHDB_PASSWORD"},
		"no socket":                 {[]string{"TODODB_URL=unix:" + filepath.Join(s.dir, "none.sock")}, []string{"db", "ls"}, 7, "tododb serve"},
		"nobody asks":               {[]string{"COUCHDB_USER=", "COUCHDB_PASSWORD="}, []string{"db", "ls"}, 1, "set COUCHDB_USER and COUCHDB_PASSWORD"},
		"a wrong password":          {[]string{"COUCHDB_PASSWORD=x"}, []string{"db", "ls"}, 1, "does not know admin with this password"},
		"no password":               {[]string{"COUCHDB_PASSWORD="}, []string{"db", "ls"}, 2, "set COUCHDB_PASSWORD"},
		"no address":                {[]string{"TODODB_URL=127.0.0.1"}, []string{"status"}, 2, "http://"},
		"no scheme":                 {[]string{"TODODB_URL=127.0.0.1:5984"}, []string{"status"}, 2, "http://"},
		"HTTPS where there is none": {[]string{"TODODB_URL=" + strings.Replace(s.server.base, "http:", "https:", 1)}, []string{"status"}, 7, "http://"},
		"a bad address":             {[]string{"TODODB_URL=http://a:sesame@%"}, []string{"status"}, 2, "--url"},
	} {
		cmd := s.command(c.args...)
		cmd.Env = append(cmd.Env, c.set...)
		got := s.ran("", cmd)
		if got.code != c.code || !strings.Contains(got.err, c.says) || strings.Contains(got.err, "sesame") {
			t.Errorf("%s: exit %d, %q; want %d and %q", name, got.code, got.err, c.code, c.says)
		}
	}
	s.ok("", "db", "create", "recipes")
	s.ok("", "user", "add", "ann", "--password-file", s.file("pw", "ann's\n"))
	cmd := s.command("db", "info", "recipes", "--url", strings.Replace(s.server.base, "://", "://ann:ann's@", 1))
	if got := s.ran("", cmd); got.code != 1 || !strings.Contains(got.err, "ann may not do that") {
		t.Errorf("somebody else's database: %+v", got)
	}
	s.fails(6, "There are recipes", "db", "info", "recipe")
	s.fails(6, "There are recipes", "changes", "recipe")
	s.fails(6, "There are recipes", "get", "recipe", "x")
	s.fails(6, "There are recipes", "export", "recipe")
	s.fails(6, "--create makes it", "import", "recipe", "pw")
	s.fails(6, "there is no document x", "get", "recipes", "x")
	asAdmin := strings.Replace(s.server.base, "://", "://"+testUser+":"+testPassword+"@", 1)
	s.fails(6, "there is no filter function a/b in recipes", "changes", "recipes", "--filter", "a/b")
	s.fails(6, "no such database", "replicate", asAdmin+"/recipe", asAdmin+"/copy", "--create-target")
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "databases"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.fails(6, "no such database", "check", "--data", folder, "recipe")
	s.fails(6, "no repository of backups", "restore", t.TempDir())
	s.fails(2, "want a DATABASE and an ID, got 1 argument", "get", "recipes")
	s.fails(2, "no such command", "db", "list")
	s.fails(2, "one that is empty", "get", "recipes", "")
	s.fails(2, "one that is empty", "db", "create", "")
	s.fails(1, "refuses that: Character `:` is not allowed", "user", "add", "a:b")

	if got := s.ok("", "status"); !strings.Contains(got, "admin (_admin)") || !strings.Contains(got, "3, with ") {
		t.Errorf("status:\n%s", got)
	}
	var now struct {
		URL, User string
		Up        bool
		Databases int
	}
	if err := json.Unmarshal([]byte(s.ok("", "status", "--json")), &now); err != nil || now.URL != s.server.base || now.User != "admin" || !now.Up || now.Databases != 3 {
		t.Errorf("%+v, %v", now, err)
	}
	if got := s.ok("", "__complete", "db", "info", "rec"); !strings.HasPrefix(got, "recipes\n") {
		t.Errorf("completed: %q", got)
	}
	if got := s.ok("", "__complete", "db", "info", "recipes", ""); got != ":4\n" {
		t.Errorf("completed behind the last argument: %q", got)
	}
	if got := s.ok("", "completion", "bash"); !strings.Contains(got, "__complete") {
		t.Errorf("completion for bash: %.100q", got)
	}
}

func TestCommandsForDatabases(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("", "user", "add", "ann", "--password-file", s.file("pw", "ann's\n"))
	s.ok("", "db", "create", "notes", "--member", "ann")
	s.ok("", "db", "create", "parts/a+b", "--partitioned")
	s.fails(1, "there is a database notes already", "db", "create", "notes")
	s.fails(1, "illegal_database_name", "db", "create", "Notes")
	if got := send(t, "PUT", s.server.base+"/notes/a", "ann", "ann's", "{}"); got != 201 {
		t.Errorf("the member's document: %d", got)
	}
	if got := s.ok("", "db", "ls", "no"); !regexp.MustCompile(`^NAME +DOCUMENTS +SIZE\nnotes +1 +\S+ KiB\n$`).MatchString(got) {
		t.Errorf("%q", got)
	}
	var list []struct {
		Name string `json:"db_name"`
	}
	if err := json.Unmarshal([]byte(s.ok("", "db", "ls", "--json")), &list); err != nil || fmt.Sprint(list) != "[{_replicator} {_users} {notes} {parts/a+b}]" {
		t.Errorf("%v, %v", list, err)
	}
	if got := s.ok("", "db", "info", "parts/a+b"); !regexp.MustCompile(`partitioned +true`).MatchString(got) {
		t.Errorf("%s", got)
	}
	if got := s.ok("", "db", "info", "notes"); !regexp.MustCompile(`members +ann`).MatchString(got) {
		t.Errorf("%s", got)
	}
	s.fails(2, "--yes", "db", "rm", "notes")
	s.ok("", "db", "info", "notes")
	s.ok("", "db", "rm", "notes", "--yes")
	s.fails(6, "there is no database notes", "db", "rm", "notes", "--yes")
}

func TestCommandsForUsersAndTokens(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	password := func(text string) string {
		m := regexp.MustCompile(`^(?:added .* with|set) the password (?:of bob to )?(\w+), which`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no password in %q", text)
		}
		return m[1]
	}
	first := password(s.ok("", "user", "add", "ann", "--role", "cook"))
	boss := password(s.ok("", "user", "add", "bob", "--admin"))
	s.fails(1, "already", "user", "add", "ann")
	s.fails(1, "already", "user", "add", "bob")
	if got := s.ok("", "user", "ls"); !regexp.MustCompile(`(?m)^ann +cook$`).MatchString(got) || !regexp.MustCompile(`(?m)^bob +_admin$`).MatchString(got) {
		t.Errorf("%s", got)
	}
	for _, c := range []struct {
		user, password string
		want           int
	}{{"ann", first, 401}, {"bob", boss, 200}} { // only administrators list databases
		if got := get(t, s.server.base+"/_all_dbs", c.user, c.password); got != c.want {
			t.Errorf("%s: %d", c.user, got)
		}
	}
	s.ok("sesame\n", "user", "passwd", "ann", "--password-file", "-")
	again := password(s.ok("", "user", "passwd", "bob"))
	for _, c := range [][2]string{{"ann", "sesame"}, {"bob", again}} {
		if got := get(t, s.server.base+"/", c[0], c[1]); got != 200 {
			t.Errorf("the new password of %s: %d", c[0], got)
		}
	}
	var doc struct{ Roles []string }
	if err := json.Unmarshal([]byte(s.ok("", "get", "_users", "org.couchdb.user:ann")), &doc); err != nil || fmt.Sprint(doc.Roles) != "[cook]" {
		t.Errorf("%v, %v", doc, err)
	}
	s.fails(6, "there is no user zoe", "user", "passwd", "zoe")
	s.fails(2, "--yes", "user", "rm", "ann")

	s.ok("", "db", "create", "notes", "--member", "ann")
	ann := func(args ...string) said {
		return s.ran("", s.command(append(args, "--url", strings.Replace(s.server.base, "://", "://ann:sesame@", 1))...))
	}
	issue := ann("token", "issue", "notes", "--device", "a phone", "--write", "--expires", "1h")
	token, rest, _ := strings.Cut(issue.out, "\n")
	m := regexp.MustCompile(`token revoke (\w+)`).FindStringSubmatch(rest)
	if issue.code != 0 || m == nil {
		t.Fatalf("%+v", issue)
	}
	bearer := func(method, path string) int {
		q, err := http.NewRequest(method, s.server.base+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return a.StatusCode
	}
	if got := bearer("PUT", "/notes/x"); got != 201 {
		t.Errorf("the token writes: %d", got)
	}
	if got := ann("token", "ls"); !strings.Contains(got.out, "a phone") || !strings.Contains(got.out, m[1]) {
		t.Errorf("%+v", got)
	}
	s.ok("", "token", "revoke", m[1])
	if got := bearer("GET", "/notes/x"); got != 401 {
		t.Errorf("the revoked token: %d", got)
	}
	s.fails(6, "token ls", "token", "revoke", m[1])
	s.fails(2, "--device", "token", "issue", "notes")
	s.ok("", "user", "rm", "ann", "--yes")
	s.ok("", "user", "rm", "bob", "--yes")
	s.fails(6, "there is no user bob", "user", "rm", "bob", "--yes")
}

func TestCommandsForDocuments(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("", "db", "create", "notes")
	for _, id := range []string{"a", "a/b?c+d e&é", "_design/x", "_local/y"} {
		const body = `"n":12345678901234567890.10,"m":1E+2,"t":"<&>"`
		out := s.ok("{"+body+"}", "put", "notes", id)
		rev := strings.TrimSpace(strings.TrimPrefix(out, id))
		if got := s.ok("", "get", "notes", id); !strings.Contains(got, body) || !strings.Contains(got, rev) {
			t.Errorf("%s at %s is %s", id, rev, got)
		}
	}
	if got := s.ok("", "__complete", "get", "notes", "_d"); !strings.HasPrefix(got, "_design/x\n:4\n") { // and no files
		t.Errorf("completed: %q", got)
	}
	conflict := s.run(`{"n":2}`, "put", "notes", "a")
	if conflict.code != 1 || !strings.Contains(conflict.err, "is there at revision 1-") || !strings.Contains(conflict.err, "--force") {
		t.Errorf("%+v", conflict)
	}
	s.ok(`{"n":2.50,"_attachments":{"t":{"content_type":"text/plain","data":"aGVsbG8="}}}`, "put", "notes", "a", "-", "--force")
	doc := s.ok("", "get", "notes", "a", "--attachments")
	if !strings.Contains(doc, `"n":2.50`) || !strings.Contains(doc, `"data":"aGVsbG8="`) {
		t.Error(doc)
	}
	if got := s.ok("", "get", "notes", "a", "--attachment", "t"); got != "hello" {
		t.Errorf("%q", got)
	}
	s.fails(6, "there is no attachment u of document a in notes", "get", "notes", "a", "--attachment", "u")
	s.fails(6, "there is no revision 9-a of document a in notes", "get", "notes", "a", "--rev", "9-a")
	s.ok(strings.Replace(doc, "2.50", "2.5", 1), "put", "notes") // with its own _id and _rev
	if got := s.ok("", "put", "notes", "b", s.file("doc.json", `{}`)); !strings.HasPrefix(got, "b 1-") {
		t.Errorf("%q", got)
	}
	if got := s.run("[]", "put", "notes", "c"); got.code != 1 || !strings.Contains(got.err, "no JSON object") {
		t.Errorf("%+v", got)
	}
	s.fails(1, "doc.jsonx", "put", "notes", "c", "doc.jsonx")
}

// follow starts a command that follows a feed. next waits for its next line, which is about a document.
func (s *shell) follow(args ...string) (cmd *exec.Cmd, lines chan string, next func(id string)) {
	t := s.T
	t.Helper()
	cmd = s.command(args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines = make(chan string, 10)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	return cmd, lines, func(id string) {
		t.Helper()
		select {
		case line := <-lines:
			if !strings.Contains(line, `"id":"`+id+`"`) {
				t.Errorf("%q is not about %s", line, id)
			}
		case <-time.After(time.Minute):
			t.Fatalf("nothing about %s", id)
		}
	}
}

// A feed is followed over a restart of the server, and every change is printed once.
func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("", "db", "create", "notes")
	s.ok(`{}`, "put", "notes", "a")
	s.ok(`{}`, "put", "notes", "b")
	if got := strings.Count(s.ok("", "changes", "notes"), "\n"); got != 2 {
		t.Errorf("%d changes", got)
	}
	if got := s.ok("", "changes", "notes", "--limit", "1", "--include-docs"); !regexp.MustCompile(`^\{"seq":"[^"]+","id":"a",.*"doc":\{"_id":"a",.*\}\n$`).MatchString(got) {
		t.Errorf("%q", got)
	}
	follow, lines, next := s.follow("changes", "notes", "--follow")
	next("a")
	next("b")
	s.ok(`{}`, "put", "notes", "c")
	next("c")
	address := s.server.address()
	s.server.stop()
	s.server = startServer(t, s.data, address)
	s.ok(`{}`, "put", "notes", "d")
	next("d")
	if err := follow.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for line := range lines {
		t.Errorf("one more: %s", line)
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// A command that is interrupted says that, and one whose server goes away says that.
func TestCommandsThatAreCut(t *testing.T) {
	t.Parallel()
	asked := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			panic(http.ErrAbortHandler)
		}
		asked <- true
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	s := &shell{T: t, server: &process{base: server.URL}, dir: t.TempDir()}
	s.fails(7, "went away", "db", "info", "gone")
	cmd := s.command("db", "info", "slow")
	var says bytes.Buffer
	cmd.Stderr = &says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || says.String() != "tododb: interrupted\n" {
		t.Errorf("%v, %q", err, says.String())
	}
}

// A feed that begins now and breaks before its first line goes on where it began, and not at what is
// then now.
func TestChangesFromNowAreNotMissed(t *testing.T) {
	t.Parallel()
	var feeds atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case q.Get("feed") == "":
			fmt.Fprint(w, `{"results":[],"last_seq":"7-x","pending":0}`)
		case feeds.Add(1) == 1:
			panic(http.ErrAbortHandler)
		case q.Get("since") == "7-x":
			fmt.Fprintln(w, `{"seq":"8-x","id":"missed","changes":[]}`)
		default:
			fmt.Fprintf(w, "{\"seq\":\"9-x\",\"id\":\"since %s\",\"changes\":[]}\n", q.Get("since"))
		}
	}))
	t.Cleanup(server.Close)
	s := &shell{T: t, server: &process{base: server.URL}, dir: t.TempDir()}
	_, _, next := s.follow("changes", "notes", "--follow", "--since", "now")
	next("missed")
}

func TestImportNamesWhatItCannot(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	s := newShell(t)
	s.ok("", "db", "create", "notes")
	s.file("notes.ndjson", `{"_id":"a","n":1.10}
{"_id":"_bad"}
{"_id":7}
nonsense
{"_id":"b","long":"`+strings.Repeat("x", 8_000_000)+`"}
{"_id":"c","_attachments":{"t":{"stub":true,"content_type":"text/plain","length":3}}}
{"no":"id"}
{"_id":"a","n":2}
`)
	want := []string{"line 2: _bad: ", "line 3: its _id is no text", "line 4: that is no JSON", "line 5: b: ", "line 6: it has attachments", "line 8: a: the document is there with other content"}
	first := s.run("", "import", "notes", "notes.ndjson")
	if first.code != 5 || !strings.HasPrefix(first.out, "2 documents written, 0 there already, 6 refused") {
		t.Errorf("%+v", first)
	}
	for _, line := range want {
		if !strings.Contains(first.err, "notes.ndjson, "+line) {
			t.Errorf("%q is not in\n%s", line, first.err)
		}
	}
	before := s.ok("", "changes", "notes")
	second := s.run("", "import", "notes", "notes.ndjson")
	if second.code != 5 || !strings.HasPrefix(second.out, "0 documents written, 2 there already, 6 refused") {
		t.Errorf("%+v", second)
	}
	if after := s.ok("", "changes", "notes"); after != before {
		t.Errorf("again, it changed\n%s\nto\n%s", before, after)
	}
	if got := s.ok("{\"_id\":\"a\",\"n\":3.0}\n", "import", "notes", "--update"); !strings.HasPrefix(got, "1 document written") {
		t.Errorf("%q", got)
	}
	if got := s.ok("", "get", "notes", "a"); !strings.Contains(got, `"n":3.0}`) {
		t.Errorf("%s", got)
	}
	s.fails(2, "ndjson, json, csv", "import", "notes", "notes.ndjson", "--format", "xml")
	s.fails(1, "none.json", "import", "notes", "notes.ndjson", "none.json")
}

// An import that is killed and run again leaves every document once.
func TestImportIsRepeatable(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	s := newShell(t)
	s.ok("", "db", "create", "notes")
	const documents = 20_000
	var text strings.Builder
	for i := range documents {
		if i%2 == 0 {
			fmt.Fprintf(&text, "{\"_id\":\"doc%05d\",\"n\":%d.0}\n", i, i)
		} else {
			fmt.Fprintf(&text, "{\"n\":%d.0}\n", i%100) // without an id, and some alike
		}
	}
	s.file("notes.ndjson", text.String())
	cut := s.command("import", "notes", "notes.ndjson")
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var info struct {
			Docs int `json:"doc_count"`
		}
		if err := json.Unmarshal([]byte(s.ok("", "db", "info", "notes", "--json")), &info); err != nil {
			t.Fatal(err)
		}
		if info.Docs > 0 {
			break
		}
	}
	cut.Process.Kill()
	cut.Wait()
	if got := s.ok("", "import", "notes", "notes.ndjson"); !strings.Contains(got, " 0 refused") {
		t.Errorf("the second run: %s", got)
	}
	if got := strings.Count(s.ok("", "export", "notes"), "\n"); got != documents {
		t.Errorf("%d documents, want %d", got, documents)
	}
	if got := s.ok("", "import", "notes", "notes.ndjson"); !strings.HasPrefix(got, "0 documents written, 20,000 there already") {
		t.Errorf("the third run: %s", got)
	}
}

// What is exported comes back to the letter, in every form.
func TestExportComesBack(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	s := newShell(t)
	s.ok(`{"_id":"a","n":12345678901234567890.10,"z":1,"b":[1.0,{"y":"\u00e9<\"\\"}]}
{"_id":"b","_attachments":{"t":{"content_type":"text/plain","data":"aGVsbG8="}},"n":-0.0}
{"_id":"_design/d","views":{}}
`, "import", "notes", "--create")
	s.ok(`{"n":2}`, "put", "notes", "c")
	s.ok(`{"n":2.50}`, "put", "notes", "c", "-", "--force")
	whole := s.ok("", "export", "notes", "--attachments")
	for _, name := range []string{"x.ndjson", "x.json", "x.json.gz", "x.ndjson.zst"} {
		s.ok("", "export", "notes", name, "--attachments")
		copied := "copy-" + regexp.MustCompile(`\W`).ReplaceAllString(name, "-")
		s.ok("", "import", copied, name, "--create")
		if got := s.ok("", "export", copied, "--attachments"); got != whole {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, whole)
		}
	}
	if got := s.ok(s.ok("", "export", "notes"), "import", "bare", "--create", "--without-attachments"); !strings.HasPrefix(got, "4 documents written") {
		t.Errorf("%q", got)
	}
	if got := s.ok("", "export", "notes", "--format", "csv", "--columns", "_id,n,b"); got != "_id,n,b\na,12345678901234567890.10,\"[1.0,{\"\"y\"\":\"\"\\u00e9<\\\"\"\\\\\"\"}]\"\nb,-0.0,\nc,2.50,\n" {
		t.Errorf("%q", got)
	}
	s.ok("", "export", "notes", "x.csv", "--without-revisions")
	s.ok("", "import", "table", "x.csv", "--create")
	if got, want := s.ok("", "export", "table", "--without-revisions"), "{\"_id\":\"a\",\"n\":12345678901234567890.10,\"z\":1,\"b\":[1.0,{\"y\":\"\\u00e9<\\\"\\\\\"}]}\n{\"_id\":\"b\",\"n\":-0.0}\n{\"_id\":\"c\",\"n\":2.50}\n"; got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, ".x*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What servers and other programs write is taken as it is.
func TestImportTakesDumps(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	s := newShell(t)
	s.ok("{\"_id\":\"a\",\"n\":1.0}\n{\"_id\":\"b\",\"_attachments\":{\"t\":{\"content_type\":\"text/plain\",\"data\":\"aGVsbG8=\"}}}\n", "import", "notes", "--create")
	s.ok(`{"n":2}`, "put", "notes", "a", "-", "--force")
	for name, path := range map[string]string{"all": "/notes/_all_docs?include_docs=true&attachments=true", "changes": "/notes/_changes?include_docs=true&attachments=true"} {
		q, err := http.NewRequest("GET", s.server.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.SetBasicAuth(testUser, testPassword)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		dump, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		s.takes(name, string(dump))
	}
	dir := scriptFolder(t)
	file := filepath.Join(t.TempDir(), "copy.txt")
	node := exec.Command("node", "-e", `require('@cloudant/couchbackup').backup(process.argv[1], require('fs').createWriteStream(process.argv[2]), { attachments: true }, err => process.exit(err ? 1 : 0))`,
		strings.Replace(s.server.base, "://", "://"+testUser+":"+testPassword+"@", 1)+"/notes", file)
	node.Dir = dir
	if out, err := node.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	copied, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.takes("couchbackup", string(copied))
	if got := s.ok("", "get", "couchbackup", "a"); got != s.ok("", "get", "notes", "a") {
		t.Errorf("%s", got)
	}
}

// takes imports a dump twice, and compares with where it is from.
func (s *shell) takes(name, dump string) {
	s.Helper()
	s.ok(dump, "import", name, "--create")
	if got := s.ok(dump, "import", name); !strings.HasPrefix(got, "0 documents written, 2 there already") {
		s.Errorf("%s, again: %s", name, got)
	}
	if got, want := s.ok("", "export", name, "--attachments"), s.ok("", "export", "notes", "--attachments"); got != want {
		s.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}

// Programs get errors as JSON, whatever is wrong, with the exit code in it.
func TestErrorsForPrograms(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("", "db", "create", "recipes")
	s.ok(`{}`, "put", "recipes", "waffles")
	for _, c := range []struct {
		args  []string
		stdin string
		word  string
		code  int
	}{
		{[]string{"db", "info", "recipies", "--json"}, "", "not_found", 6},
		{[]string{"db", "info", "--json"}, "", "usage", 2},
		{[]string{"db", "info", "--jsom", "x", "--json"}, "", "usage", 2},
		{[]string{"status", "--json", "--url", "http://127.0.0.1:1"}, "", "unreachable", 7},
		{[]string{"put", "recipes", "_waffles", "--json"}, "{}", "illegal_docid", 1},
		{[]string{"put", "recipes", "crepes", "--json"}, "{", "failed", 1},
		{[]string{"doctor", "http://127.0.0.1:1", "--json"}, "", "ill", 8},
		{[]string{"db", "ls", "--json", "--url", strings.Replace(s.server.base, "://", "://admin:wrong@", 1)}, "", "unauthorized", 1},
		{[]string{"put", "_users", "org.couchdb.user:x", "--json"}, `{"type":"user","name":"y","roles":[]}`, "forbidden", 1},
	} {
		got := s.run(c.stdin, c.args...)
		var told struct {
			Error, Reason string
			ExitCode      int `json:"exit_code"`
		}
		if err := json.Unmarshal([]byte(got.err), &told); err != nil {
			t.Errorf("%q: %v: %s", c.args, err, got.err)
			continue
		}
		if told.Error != c.word || told.Reason == "" || told.ExitCode != c.code || got.code != c.code {
			t.Errorf("%q: exit %d, %s; want %d and %s", c.args, got.code, got.err, c.code, c.word)
		}
	}
}

// What is no JSON is found by its line and column.
func TestPutNamesThePlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{\n  \"eggs\": 2,\n  \"price\": €\n}": "line 3, column 12",
		"\n\n{\"ä\": \"ö\" 1}":                 "line 3, column 11",
		"[1]":                                  "no JSON object",
		"":                                     "line 1, column 1",
		"{}":                                   "",
	} {
		err := isObject([]byte(text))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Shells complete the values of flags that have a few, also without serve.
func TestFlagsCompleteTheirValues(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"serve --preset ":       "pouchdb",
		"--preset ":             "obsidian",
		"serve --log-level ":    "warning",
		"serve --log-format ":   "auto",
		"export x --format ":    "ndjson",
		"import x y --format c": "csv",
	} {
		words := strings.Split(line, " ")
		if out, code := tododb(t, append([]string{"__complete"}, words...)...); code != 0 || !strings.Contains("\n"+out, "\n"+want+"\n") {
			t.Errorf("%q: exit %d, %s; want %s", line, code, out, want)
		}
	}
}

// An export that is interrupted amid the documents says what there is of it.
func TestExportInterrupted(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"total_rows":2,"offset":0,"rows":[`+"\n"+`{"id":"a","key":"a","value":{"rev":"1-a"},"doc":{"_id":"a"}},`+"\n")
		w.(http.Flusher).Flush()
		first <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(path, "export", "db", "db.ndjson", "--url", server.URL)
	var told bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &told
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-first
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(told.String(), "interrupted: db.ndjson is not written") {
		t.Errorf("exit %d, %s", code, &told)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
