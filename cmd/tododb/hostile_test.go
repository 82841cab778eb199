package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The attacks, as tables: what somebody would try who wants to get in, to bring the server down
// or to make it lose data. Each table is a TestHostile in a file of its own. It attacks the real
// program under a limit of memory. The server must live, a neighbour must get answers in time
// throughout, the attacker must get the answer in the table, and nothing may change that is not
// theirs.
//
// A sample of each table runs with the other tests, most beside them. TODODB_TEST_HOSTILE=1, which "make hostile"
// sets, runs all of them. TODODB_TEST_ATTACK=TEXT runs only the ones that have the text in their
// names.

// allAttacks tells whether the long form is asked for.
func allAttacks() bool { return os.Getenv("TODODB_TEST_HOSTILE") != "" }

// inSample tells whether the i-th of many of a kind is tried: each in the long form, in the short form one of n.
func inSample(i, n int) bool { return allAttacks() || i%n == 0 }

// many is how many of a kind attack at once: fewer in the sample.
func many(all, sample int) int {
	if allAttacks() {
		return all
	}
	return sample
}

// besideOthers lets a sample run beside other tests. The long form has the machine to itself.
func besideOthers(t *testing.T) {
	if !allAttacks() {
		t.Parallel()
	}
}

// attack is one of them.
type attack struct {
	name string
	// want is what the attacker gets, a regular expression for the whole of what do returns.
	want string
	// do attacks and returns the result: a status and an error word, as outcome.String.
	do func(*siege) string
	// long attacks take long, or need what a machine may not have, and are left out of the sample.
	long bool
	// notYet says why the attack is known to succeed. Then it is not made.
	notYet string
}

// siege is a server that is attacked, and everybody who takes part.
//
// Databases: "victim" has anna as a member and an administrator's design document, nobody
// but administrators gets into "private", "open" is open to all, "doras" is dora's to
// administer, and "neighbour" is nina's.
type siege struct {
	*process
	t      *testing.T
	name   string
	limits confinement
	dir    string
	args   []string
	secure string // address of HTTPS, where there is any
	device string // a token of anna's, to read and write what begins with "anna:" in "open"

	neighbour *neighbour
	quietLoad float64 // what share of a processor the server needs for the neighbour
	watch     *watch
}

// The attackers. The server's administrator is not one of them.
var (
	nobody = caller{}
	anna   = caller{"anna", "apple pie"}
	dora   = caller{"dora", "date cake"}
	nina   = caller{"nina", "nut bread"}
	boss   = caller{testUser, testPassword}
)

type caller struct{ name, password string }

// besiege starts a server with a limit of memory in MiB and sets up the things to attack.
func besiege(t *testing.T, c confinement, settings string, args ...string) *siege {
	t.Helper()
	s := &siege{t: t, limits: c, dir: t.TempDir()}
	// With hashes as costly as a real server's, the neighbour's logins would measure only the hashes.
	file := filepath.Join(t.TempDir(), "hostile.ini")
	settings = "[chttpd_auth]\niterations = 10000\n" + settings
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = append([]string{"--config", file, "--log-level", "warning"}, args...)
	s.start("")
	for _, c := range []caller{anna, dora, nina} {
		s.do(201, "PUT", "/_users/org.couchdb.user:"+c.name, fmt.Sprintf(`{"type":"user","name":%q,"roles":["cooks"],"password":%q}`, c.name, c.password))
	}
	for db, security := range map[string]string{
		"victim":    `{"members":{"names":["anna"]},"admins":{}}`,
		"private":   `{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}`,
		"open":      `{"members":{},"admins":{}}`,
		"doras":     `{"members":{"names":["dora"]},"admins":{"names":["dora"]}}`,
		"neighbour": `{"members":{"names":["nina"]},"admins":{}}`,
	} {
		s.do(201, "PUT", "/"+db, "")
		s.do(200, "PUT", "/"+db+"/_security", security)
	}
	for _, db := range []string{"victim", "private", "doras"} {
		var docs []string
		for i := range 30 {
			docs = append(docs, fmt.Sprintf(`{"_id":"doc%02d","n":%d,"text":"as it was","_attachments":{"a":{"content_type":"text/plain","data":"aGVsbG8="}}}`, i, i))
		}
		s.do(201, "POST", "/"+db+"/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
		s.do(201, "PUT", "/"+db+"/_design/app", `{"views":{"n":{"map":"function(doc){emit(doc.n,1)}","reduce":"_sum"}},"filters":{"odd":"function(doc){return doc.n%2}"}}`)
		s.do(201, "PUT", "/"+db+"/_local/mark", `{"here":true}`)
	}
	s.do(201, "PUT", "/victim/_design/rules", `{"validate_doc_update":"function(n,o,u){if(n.evil)throw({forbidden:\"no evil\"})}"}`)
	token := s.ask(anna, "POST", "/_session/tokens", `{"databases":["open"],"access":"read-write","id_prefix":"anna:","device":"phone"}`)
	var issued struct{ Token string }
	if json.Unmarshal(token.body, &issued) != nil || issued.Token == "" {
		t.Fatalf("no token for a device: %v %s", token, token.body)
	}
	s.device = issued.Token
	s.neighbour = newNeighbour(t, s.base)
	return s
}

// start starts the server, or the next one after one has died, so that the rest of a table is
// attacked too.
func (s *siege) start(listen string) {
	s.process = startConfined(s.t, s.limits, s.dir, listen, s.args...)
	if s.watch != nil {
		s.watch.stop()
	}
	s.watch = newWatch(s.t, s.cmd.Process.Pid)
}

// outcome is the answer that an attacker got.
type outcome struct {
	status int
	word   string // the error's, or "cut" where the answer ends before its end
	body   []byte // its first bytes
	header http.Header
	took   time.Duration
	err    error
}

// String is how tables speak of answers: "200", "413 document_too_large", "cut".
func (a outcome) String() string {
	switch {
	case a.err != nil && a.status == 0:
		return "cut"
	case a.word != "":
		return fmt.Sprintf("%d %s", a.status, a.word)
	}
	return fmt.Sprint(a.status)
}

// head is an additional header of a request, "Name: value".
type head string

// ask makes a request as a caller. Its body is a string, a []byte or an io.Reader.
func (s *siege) ask(who caller, method, path string, body any, more ...head) outcome {
	return s.asking(s.t.Context(), who, method, path, body, more...)
}

// asking does so until a context ends.
func (s *siege) asking(ctx context.Context, who caller, method, path string, body any, more ...head) outcome {
	var from io.Reader
	switch b := body.(type) {
	case string:
		from = strings.NewReader(b)
	case []byte:
		from = bytes.NewReader(b)
	case io.Reader:
		from = b
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, from)
	if err != nil {
		return outcome{err: err}
	}
	if who.name != "" {
		r.SetBasicAuth(who.name, who.password)
	}
	if from != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range more {
		name, value, _ := strings.Cut(string(h), ": ")
		r.Header.Set(name, value)
	}
	return s.send(r)
}

// attackers' connections are not shared with the neighbour's.
var attackers = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       5 * time.Minute,
}

// elsewhere is an attacker who comes from another address than the neighbour and the
// administrator: wrong passwords lock a name out for the address that they come from.
var elsewhere = &http.Client{
	Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).DialContext},
	Timeout:   time.Minute,
}

func (s *siege) send(r *http.Request) outcome { return s.sendBy(attackers, r) }

func (s *siege) sendBy(client *http.Client, r *http.Request) outcome {
	began := time.Now()
	got, err := client.Do(r)
	if err != nil {
		return outcome{err: err, took: time.Since(began)}
	}
	a := read(got)
	a.took = time.Since(began)
	return a
}

// read reads an answer to its end.
func read(got *http.Response) outcome {
	defer got.Body.Close()
	a := outcome{status: got.StatusCode, header: got.Header}
	var err error
	a.body, err = io.ReadAll(io.LimitReader(got.Body, 4<<20))
	if err == nil {
		_, err = io.Copy(io.Discard, got.Body)
	}
	if err != nil {
		a.word, a.err = "cut", err
		return a
	}
	var said struct{ Error string }
	if json.Unmarshal(a.body, &said) == nil {
		a.word = said.Error
	}
	return a
}

// snapshot is what must not change: documents with all their leaves, design documents,
// security, users, replications and settings, by the path that shows them.
func (s *siege) snapshot() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	see := func(path string) {
		a := s.ask(boss, "GET", path, nil)
		if a.err != nil || a.status != 200 {
			s.t.Errorf("GET %s: %v %v", path, a, a.err)
		}
		all[path] = string(a.body)
	}
	for _, db := range []string{"victim", "private"} {
		see("/" + db + "/_all_docs?include_docs=true&conflicts=true&attachments=true")
		see("/" + db + "/_local/mark") // others are checkpoints of who may keep them
		see("/" + db + "/_security")
		see("/" + db + "/_revs_limit")
		see("/" + db + "/_design/app/_view/n?reduce=false")
	}
	see("/doras/_security")
	see("/_users/_all_docs?include_docs=true&conflicts=true")
	see("/_replicator/_all_docs?include_docs=true&conflicts=true")
	see("/_users/_security")
	see("/_replicator/_security")
	see("/_all_dbs")
	see("/_node/_local/_config")
	all["/_node/_local/_config"] = regexp.MustCompile(`"port":"\d+"`).ReplaceAllString(all["/_node/_local/_config"], "")
	return all
}

// run attacks by the entries of a table, one after the other, and judges each.
func (s *siege) run(attacks []attack) {
	before := s.snapshot()
	used := cpuTime(s.cmd.Process.Pid)
	s.neighbour.quiet(time.Second)
	s.quietLoad = (cpuTime(s.cmd.Process.Pid) - used).Seconds()
	ran, known := 0, 0
	for _, a := range attacks {
		if a.long && !allAttacks() || !strings.Contains(a.name, os.Getenv("TODODB_TEST_ATTACK")) {
			continue
		}
		if a.notYet != "" {
			s.t.Logf("%-40s not yet: %s", a.name, a.notYet)
			known++
			continue
		}
		ran++
		want := regexp.MustCompile(`^(?:` + a.want + `)$`)
		s.neighbour.during(a.name)
		s.watch.during(a.name)
		began := time.Now()
		got := a.do(s)
		took := time.Since(began)
		if s.dead() {
			s.t.Errorf("%s: the server ended after %v, %v; the attacker got %s\n%s", a.name, took, s.cmd.ProcessState, got, tail(s.log.String()))
			s.start(s.address())
			continue
		}
		for _, one := range strings.Split(got, "; ") { // of attacks made at once
			if !want.MatchString(one) {
				s.t.Errorf("%s: the attacker got %q, want %s", a.name, one, a.want)
			}
		}
		if up := s.ask(nobody, "GET", "/_up", nil); up.status != 200 || up.took > 20*time.Second {
			s.t.Errorf("%s: afterwards /_up is %v in %v", a.name, up, up.took)
		}
		s.t.Logf("%-40s %-32s %7.2fs %5d MiB", a.name, got, took.Seconds(), s.watch.peak(a.name)>>20)
	}
	s.unchanged(before)
	s.neighbour.judge(s.t)
	if ran == 0 && known == 0 {
		s.t.Error("no attack was made")
	}
}

// unchanged compares the present state with the one before.
func (s *siege) unchanged(before map[string]string) {
	s.t.Helper()
	after := s.snapshot()
	for path, was := range before {
		if after[path] != was {
			s.t.Errorf("changed: %s\nwas %.3000s\nis  %.3000s", path, was, after[path])
		}
	}
}

// dead tells whether the server has ended.
func (s *siege) dead() bool {
	select {
	case <-s.done:
		return true
	case <-time.After(20 * time.Millisecond): // it may die a moment after its answer
		return false
	}
}

// tail is the end of a log.
func tail(text string) string {
	if len(text) > 6000 {
		return "..." + text[len(text)-6000:]
	}
	return text
}
