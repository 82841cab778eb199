package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// soon is within what a change at one process counts at the others, with room for a busy machine.
const soon = 20 * time.Second

// Two processes over one PostgreSQL are one server.
func TestPGTwoProcessesAreOneServer(t *testing.T) {
	t.Parallel()
	_, two := startCluster(t, 2)
	a, b := two[0], two[1]

	var welcome [2]struct{ UUID string }
	for i, p := range two {
		if err := json.Unmarshal([]byte(p.do(200, "GET", "/", "")), &welcome[i]); err != nil || welcome[i].UUID == "" {
			t.Fatal(welcome[i], err)
		}
	}
	if welcome[0] != welcome[1] {
		t.Errorf("the uuids are %v", welcome)
	}

	// What one has acknowledged, the other one reads.
	a.do(201, "PUT", "/db", "")
	for i := range 20 {
		p, q := two[i%2], two[1-i%2]
		p.do(201, "PUT", fmt.Sprintf("/db/doc%d", i), `{"x":1}`)
		q.do(200, "GET", fmt.Sprintf("/db/doc%d", i), "")
	}
	if got := b.do(200, "GET", "/db", ""); !strings.Contains(got, `"doc_count":20,`) {
		t.Errorf("the database: %s", got)
	}

	// A setting, an administrator and a login count everywhere.
	took := time.Now()
	a.do(200, "PUT", "/_node/_local/_config/couchdb/max_document_size", `"1000"`)
	large := `{"x":"` + strings.Repeat("x", 2000) + `"}`
	within(t, soon, func() bool { status, _ := b.try("PUT", "/db/large", large); return status == 413 })
	t.Logf("a setting counted at the other process after %v", time.Since(took).Round(time.Millisecond))
	b.do(200, "PUT", "/_node/_local/_config/admins/second", `"pw"`)
	within(t, soon, func() bool { return get(t, a.base+"/_all_dbs", "second", "pw") == 200 })
	cookie := a.cookie("second", "pw")
	if status, text, _ := b.as("GET", "/_session", "", "Cookie", cookie); status != 200 || !strings.Contains(text, `"name":"second"`) {
		t.Errorf("a session of the other process: %d %s", status, text)
	}
	a.do(200, "DELETE", "/_node/_local/_config/admins/second", "")
	within(t, soon, func() bool { return get(t, b.base+"/_all_dbs", "second", "pw") == 401 })
	a.do(200, "DELETE", "/_node/_local/_config/couchdb/max_document_size", "")
	within(t, soon, func() bool { status, _ := b.try("PUT", "/db/larger", large); return status == 201 })
	// What is a process's own stays so.
	a.do(200, "PUT", "/_node/_local/_config/couchdb/maintenance_mode", `"true"`)
	if status, _ := a.try("GET", "/_up", ""); status != 404 {
		t.Errorf("_up in maintenance: %d", status)
	}
	b.do(200, "GET", "/_up", "")

	// Users, and tokens of devices.
	a.do(201, "PUT", "/_users/org.couchdb.user:jan", `{"name":"jan","password":"janpw","roles":[],"type":"user"}`)
	a.do(200, "PUT", "/db/_security", `{"members":{"names":["jan"]},"admins":{}}`)
	cookie = b.cookie("jan", "janpw")
	status, text, _ := a.as("POST", "/_session/tokens", `{"device":"phone","databases":["db"]}`, "Cookie", cookie)
	var token struct{ ID, Token string }
	if err := json.Unmarshal([]byte(text), &token); err != nil || status != 201 {
		t.Fatalf("a token: %d %s", status, text)
	}
	bearer := "Bearer " + token.Token
	if status, text, _ := b.as("GET", "/db/doc1", "", "Authorization", bearer); status != 200 {
		t.Errorf("with a token of the other process: %d %s", status, text)
	}
	if status, text, _ := b.as("DELETE", "/_session/tokens/"+token.ID, "", "Cookie", cookie); status != 200 {
		t.Fatalf("the token is taken back: %d %s", status, text)
	}
	within(t, soon, func() bool {
		status, _, _ := a.as("GET", "/db/doc1", "", "Authorization", bearer)
		return status == 401
	})

	takenBackAtOnce(t, a, b)

	// A write with a key is done once, whoever is asked.
	_, first := a.try("POST", "/db", `{"y":1}`, "Idempotency-Key", `"once"`)
	_, second := b.try("POST", "/db", `{"y":1}`, "Idempotency-Key", `"once"`)
	if first != second || !strings.Contains(first, `"ok":true`) {
		t.Errorf("the same write twice: %s and %s", first, second)
	}

	// Who lives.
	for _, p := range two {
		var list struct {
			All     []string `json:"all_nodes"`
			Cluster []string `json:"cluster_nodes"`

			Processes []shownProcess
		}
		if err := json.Unmarshal([]byte(p.do(200, "GET", "/_membership", "")), &list); err != nil {
			t.Fatal(err)
		}
		for _, q := range two {
			name := "tododb@" + q.address()
			if strings.Count(fmt.Sprint(list.All), name) != 1 || strings.Count(fmt.Sprint(list.Cluster), name) != 1 {
				t.Errorf("%s is not once among %v", name, list)
			}
			i := slices.IndexFunc(list.Processes, func(one shownProcess) bool { return one.Node == name })
			if i < 0 || list.Processes[i].Self != (p == q) || time.Since(list.Processes[i].Started).Abs() > time.Hour {
				t.Errorf("%s is not as it is among %+v", name, list.Processes)
			}
			// Each tells of the other one, and keeps what is its own apart.
			p.do(200, "GET", "/_node/"+name+"/_history", "")
			if log := p.do(200, "GET", "/_node/"+name+"/_log?lines=1000", ""); strings.Contains(log, "listening") && !strings.Contains(log, q.address()) {
				t.Errorf("asked for the log of %s: %s", name, log)
			}
		}
	}
	a.do(404, "GET", "/_node/tododb@nobody:1/_history", "")
	a.do(404, "GET", "/_node/tododb@"+b.address()+"/_system", "")
	b.stop()
	a.do(404, "GET", "/_node/tododb@"+b.address()+"/_log", "")
	if got := a.do(200, "GET", "/_membership", ""); strings.Contains(got, b.address()) {
		t.Errorf("a process that has ended is still there: %s", got)
	}
	for _, p := range two {
		if strings.Contains(p.log.String(), "postgres://") {
			t.Errorf("the log has the URL of the storage: %s", p.log)
		}
	}
}

// shownProcess is a process as _membership tells of it.
type shownProcess struct {
	Node    string
	Started time.Time
	Self    bool
}

// The page shows the processes, and the log of the one that is chosen.
func TestPGPageOfProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("the long form only")
	}
	t.Parallel()
	_, two := startCluster(t, 2)
	a, other := two[0], two[1]
	b := browse(t, a)
	b.signIn()
	b.open("#/operate")
	b.sees("2 processes share this storage", a.address(), other.address(), "The log of "+a.address())
	b.everythingHasAName()
	other.do(201, "PUT", "/asked-of-the-other", "")
	other.do(200, "PUT", "/_node/_local/_config/log/level", `"debug"`)
	other.do(200, "GET", "/asked-of-the-other", "")
	b.click("button", "Show the figures and the log of "+other.address())
	b.sees("The log of "+other.address(), "/asked-of-the-other")
	other.stop()
	b.sees("is not there any more")
}

// takenBackAtOnce has one process take rights back, and the other one know that with the next request: nothing that it
// remembers may count.
func takenBackAtOnce(t *testing.T, a, b *process) {
	t.Helper()
	const user = "/_users/org.couchdb.user:kim"
	for i := range 4 { // with fewer wrong passwords than lock an account
		a, b := a, b
		if i%2 == 1 {
			a, b = b, a
		}
		asks := func(status int, after, method, path, body string, headers ...string) {
			t.Helper()
			if got, text, _ := b.as(method, path, body, headers...); got != status {
				t.Errorf("round %d, after %s: %s %s: %d %s, want %d", i, after, method, path, got, text, status)
			}
		}
		rev := func(text string) string {
			var answer struct{ Rev string }
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Fatal(text, err)
			}
			return answer.Rev
		}
		at := rev(a.do(201, "PUT", user, `{"name":"kim","password":"kimpw","roles":["r"],"type":"user"}`))
		login := `{"name":"kim","password":"kimpw"}`
		cookie := b.cookie("kim", "kimpw")
		a.do(201, "PUT", "/shut", "")
		a.do(201, "PUT", "/shut/doc", `{}`)
		a.do(200, "PUT", "/shut/_security", `{"members":{"names":["kim"]},"admins":{}}`)
		asks(200, "a right was given", "GET", "/shut/doc", "", "Cookie", cookie)
		asks(200, "a right was given", "GET", "/shut/_all_docs", "", "Cookie", cookie)
		a.do(200, "PUT", "/shut/_security", `{"members":{"names":["nobody"]},"admins":{}}`)
		asks(403, "a right was taken back", "GET", "/shut/doc", "", "Cookie", cookie)
		asks(403, "a right was taken back", "GET", "/shut/_changes", "", "Cookie", cookie)
		asks(403, "a right was taken back", "PUT", "/shut/new", "{}", "Cookie", cookie)
		a.do(200, "PUT", "/shut/_security", `{"members":{"roles":["r"]},"admins":{}}`)
		asks(200, "a role has a right", "GET", "/shut/doc", "", "Cookie", cookie)
		at = rev(a.do(201, "PUT", user, `{"_rev":"`+at+`","name":"kim","password":"kimpw","roles":[],"type":"user"}`))
		asks(403, "a role was taken away", "GET", "/shut/doc", "", "Authorization", "Basic a2ltOmtpbXB3")
		asks(201, "nothing is validated", "PUT", "/shut/free", "{}", "Authorization", b.request("GET", "/", "").Header.Get("Authorization"))
		a.do(201, "PUT", "/shut/_design/v", `{"validate_doc_update":"function () { throw({forbidden: 'no'}) }"}`)
		asks(403, "a function refuses", "PUT", "/shut/late", "{}", "Authorization", b.request("GET", "/", "").Header.Get("Authorization"))
		a.do(200, "DELETE", "/shut", "")
		asks(404, "the database was deleted", "GET", "/shut/doc", "", "Authorization", b.request("GET", "/", "").Header.Get("Authorization"))
		asks(200, "nothing", "POST", "/_session", login)
		a.do(200, "DELETE", user+"?rev="+at, "")
		asks(401, "the user was deleted", "POST", "/_session", login)
		asks(401, "the user was deleted", "GET", "/db/doc1", "", "Cookie", cookie)
		asks(401, "the user was deleted", "GET", "/_session", "", "Authorization", "Basic a2ltOmtpbXB3")
	}
}

// Of processes that start at the same time over empty tables, one makes the identity and the
// administrator.
func TestPGFirstStartOfMany(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	c := &cluster{t: t, url: pgtest.Shared(t).Schema(t)}
	const n = 3
	var all [n]*process
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			all[i] = startServerWith(t, []string{"TODODB_STORAGE=" + c.url, "COUCHDB_USER=", "COUCHDB_PASSWORD="}, t.TempDir(), "")
		})
	}
	group.Wait()
	printed, password := 0, ""
	uuids := map[string]bool{}
	for _, p := range all {
		if _, rest, ok := strings.Cut(p.out.String(), "administrator admin with the password "); ok {
			printed++
			password, _, _ = strings.Cut(rest, ",")
		}
		answer, err := http.Get(p.base + "/")
		if err != nil {
			t.Fatal(err)
		}
		var welcome struct{ UUID string }
		if err := json.NewDecoder(answer.Body).Decode(&welcome); err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		uuids[welcome.UUID] = true
	}
	if printed != 1 || len(uuids) != 1 {
		t.Fatalf("%d passwords were printed, and there are %d uuids", printed, len(uuids))
	}
	for _, p := range all {
		if got := get(t, p.base+"/_all_dbs", "admin", password); got != 200 {
			t.Errorf("the printed password: %d", got)
		}
	}
}

// goldenEnv names the program that replays recorded conversations with CouchDB, and casesEnv their folder.
const (
	goldenEnv = "TODODB_TEST_GOLDEN"
	casesEnv  = "TODODB_TEST_CASES"
)

// Over PostgreSQL clients see what they see of a folder.
func TestPGRecordedConversations(t *testing.T) {
	widetest.Only(t)
	golden := os.Getenv(goldenEnv)
	if golden == "" {
		t.Skipf("%s says where the program is that replays them", goldenEnv)
	}
	t.Parallel()
	const password = "password" // as some of them say
	one := startServerWith(t, []string{"TODODB_STORAGE=" + pgtest.URL(t), "COUCHDB_PASSWORD=" + password}, t.TempDir(), "", "--log-level", "warning")
	replay := exec.Command(golden, "replay", "-base", one.base, "-user", testUser, "-password", password,
		"-parallel", "8", "-known", "../../.ci/golden-known.txt", os.Getenv(casesEnv))
	out, err := replay.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nthe server's log:\n%s", err, out, one.log)
	}
	t.Logf("%s", out)
}
