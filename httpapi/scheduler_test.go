package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/replications"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
)

// asUser makes a request as a user who has logged in.
func asUser(s *Server, u replicate.User, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	x := s.Shared().Begin(w, r)
	r = r.WithContext(x.In(r.Context()))
	var err error
	if x.User, err = s.Access().UserOf(r.Context(), u); err != nil {
		wire.Fail(x, r, err)
	} else {
		s.Inside().ServeHTTP(x, r)
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

var (
	testAdmin = replicate.User{Name: "admin", Roles: []string{"_admin"}, Admin: true}
	testJoe   = replicate.User{Name: "joe"}
	testEve   = replicate.User{Name: "eve"}
)

// must makes a request and expects a status.
func must(t *testing.T, s *Server, u replicate.User, status int, method, path, body string) string {
	t.Helper()
	got, answer := asUser(s, u, method, path, body)
	if got != status {
		t.Fatalf("%s, %s %s: %d %s", u.Name, method, path, got, answer)
	}
	return answer
}

// Who owns a replication, who may change it, and who sees its passwords.
func TestReplicationDocumentsOfUsers(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	const db = "/joes%2F_replicator"
	must(t, s, testAdmin, 201, "PUT", db, "")
	must(t, s, testAdmin, 200, "PUT", db+"/_security", `{"members":{"names":["joe","eve"]},"admins":{}}`)
	doc := func(more string) string {
		return `{"source":"http://joe:hunter2@127.0.0.1:1/a","target":{"url":"http://127.0.0.1:1/b","auth":{"basic":{"username":"joe","password":"hunter2"}},"headers":{"authorization":"hunter2","X-A":"b"}}` + more + `}`
	}
	rev := between(must(t, s, testJoe, 201, "PUT", db+"/r", doc("")), `"rev":"`, `"`)
	for _, u := range []replicate.User{testJoe, testAdmin} {
		if got := must(t, s, u, 200, "GET", db+"/r", ""); strings.Count(got, "hunter2") != 3 || !strings.Contains(got, `"owner":"joe"`) {
			t.Errorf("%s reads %s", u.Name, got)
		}
	}
	all := ""
	for _, path := range []string{"/r", "/r?revs=true&open_revs=all", "/_all_docs?include_docs=true", "/_changes?include_docs=true", "/r?rev=" + rev} {
		all += must(t, s, testEve, 200, "GET", db+path, "")
	}
	all += must(t, s, testEve, 200, "POST", db+"/_bulk_get", `{"docs":[{"id":"r"}]}`)
	if strings.Contains(all, "hunter2") || !strings.Contains(all, `"X-A":"b"`) || !strings.Contains(all, `"http://127.0.0.1:1/a"`) {
		t.Errorf("eve reads %s", all)
	}
	for _, c := range []struct {
		user   replicate.User
		method string
		path   string
		body   string
		status int
	}{
		{testEve, "PUT", "/r", doc(`,"_rev":"` + rev + `"`), 403},
		{testEve, "DELETE", "/r?rev=" + rev, "", 403},
		{testEve, "PUT", "/mine", doc(`,"owner":"joe"`), 403},
		{testEve, "PUT", "/mine", doc(`,"owner":null`), 403},
		{testEve, "PUT", "/mine", doc(`,"owner":"eve"`), 201},
		{testEve, "PUT", "/local", `{"source":"a","target":"b"}`, 403},
		{testEve, "PUT", "/wrong", doc(`,"continuous":1`), 403},
		{testEve, "PUT", "/wrong", doc(`,"user_ctx":7`), 403},
		{testEve, "PUT", "/wrong", doc(`,"connection_timeout":"x"`), 403},
		{testEve, "PUT", "/_local/x", `{}`, 201},
		{testAdmin, "PUT", "/given", doc(`,"owner":"eve"`), 201},
		{testAdmin, "PUT", "/given2", doc(`,"owner":null`), 201},
		{testJoe, "DELETE", "/r?rev=" + rev, "", 200},
	} {
		if got, answer := asUser(s, c.user, c.method, db+c.path, c.body); got != c.status {
			t.Errorf("%s, %s %s %s: %d %s", c.user.Name, c.method, c.path, c.body, got, answer)
		}
	}
	if got := must(t, s, testAdmin, 200, "GET", db+"/given2", ""); !strings.Contains(got, `"owner":"admin"`) {
		t.Errorf("it is %s", got)
	}
	// Every field that CouchDB has is accepted.
	must(t, s, testJoe, 201, "PUT", db+"/all", doc(`,"continuous":true,"create_target":true,"create_target_params":{"q":1,"partitioned":false},"selector":{"a":1},
		"since_seq":"0","use_checkpoints":true,"checkpoint_interval":1000,"use_bulk_get":false,"winning_revs_only":true,"worker_processes":2,"worker_batch_size":10,
		"http_connections":3,"connection_timeout":1000,"retries_per_request":2,"socket_options":"[{keepalive,true}]","source_proxy":"http://127.0.0.1:1","target_proxy":"","user_ctx":{"name":"joe","roles":["a"]}`))
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return found
}

// later is a replicator that is set after the server is open, because it needs the server.
type later struct{ replications.Replicator }

// _scheduler shows administrators jobs and documents, by pages and states.
func TestScheduler(t *testing.T) {
	t.Parallel()
	var replicator later
	s := openServer(t, Options{Replicator: &replicator})
	m, err := replicate.NewManager(t.Context(), replicate.Options{Store: s.Store, Open: replicate.Everything(s.Store), Settings: replicate.Settings{StartupJitter: -1}})
	if err != nil {
		t.Fatal(err)
	}
	replicator.Replicator = m
	front := httptest.NewServer(s)
	defer front.Close()
	defer m.Close()
	base := strings.Replace(front.URL, "//", "//admin:secret@", 1)
	for _, db := range []string{"/a", "/b", "/_replicator", "/x%2F_replicator"} {
		must(t, s, testAdmin, 201, "PUT", db, "")
	}
	must(t, s, testAdmin, 201, "PUT", "/a/1", "{}")
	put := func(db, id, source string, more string) {
		must(t, s, testAdmin, 201, "PUT", db+"/"+id, fmt.Sprintf(`{"source":"%s/%s","target":"%[1]s/b"%[3]s}`, base, source, more))
	}
	put("/_replicator", "done", "a", "")
	put("/_replicator", "runs", "a", `,"continuous":true`)
	put("/_replicator", "crashes", "none", "")
	put("/x%2F_replicator", "other", "b", `,"continuous":true`)
	if err := m.FollowDocuments(); err != nil {
		t.Fatal(err)
	}
	page := func(path string) (total, offset int, ids string) {
		var p struct {
			Total  int                                  `json:"total_rows"`
			Offset int                                  `json:"offset"`
			Docs   []struct{ ID, Doc_ID, State string } `json:"docs"`
			Jobs   []struct{ ID, Doc_ID string }        `json:"jobs"`
		}
		answer := must(t, s, testAdmin, 200, "GET", path, "")
		if err := json.Unmarshal([]byte(answer), &p); err != nil {
			t.Fatal(answer, err)
		}
		if strings.Contains(answer, "secret") {
			t.Errorf("%s tells too much: %s", path, answer)
		}
		for _, d := range p.Docs {
			ids += d.Doc_ID + " " + d.State + ", "
		}
		for _, j := range p.Jobs {
			ids += j.Doc_ID + ", "
		}
		return p.Total, p.Offset, ids
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		_, _, all := page("/_scheduler/docs")
		_, _, others := page("/_scheduler/docs/x%2F_replicator")
		if all+others == "crashes crashing, done completed, runs running, other running, " {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(all)
		}
	}
	for path, want := range map[string]string{
		"/_scheduler/docs?limit=1":                      "3 0 crashes crashing, ",
		"/_scheduler/docs?limit=1&skip=1":               "3 1 done completed, ",
		"/_scheduler/docs?skip=7":                       "3 3 ",
		"/_scheduler/docs?states=completed,running":     "2 0 done completed, runs running, ",
		"/_scheduler/docs/_replicator?states=crashing":  "1 0 crashes crashing, ",
		"/_scheduler/docs/x/_replicator":                "1 0 other running, ",
		"/_scheduler/jobs?limit=0":                      "3 0 ",
		"/_scheduler/docs/nothing%2F_replicator?skip=1": "0 0 ",
	} {
		total, offset, ids := page(path)
		if got := fmt.Sprintf("%d %d %s", total, offset, ids); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for path, status := range map[string]int{
		"/_scheduler/docs?states=sleeping": 400, "/_scheduler/jobs?skip=-1": 400, "/_scheduler/jobs/none": 404, "/_scheduler/docs/_replicator/none": 404,
		"/_scheduler/docs/a": 400, "/_scheduler/docs/x%2F_replicator/other": 200, "/_scheduler/docs/_replicator/done": 200, "/_scheduler": 404,
		"/_scheduler/jobs/" + m.Jobs()[0].ID: 200,
	} {
		if got, answer := asUser(s, testAdmin, "GET", path, ""); got != status {
			t.Errorf("%s: %d %s", path, got, answer)
		}
		if got, _ := asUser(s, testJoe, "GET", path, ""); got != http.StatusUnauthorized && status != 404 {
			t.Errorf("joe, %s: %d", path, got)
		}
	}
}

// A replication that a user requests from _replicate has the rights of that user, and only they
// and administrators can cancel it.
func TestReplicateWithRights(t *testing.T) {
	t.Parallel()
	var replicator later
	s := openServer(t, Options{Replicator: &replicator})
	m, err := replicate.NewManager(t.Context(), replicate.Options{Store: s.Store, Open: s.Access().OpenFor})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	replicator.Replicator = m
	for _, db := range []string{"/joes", "/joes2", "/eves"} {
		must(t, s, testAdmin, 201, "PUT", db, "")
		must(t, s, testAdmin, 200, "PUT", db+"/_security", `{"members":{"names":["`+db[1:4]+`"]},"admins":{}}`)
	}
	must(t, s, testJoe, 201, "PUT", "/joes/a", "{}")
	must(t, s, testAdmin, 201, "PUT", "/joes/_design/d", "{}")
	for request, status := range map[string]int{
		`{"source":"joes","target":"eves"}`:                     403,
		`{"source":"eves","target":"joes"}`:                     403,
		`{"source":"joes","target":"new","create_target":true}`: 403,
		`{"source":"joes","target":"joes2"}`:                    200,
		`{"source":"joes","target":"joes2","continuous":true}`:  202,
	} {
		if got, answer := asUser(s, testJoe, "POST", "/_replicate", request); got != status {
			t.Errorf("%s: %d %s", request, got, answer)
		}
	}
	must(t, s, testJoe, 200, "GET", "/joes2/a", "")
	if got, answer := asUser(s, testEve, "POST", "/_replicate", `{"source":"joes","target":"joes2","continuous":true,"cancel":true}`); got != 401 {
		t.Errorf("eve cancels joe's: %d %s", got, answer)
	}
	must(t, s, testJoe, 200, "POST", "/_replicate", `{"source":"joes","target":"joes2","continuous":true,"cancel":true}`)
}
