package synchronize_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/replicate/synchronize"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/updates"
	"github.com/tododb/tododb/store/widetest"
)

// server is a whole server, which can be stopped and started again.
type server struct {
	t       *testing.T
	engine  engine.Engine
	store   *store.Store
	manager *replicate.Manager
	api     *httpapi.Server
	updates *updates.Log
	syncs   *synchronize.Synchronizer
	http    *httptest.Server // at the same address all the time
	down    atomic.Bool
	handle  atomic.Pointer[httpapi.Server]
}

func startServer(t *testing.T) *server {
	t.Helper()
	e := storetest.Engine(t)
	s := &server{t: t, engine: e}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			panic(http.ErrAbortHandler)
		}
		s.handle.Load().ServeHTTP(w, r)
	}))
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.http.Close()
	})
	return s
}

func (s *server) start() {
	s.t.Helper()
	var err error
	if s.store, err = store.Open(s.t.Context(), s.engine, store.Options{}); err != nil {
		s.t.Fatal(err)
	}
	s.manager, err = replicate.NewManager(s.t.Context(), replicate.Options{
		Store: s.store, Server: "s", Settings: replicate.Settings{FirstPause: 20 * time.Millisecond, StartupJitter: -1},
		Open: func(ctx context.Context, name string, user replicate.User) (*store.DB, error) {
			return s.api.Access().OpenFor(ctx, name, user)
		},
		Allowed: func(ctx context.Context, user replicate.User) error { return s.api.Access().Allowed(ctx, user) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.syncs, err = synchronize.Open(s.t.Context(), synchronize.Options{Store: s.store, Replicator: s.manager, FirstPause: 20 * time.Millisecond, MaxPause: 200 * time.Millisecond})
	if err != nil {
		s.t.Fatal(err)
	}
	s.updates = updates.Open(s.t.Context(), updates.Options{Store: s.store})
	if s.api, err = httpapi.New(httpapi.Options{Store: s.store, Config: httpapitest.Settings(s.t), Synchronizer: s.syncs, Updates: s.updates}); err != nil {
		s.t.Fatal(err)
	}
	s.syncs.Start()
	s.handle.Store(s.api)
	s.down.Store(false)
}

func (s *server) stop() {
	s.t.Helper()
	s.down.Store(true)
	err := errors.Join(s.syncs.Close(), s.manager.Close())
	stop, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Minute)
	defer cancel()
	if err := errors.Join(err, s.api.Close(stop), s.updates.Close(), s.store.Close()); err != nil {
		s.t.Error(err)
	}
}

// url is the address of a database with the administrator's credentials.
func (s *server) url(db string) string {
	return strings.Replace(s.http.URL, "http://", "http://admin:secret@", 1) + "/" + db
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *server) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.http.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (s *server) must(status int, method, path, body string, headers ...string) answer {
	s.t.Helper()
	a := s.do(method, path, body, headers...)
	if a.status != status {
		s.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// resource is a synchronization as it is shown.
type resource struct {
	ID, Rev, Remote, Direction, State, Owner string
	Runs                                     int
	Documents                                int                                 `json:"documents_moved"`
	NextTry                                  *time.Time                          `json:"next_try"`
	LastError                                *struct{ Direction, Reason string } `json:"last_error"`
	Pull, Push                               *struct {
		DocsWritten int `json:"docs_written"`
	}
	Conflicts struct {
		Met int
		IDs []string
	}
}

func (a answer) resource(t *testing.T) (r resource) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &r); err != nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return r
}

// path is the path of the URL in Location.
func (s *server) path(a answer) string {
	return strings.TrimPrefix(a.header.Get("Location"), s.http.URL)
}

func (s *server) until(path string, there func(r resource) bool) (r resource) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		a := s.must(200, "GET", path, "")
		if r = a.resource(s.t); there(r) {
			return r
		}
		if time.Now().After(end) {
			s.t.Fatalf("it does not come: %s", a.body)
		}
	}
}

// leaves tells of every document its leaves, the winner first.
func (s *server) leaves(db string) string {
	s.t.Helper()
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
		}
	}
	if err := json.Unmarshal([]byte(s.must(200, "GET", "/"+db+"/_changes?style=all_docs", "").body), &feed); err != nil {
		s.t.Fatal(err)
	}
	var rows []string
	for _, r := range feed.Results {
		rows = append(rows, fmt.Sprint(r.ID, r.Changes))
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

func (s *server) convergeWith(other *server) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); s.leaves("todos") != other.leaves("todos"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("here:\n%s\nthere:\n%s", s.leaves("todos"), other.leaves("todos"))
		}
	}
}

func pair(t *testing.T) (here, there *server) {
	here, there = startServer(t), startServer(t)
	here.must(201, "PUT", "/todos", "")
	there.must(201, "PUT", "/todos", "")
	return here, there
}

func TestOnce(t *testing.T) {
	here, there := pair(t)
	here.must(201, "PUT", "/todos/milk", `{"_id":"milk","done":false}`)
	here.must(201, "PUT", "/todos/only-here", `{}`)
	there.must(201, "PUT", "/todos/milk", `{"_id":"milk","done":true}`)
	there.must(201, "PUT", "/todos/only-there", `{}`)

	a := here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q}`, there.url("todos")), "Prefer", "wait=20")
	r := a.resource(t)
	if a.header.Get("Preference-Applied") != "wait=20" || r.State != "completed" || r.Runs != 1 || r.Documents != 4 || r.Pull.DocsWritten != 2 || r.Push.DocsWritten != 2 {
		t.Errorf("%v %s", a.header, a.body)
	}
	if r.Conflicts.Met != 1 || !slices.Equal(r.Conflicts.IDs, []string{"milk"}) || r.Owner != "admin" || r.Direction != "both" {
		t.Errorf("%s", a.body)
	}
	if strings.Contains(a.body, "secret") || r.Remote != there.http.URL+"/todos/" {
		t.Errorf("credentials are shown: %s", a.body)
	}
	if here.leaves("todos") != there.leaves("todos") {
		t.Errorf("here:\n%s\nthere:\n%s", here.leaves("todos"), there.leaves("todos"))
	}
	path := here.path(a)
	etag := here.must(200, "GET", path, "").header.Get("Etag")
	here.must(304, "GET", path, "", "If-None-Match", etag)

	// The conflict is resolved: it was met, but is no more.
	var doc struct {
		Rev       string   `json:"_rev"`
		Conflicts []string `json:"_conflicts"`
	}
	if err := json.Unmarshal([]byte(here.must(200, "GET", "/todos/milk?conflicts=true", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	here.must(200, "DELETE", "/todos/milk?rev="+doc.Conflicts[0], "")
	if r := here.must(200, "GET", path, "").resource(t); r.Conflicts.Met != 1 || len(r.Conflicts.IDs) != 0 {
		t.Errorf("%+v", r.Conflicts)
	}

	list := here.must(200, "GET", "/todos/_synchronizations", "").body
	if !strings.HasPrefix(list, `{"synchronizations":[{"id":"`+r.ID) {
		t.Errorf("%s", list)
	}
	here.must(412, "DELETE", path, "", "If-Match", `"1-abc.x"`)
	here.must(200, "DELETE", path, "", "If-Match", etag)
	here.must(404, "GET", path, "")
	here.must(404, "DELETE", path, "")
	if list := here.must(200, "GET", "/todos/_synchronizations", "").body; list != "{\"synchronizations\":[]}\n" {
		t.Errorf("%s", list)
	}
}

// Both sides are edited at random, the network and both servers fail, and in the end both
// hold the same, with every conflict told of.
func TestContinuousConverges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	here, there := pair(t)
	a := here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, there.url("todos")))
	path := here.path(a)
	edit := func(s *server) {
		id := fmt.Sprintf("d%d", random.IntN(8))
		got := s.do("GET", "/todos/"+id, "")
		var now struct {
			Rev string `json:"_rev"`
		}
		if got.status == 200 {
			if err := json.Unmarshal([]byte(got.body), &now); err != nil {
				t.Fatal(err)
			}
		}
		body := fmt.Sprintf(`{"v":%d`, random.IntN(1000))
		if now.Rev != "" {
			body += fmt.Sprintf(`,"_rev":%q,"_deleted":%t`, now.Rev, random.IntN(5) == 0)
		}
		if a := s.do("PUT", "/todos/"+id, body+"}"); a.status > 201 && a.status != 409 {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
	}
	for round := range 6 {
		for range 15 {
			edit(here)
			edit(there)
		}
		switch round {
		case 1: // the remote goes and comes back
			there.stop()
			here.until(path, func(r resource) bool { return r.LastError != nil })
			for range 10 {
				edit(here)
			}
			there.start()
		case 3: // here it is this server
			here.stop()
			for range 10 {
				edit(there)
			}
			here.start()
		case 4:
			here.convergeWith(there)
		}
	}
	here.convergeWith(there)
	var inConflict []string
	for i := range 8 {
		id := fmt.Sprintf("d%d", i)
		if a := here.do("GET", "/todos/"+id+"?conflicts=true", ""); strings.Contains(a.body, "_conflicts") {
			inConflict = append(inConflict, id)
		}
	}
	// Conflicts are looked for once the documents are there.
	r := here.until(path, func(r resource) bool {
		return r.State == "running" && slices.Equal(r.Conflicts.IDs, inConflict)
	})
	if r.Documents == 0 || r.Pull.DocsWritten == 0 || r.Push.DocsWritten == 0 {
		t.Errorf("%+v", r)
	}
	t.Logf("%d moved, %d conflicts met, %d left", r.Documents, r.Conflicts.Met, len(r.Conflicts.IDs))
}

func TestPauseAndSchedule(t *testing.T) {
	here, there := pair(t)
	here.must(201, "PUT", "/todos/a", `{}`)
	a := here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"direction":"push","paused":true}`, there.url("todos")))
	path := here.path(a)
	r := a.resource(t)
	if r.State != "paused" || r.Pull != nil {
		t.Errorf("%s", a.body)
	}
	there.must(404, "GET", "/todos/a", "")

	changed := here.must(200, "PUT", path, `{"paused":false}`, "If-Match", a.header.Get("Etag"))
	if changed.resource(t).Rev == r.Rev {
		t.Errorf("%s", changed.body)
	}
	here.must(412, "PUT", path, `{"paused":true}`, "If-Match", a.header.Get("Etag"))
	here.until(path, func(r resource) bool { return r.State == "completed" })
	there.must(200, "GET", "/todos/a", "")

	// What is shown can be sent back, changed.
	shown := here.must(200, "GET", path, "").body
	here.must(200, "PUT", path, strings.Replace(shown, `"schedule":null`, `"schedule":{"every":1}`, 1))
	here.must(201, "PUT", "/todos/b", `{}`)
	r = here.until(path, func(r resource) bool { return r.Runs >= 3 && r.State == "waiting" })
	if r.NextTry == nil {
		t.Errorf("%+v", r)
	}
	there.must(200, "GET", "/todos/b", "")

	// It goes on after a restart, with what it has counted.
	here.stop()
	here.start()
	r = here.until(path, func(now resource) bool { return now.Runs > r.Runs })
	if r.Documents != 2 {
		t.Errorf("%+v", r)
	}
}

// Of two that take turns, the one whose turn is over waits.
func TestOneThatHasMadeRoomWaits(t *testing.T) {
	here, there := pair(t)
	here.manager.SetSettings(replicate.Settings{MaxJobs: 1, Interval: 50 * time.Millisecond, StartupJitter: -1})
	there.must(201, "PUT", "/other", "")
	first := here.path(here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"direction":"push","continuous":true}`, there.url("todos"))))
	here.until(first, func(r resource) bool { return r.State == "running" })
	second := here.path(here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"direction":"push","continuous":true}`, there.url("other"))))
	for range 3 {
		here.until(first, func(r resource) bool { return r.State == "waiting" })
		here.until(second, func(r resource) bool { return r.State == "waiting" })
		here.until(first, func(r resource) bool { return r.State == "running" })
		here.until(second, func(r resource) bool { return r.State == "running" })
	}
}

func TestErrorsAreShown(t *testing.T) {
	here, there := pair(t)
	for body, reason := range map[string]string{
		`[]`: "object", `{}`: "remote", `{"remote":7}`: "url", `{"remote":"todos"}`: "itself", `{"remote":"nope"}`: "no database",
		`{"remote":"http://x/y","direction":"up"}`: "direction", `{"remote":"http://x/y","schedule":{"every":0}}`: "schedule",
		`{"remote":"http://x/y","continuous":true,"schedule":{"every":9}}`: "continuous", `{"remote":"http://x/y","colour":1}`: "colour",
		`{"remote":"http://x/y","selector":{},"doc_ids":[]}`: "exclusive",
	} {
		if a := here.do("POST", "/todos/_synchronizations", body); a.status != 400 || !strings.Contains(a.body, reason) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	here.must(400, "POST", "/todos/_synchronizations", `{"remote":"http://x/y"}`, "Prefer", "wait=long")
	here.must(404, "POST", "/none/_synchronizations", `{"remote":"http://x/y"}`)
	here.must(404, "GET", "/todos/_synchronizations/none", "")

	there.must(200, "DELETE", "/todos", "")
	a := here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, there.url("todos")), "Prefer", "wait=20")
	r := here.until(here.path(a), func(r resource) bool { return r.State == "retrying" && r.NextTry != nil })
	if r.LastError == nil || strings.Contains(r.LastError.Reason, "secret") {
		t.Errorf("%+v", r)
	}
	there.must(201, "PUT", "/todos", "")
	there.must(201, "PUT", "/todos/x", "{}")
	here.until(here.path(a), func(r resource) bool { return r.State == "running" && r.Documents == 1 })

	a = here.must(202, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, there.url("todos")), "Prefer", "wait=0")
	here.must(200, "PUT", here.path(a), fmt.Sprintf(`{"remote":%q}`, strings.Replace(there.url("todos"), "secret", "wrong", 1)))
	r = here.until(here.path(a), func(r resource) bool { return r.State == "retrying" })
	here.must(400, "PUT", here.path(a), `{"remote":"http://elsewhere/todos"}`)
}

// A synchronization is its database's: it goes with it, and one that is made later under
// the same name does not get it. Nobody but administrators of the database sees it, and
// nobody at all where it is stored.
func TestBelongsToItsDatabase(t *testing.T) {
	here, there := pair(t)
	a := here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, there.url("todos")))
	for _, anonymous := range []string{"/todos/_synchronizations", here.path(a)} {
		resp, err := http.Get(here.http.URL + anonymous)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("anybody may see %s: %d", anonymous, resp.StatusCode)
		}
	}
	here.must(404, "GET", "/_synchronizations/_all_docs", "")
	if body := here.must(200, "GET", "/_all_dbs", "").body; strings.Contains(body, "_synch") {
		t.Errorf("%s", body)
	}
	if body := here.must(200, "POST", "/_dbs_info", `{"keys":["_synchronizations"]}`).body; !strings.Contains(body, "not_found") {
		t.Errorf("%s", body)
	}
	if body := here.must(200, "GET", "/_db_updates", "").body; strings.Contains(body, "_synch") {
		t.Errorf("%s", body)
	}
	here.until(here.path(a), func(r resource) bool { return r.State == "running" })
	here.must(200, "DELETE", "/todos", "")
	here.must(201, "PUT", "/todos", "")
	there.must(201, "PUT", "/todos/x", "{}")
	for end := time.Now().Add(time.Minute); here.do("GET", here.path(a), "").status != 404; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is still there")
		}
	}
	if body := here.must(200, "GET", "/todos/_synchronizations", "").body; body != "{\"synchronizations\":[]}\n" {
		t.Errorf("%s", body)
	}
	here.must(404, "GET", "/todos/x", "")
}

// Two databases of one server, and only some documents.
func TestLocalRemoteAndFilter(t *testing.T) {
	here := startServer(t)
	here.must(201, "PUT", "/todos", "")
	here.must(201, "PUT", "/other", "")
	here.must(201, "POST", "/other/_bulk_docs", `{"docs":[{"_id":"a","kind":"todo"},{"_id":"b","kind":"note"}]}`)
	a := here.must(201, "POST", "/todos/_synchronizations", `{"remote":"other","direction":"pull","selector":{"kind":"todo"}}`, "Prefer", "wait=20")
	if r := a.resource(t); r.State != "completed" || r.Documents != 1 || r.Remote != "other" || r.Push != nil {
		t.Errorf("%s", a.body)
	}
	here.must(200, "GET", "/todos/a", "")
	here.must(404, "GET", "/todos/b", "")
}

// Of many who change and end one at the same time each is answered, and it is gone.
func TestChangesRace(t *testing.T) {
	here, there := pair(t)
	a := here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, there.url("todos")))
	path := here.path(a)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				here.do("PUT", path, fmt.Sprintf(`{"paused":%t}`, i%2 == 0))
			}
			if a := here.do("DELETE", path, ""); a.status != 200 && a.status != 404 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	here.must(404, "GET", path, "")
	here.stop()
	here.start()
	if body := here.must(200, "GET", "/todos/_synchronizations", "").body; body != "{\"synchronizations\":[]}\n" {
		t.Errorf("%s", body)
	}
}

// What somebody has asked for does not outlive their account or its password, and says so instead of
// being tried for ever.
func TestEndsWithTheAccount(t *testing.T) {
	here, there := pair(t)
	here.must(201, "PUT", "/_users", "")
	here.must(200, "PUT", "/todos/_security", `{"admins":{"names":["joe","ann"]},"members":{}}`)
	revs := map[string]string{}
	for name, how := range map[string]string{"joe": `"continuous":true`, "ann": `"schedule":{"every":1},"direction":"pull"`} {
		account := "/_users/org.couchdb.user:" + name
		revs[name] = strings.Trim(here.must(201, "PUT", account, fmt.Sprintf(`{"name":%q,"password":"old","roles":[],"type":"user"}`, name)).header.Get("Etag"), `"`)
		login := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":old"))}
		path := here.path(here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,%s}`, there.url("todos"), how), login...))
		there.must(201, "PUT", "/todos/before-"+name, "{}")
		for end := time.Now().Add(time.Minute); here.do("GET", "/todos/before-"+name, "").status != 200; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s's does not move anything", name)
			}
		}
		if name == "joe" {
			here.must(201, "PUT", account, fmt.Sprintf(`{"_rev":%q,"name":"joe","password":"new","roles":[],"type":"user"}`, revs[name]))
		} else {
			here.must(200, "DELETE", account+"?rev="+revs[name], "")
		}
		there.must(201, "PUT", "/todos/after-"+name, "{}")
		failed := func(r resource) bool { return r.State == "failed" }
		r := here.until(path, failed)
		if r.NextTry != nil || r.LastError == nil || !strings.Contains(r.LastError.Reason, "account") {
			t.Errorf("%s's: %+v, %+v", name, r, r.LastError)
		}
		here.stop()
		here.start()
		here.until(path, failed)
		here.must(404, "GET", "/todos/after-"+name, "")
		here.must(200, "DELETE", path, "")
	}
}

// What somebody has asked for goes on when their account is back that nobody has ended: the database of users is put back
// from a copy, or a conflict of the account's document is resolved.
func TestAccountThatComesBack(t *testing.T) {
	widetest.Only(t)
	here, there := pair(t)
	here.must(201, "PUT", "/_users", "")
	here.must(200, "PUT", "/todos/_security", `{"admins":{"names":["joe"]},"members":{}}`)
	const account = "/_users/org.couchdb.user:joe"
	here.must(201, "PUT", account, `{"name":"joe","password":"old","roles":[],"type":"user"}`)
	login := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:old"))}
	path := here.path(here.must(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"schedule":{"every":1},"direction":"pull"}`, there.url("todos")), login...))
	moves := func(id string) {
		t.Helper()
		there.must(201, "PUT", "/todos/"+id, "{}")
		for end := time.Now().Add(time.Minute); here.do("GET", "/todos/"+id, "").status != 200; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s does not come: %+v", id, here.do("GET", path, ""))
			}
		}
	}
	stands := func(why string) {
		t.Helper()
		r := here.until(path, func(r resource) bool { return r.State == "retrying" || r.State == "failed" })
		if r.State != "retrying" || r.LastError == nil || !strings.Contains(r.LastError.Reason, why) {
			t.Fatalf("%+v, %+v", r, r.LastError)
		}
	}
	moves("first")

	kept := here.must(200, "GET", account+"?revs=true", "").body
	here.must(200, "DELETE", "/_users", "")
	stands("not there")
	here.must(201, "PUT", "/_users", "")
	stands("not there")
	here.must(201, "PUT", account+"?new_edits=false", kept)
	moves("second")

	here.must(201, "PUT", account+"?new_edits=false", `{"_rev":"1-0","name":"joe","password_scheme":"simple","password_sha":"x","salt":"y","roles":[],"type":"user"}`)
	stands("conflict")
	here.must(200, "DELETE", account+"?rev=1-0", "")
	moves("third")
}

// Who administers a database, but not the server, has nothing sent that only a proxy says:
// neither by a synchronization of his own nor by one that an administrator has made.
func TestHeadersOfSynchronizations(t *testing.T) {
	here, there := pair(t)
	here.must(200, "PUT", "/todos/_security", `{"admins":{"names":["joe"]},"members":{}}`)
	here.must(201, "PUT", "/_users", "")
	here.must(201, "PUT", "/_users/org.couchdb.user:joe", `{"name":"joe","password":"joe","roles":[],"type":"user"}`)
	remote := func(headers string) string {
		return fmt.Sprintf(`{"paused":true,"remote":{"url":%q,"headers":{%s}}}`, there.http.URL+"/todos", headers)
	}
	const asked, plain = `"X-Forwarded-For":"192.0.2.1"`, `"X-Api-Key":"k"`
	joe := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:joe"))}
	here.must(403, "POST", "/todos/_synchronizations", remote(asked), joe...)
	his := here.path(here.must(201, "POST", "/todos/_synchronizations", remote(plain), joe...))
	admins := here.path(here.must(201, "POST", "/todos/_synchronizations", remote(asked)))
	here.must(403, "PUT", his, remote(asked), joe...)
	here.must(403, "PUT", admins, remote(asked+`,"X-Real-IP":"192.0.2.1"`), joe...)
	here.must(403, "PUT", his, remote(asked)) // in joe's name
	here.must(200, "PUT", admins, remote(asked+`,"X-Real-IP":"192.0.2.1"`))
	here.must(200, "PUT", admins, `{"direction":"pull"}`, joe...)
}
