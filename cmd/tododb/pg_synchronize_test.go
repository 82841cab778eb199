package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// A synchronization is the same at all processes, whichever made or changed it. One runs it; when that
// one is killed, another goes on.
func TestPGSynchronizations(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	c, two := startCluster(t, 2)
	a, b := two[0], two[1]
	remote := startServer(t, t.TempDir(), "")
	remote.do(201, "PUT", "/todos", "")
	a.do(201, "PUT", "/todos", "")
	at := strings.Replace(remote.base, "http://", "http://"+testUser+":"+testPassword+"@", 1)
	type shown struct {
		ID, Rev, State string
		Runs           int
		Moved          int `json:"documents_moved"`
	}
	parse := func(text string) (s shown) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return s
	}
	// Once, asked for at one process and waited for there.
	b.do(201, "PUT", "/todos/first", "{}")
	once := parse(a.do(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"direction":"push"}`, at+"/todos")))
	oncePath := "/todos/_synchronizations/" + once.ID
	for _, p := range two {
		within(t, soon, func() bool {
			s := parse(p.do(200, "GET", oncePath, ""))
			return s.State == "completed" && s.Runs == 1 && s.Moved == 1
		})
	}

	made := parse(a.do(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, at+"/todos")))
	path := "/todos/_synchronizations/" + made.ID
	for _, p := range two { // at once
		if got := p.do(200, "GET", "/todos/_synchronizations", ""); !strings.Contains(got, made.ID) || !strings.Contains(got, once.ID) {
			t.Errorf("not all are there: %s", got)
		}
		within(t, soon, func() bool { return parse(p.do(200, "GET", path, "")).State == "running" })
	}
	there := func(id string) func() bool {
		return func() bool { status, _ := remote.try("GET", "/todos/"+id, ""); return status == 200 }
	}
	b.do(201, "PUT", "/todos/second", "{}")
	within(t, soon, there("second"))

	// Paused at the process that does not run it, whichever that is: nothing moves from then on.
	for i, p := range two {
		other := two[1-i]
		paused := parse(p.do(200, "PUT", path, `{"paused":true}`))
		if s := parse(other.do(200, "GET", path, "")); s.State != "paused" || s.Rev != paused.Rev {
			t.Errorf("paused at one process, the other shows %+v, want revision %s", s, paused.Rev)
		}
		if got := other.do(200, "GET", "/_active_tasks", ""); strings.Contains(got, `"node":"tododb@`+other.address()) {
			t.Errorf("it runs though it is paused: %s", got)
		}
		id := fmt.Sprintf("while-paused-%d", i)
		p.do(201, "PUT", "/todos/"+id, "{}")
		if there(id)() {
			t.Error("a document has moved while it was paused")
		}
		other.do(200, "PUT", path, `{"paused":false}`)
		within(t, time.Minute, there(id))
	}

	// Who runs it is killed.
	runner := func() string {
		for _, task := range jsonArray(t, b.do(200, "GET", "/_active_tasks", "")) {
			if task["type"] == "replication" {
				return fmt.Sprint(task["node"])
			}
		}
		return ""
	}
	within(t, time.Minute, func() bool { return runner() != "" })
	first, other := a, b
	if runner() == "tododb@"+b.address() {
		first, other = b, a
	}
	first.kill()
	killed := time.Now()
	other.do(201, "PUT", "/todos/after", "{}")
	within(t, time.Minute, there("after"))
	t.Logf("taken over after %v, with processes that count as gone after %d ms", time.Since(killed).Round(time.Millisecond), goneAfter)
	within(t, soon, func() bool { return parse(other.do(200, "GET", path, "")).State == "running" })
	if s := parse(other.do(200, "GET", oncePath, "")); s.State != "completed" || s.Runs != 1 {
		t.Errorf("what was to run once: %+v", s)
	}

	// Deleted at one that does not run it.
	third := c.start()
	within(t, soon, func() bool { return parse(third.do(200, "GET", path, "")).State == "running" })
	third.do(200, "DELETE", path, "")
	if status, text := other.try("GET", path, ""); status != 404 {
		t.Errorf("after it was deleted: %d %s", status, text)
	}
	third.do(201, "PUT", "/todos/too-late", "{}")
	within(t, soon, func() bool { return !strings.Contains(other.do(200, "GET", "/_active_tasks", ""), `"replication"`) })
	if there("too-late")() {
		t.Error("a document has moved after the synchronization was deleted")
	}
	if s := parse(other.do(200, "GET", oncePath, "")); s.State != "completed" || s.Runs != 1 {
		t.Errorf("what was to run once: %+v", s)
	}
}
