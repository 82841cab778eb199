package replicate_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
)

// follow gives a server a replicator that runs its documents. It ends with the test, or
// with the function that it returns.
func (s *server) follow(opt replicate.Options) (*replicate.Manager, func()) {
	s.t.Helper()
	opt.Store, opt.Server = s.store, "test"
	if opt.Settings.StartupJitter == 0 {
		opt.Settings.StartupJitter = -1
	}
	m, err := replicate.NewManager(s.t.Context(), opt)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := m.FollowDocuments(); err != nil {
		s.t.Fatal(err)
	}
	stop := sync.OnceFunc(func() { m.Close() })
	s.t.Cleanup(stop)
	return m, stop
}

// member returns a member of a JSON object: the text of a string, or the JSON of another value.
func member(t *testing.T, object, name string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &all); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	var text string
	if json.Unmarshal(all[name], &text) == nil {
		return text
	}
	return string(all[name])
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to pass that %s", what)
		}
	}
}

// state is what _scheduler/docs would say of a document.
func state(t *testing.T, m *replicate.Manager, db, id string) string {
	b, err := m.ScheduledDoc(t.Context(), db, id)
	if err != nil {
		return err.Error()
	}
	return member(t, string(b), "state")
}

// A document that says paused waits until it says otherwise, over restarts too.
func TestPausedDocument(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, path := range []string{"/source", "/source/a", "/target", "/_replicator"} {
		s.must(201, "PUT", path, `{}`)
	}
	put := func(rev, more string) string {
		return member(t, s.must(201, "PUT", "/_replicator/r"+rev, fmt.Sprintf(`{"source":%q,"target":%q,"continuous":true%s}`, s.url("source"), s.url("target"), more)), "rev")
	}
	rev := put("", `,"paused":true`)
	for range 2 {
		m, stop := s.follow(replicate.Options{})
		until(t, "it is paused", func() bool { return state(t, m, "_replicator", "r") == "paused" })
		n, err := m.ScheduledDocs(t.Context(), "_replicator", replicate.DocsQuery{States: []replicate.State{replicate.Paused}}, func([]byte) {})
		if n != 1 || err != nil {
			t.Errorf("%d paused documents: %v", n, err)
		}
		stop()
	}
	m, _ := s.follow(replicate.Options{})
	until(t, "it is paused", func() bool { return state(t, m, "_replicator", "r") == "paused" })
	rev = put("?rev="+rev, `,"paused":false`)
	until(t, "it runs", func() bool { return state(t, m, "_replicator", "r") == "running" })
	until(t, "it has written", func() bool { status, _ := s.do("GET", "/target/a", ""); return status == 200 })
	put("?rev="+rev, `,"paused":true`)
	until(t, "it is paused again", func() bool { return state(t, m, "_replicator", "r") == "paused" })
	if answer := s.must(403, "PUT", "/_replicator/x", fmt.Sprintf(`{"source":%q,"target":%[1]q,"paused":"yes"}`, s.url("source"))); !strings.Contains(answer, "paused") {
		t.Errorf("a pause that is no boolean: %s", answer)
	}
}

// Thousands of documents are done by a few jobs at a time.
func TestManyDocuments(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 200
	}
	s := startServer(t)
	s.must(201, "PUT", "/source", "")
	s.must(201, "PUT", "/source/a", `{}`)
	s.must(201, "PUT", "/target", "")
	s.must(201, "PUT", "/_replicator", "")
	var docs []string
	for i := range n {
		docs = append(docs, fmt.Sprintf(`{"_id":"r%04d","source":%q,"target":%q,"doc_ids":["a","%[1]d"]}`, i, s.url("source"), s.url("target")))
	}
	if answer := s.must(201, "POST", "/_replicator/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`); strings.Contains(answer, "error") {
		t.Fatal(answer)
	}
	m, _ := s.follow(replicate.Options{Settings: replicate.Settings{MaxJobs: 20}})
	done := func() int {
		total, err := m.ScheduledDocs(t.Context(), "_replicator", replicate.DocsQuery{States: []replicate.State{replicate.Completed}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return total
	}
	for deadline := time.Now().Add(2 * time.Minute); done() < n; time.Sleep(50 * time.Millisecond) {
		if running := len(m.Tasks()); running > 20 {
			t.Fatalf("%d jobs run at once", running)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d are done", done(), n)
		}
	}
	if got := member(t, s.must(200, "GET", "/_replicator/r0007", ""), "_replication_state"); got != "completed" {
		t.Errorf("the document says %s", got)
	}
}

// Documents begin, change and end replications, in any _replicator database. The replications go
// on after a restart.
func TestDocumentsLife(t *testing.T) {
	s := startServer(t)
	for _, db := range []string{"/one", "/two", "/target", "/_replicator", "/a%2F_replicator"} {
		s.must(201, "PUT", db, "")
	}
	_, stop := s.follow(replicate.Options{})
	arrives := func(id string) {
		t.Helper()
		until(t, id+" arrives", func() bool { status, _ := s.do("GET", "/target/"+id, ""); return status == 200 })
	}
	doc := func(source string) string {
		return fmt.Sprintf(`{"source":{"url":%q},"target":%q,"continuous":true`, s.url(source), s.url("target"))
	}
	rev := member(t, s.must(201, "PUT", "/a%2F_replicator/r", doc("one")+"}"), "rev")
	s.must(201, "PUT", "/one/a", `{}`)
	arrives("a")
	stop()
	s.must(201, "PUT", "/one/b", `{}`)
	m, _ := s.follow(replicate.Options{})
	arrives("b")

	// From now on it is another replication.
	rev = member(t, s.must(201, "PUT", "/a%2F_replicator/r", doc("two")+`,"_rev":"`+rev+`"}`), "rev")
	s.must(201, "PUT", "/two/c", `{}`)
	arrives("c")
	if jobs := m.Jobs(); len(jobs) != 1 || !strings.Contains(jobs[0].Source, "/two") || jobs[0].Owner != (replicate.Owner{DB: "a/_replicator", Doc: "r"}) {
		t.Errorf("the jobs are %+v", jobs)
	}
	// The same from another document is refused, in words.
	s.must(201, "PUT", "/_replicator/same", doc("two")+"}")
	until(t, "the second is refused", func() bool {
		got := s.must(200, "GET", "/_replicator/same", "")
		return member(t, got, "_replication_state") == "failed" && strings.Contains(member(t, got, "_replication_state_reason"), "`r`")
	})
	s.must(200, "DELETE", "/a%2F_replicator/r?rev="+rev, "")
	until(t, "nothing runs", func() bool { return len(m.Jobs()) == 0 })
	if got := state(t, m, "a/_replicator", "r"); got != "missing" {
		t.Errorf("the deleted document is %s", got)
	}
	// A waiting job ends with its database.
	s.must(201, "PUT", "/a%2F_replicator/again", doc("one")+"}")
	until(t, "it runs", func() bool { return state(t, m, "a/_replicator", "again") == "running" })
	s.must(200, "DELETE", "/a%2F_replicator", "")
	until(t, "nothing runs", func() bool { return len(m.Jobs()) == 0 })
}

// A job whose target does not exist crashes until it does. Its document says nothing of this before
// the end, unless the settings ask for it.
func TestMissingTarget(t *testing.T) {
	for _, update := range []bool{false, true} {
		s := startServer(t)
		s.must(201, "PUT", "/source", "")
		s.must(201, "PUT", "/source/a", "{}")
		s.must(201, "PUT", "/_replicator", "")
		m, _ := s.follow(replicate.Options{Settings: replicate.Settings{FirstPause: 20 * time.Millisecond, UpdateDocs: update}})
		s.must(201, "PUT", "/_replicator/r", fmt.Sprintf(`{"source":%q,"target":%q}`, s.url("source"), s.url("target")))
		until(t, "it crashes", func() bool { return state(t, m, "_replicator", "r") == "crashing" })
		if update {
			until(t, "the document says so", func() bool {
				return member(t, s.must(200, "GET", "/_replicator/r", ""), "_replication_state") == "error"
			})
		} else if got := s.must(200, "GET", "/_replicator/r", ""); strings.Contains(got, "_replication") {
			t.Errorf("the document is %s", got)
		}
		s.must(201, "PUT", "/target", "")
		until(t, "it is done", func() bool { return state(t, m, "_replicator", "r") == "completed" })
		got := s.must(200, "GET", "/_replicator/r", "")
		if member(t, got, "_replication_state") != "completed" || !strings.Contains(member(t, got, "_replication_stats"), `"docs_written":1`) || strings.Contains(got, "reason") {
			t.Errorf("the document is %s", got)
		}
	}
}

// Passwords of replications can be seen only in the documents themselves.
func TestSecretsOfDocuments(t *testing.T) {
	s := startServer(t)
	s.must(201, "PUT", "/_replicator", "")
	var log syncBuffer
	m, _ := s.follow(replicate.Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Settings: replicate.Settings{FirstPause: time.Millisecond}})
	// This does not use the administrator, because so many failed logins would lock them out.
	secret := strings.Replace(s.url("none"), "admin:secret", "joe:hunter2", 1)
	s.must(201, "PUT", "/_replicator/r", fmt.Sprintf(`{"continuous":true,"source":%q,"target":{"url":%[1]q,"headers":{"Authorization":"hunter2"},"auth":{"basic":{"username":"u","password":"hunter2"}}}}`, secret))
	until(t, "it crashes", func() bool { return state(t, m, "_replicator", "r") == "crashing" })
	shown := log.String()
	b, err := m.ScheduledDoc(t.Context(), "_replicator", "r")
	if err != nil {
		t.Error(err)
	}
	shown += string(b)
	for _, j := range m.Jobs() {
		shown += string(j.JobJSON()) + fmt.Sprintf("%+v", j)
	}
	for _, task := range m.Tasks() {
		shown += string(task)
	}
	if strings.Contains(shown, "hunter2") {
		t.Errorf("they tell too much: %s", shown)
	}
	clean, err := replicate.WithoutSecrets([]byte(s.must(200, "GET", "/_replicator/r", "")))
	if err != nil || strings.Contains(string(clean), "hunter2") || !strings.Contains(string(clean), "/none") {
		t.Errorf("without secrets it is %s, %v", clean, err)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.String()
}

// A document that asks for what a request has started waits for the end of that, and then runs.
func TestDocumentOfAJobThatARequestHasStarted(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, path := range []string{"/source", "/source/a", "/target", "/_replicator"} {
		s.must(201, "PUT", path, `{}`)
	}
	m, _ := s.follow(replicate.Options{Settings: replicate.Settings{UpdateDocs: true}})
	body := fmt.Sprintf(`{"source":%q,"target":%q,"continuous":true}`, s.url("source"), s.url("target"))
	spec, err := replicate.ParseSpec([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.Add(replicate.Request{Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"r", "gone"} {
		s.must(201, "PUT", "/_replicator/"+doc, body)
		until(t, "it waits", func() bool { return state(t, m, "_replicator", doc) == "error" })
	}
	shown, err := m.ScheduledDoc(t.Context(), "_replicator", "r")
	if err != nil || member(t, string(shown), "id") != "" || !strings.Contains(member(t, string(shown), "info"), "by another request") {
		t.Errorf("%s %v", shown, err)
	}
	doc := s.must(200, "GET", "/_replicator/gone", "")
	s.must(200, "DELETE", "/_replicator/gone?rev="+member(t, doc, "_rev"), "")
	if err := m.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	until(t, "it runs", func() bool { return state(t, m, "_replicator", "r") == "running" })
	if doc := s.must(200, "GET", "/_replicator/r", ""); strings.Contains(doc, "failed") {
		t.Errorf("the document is %s", doc)
	}
}

// A filter function that the source lacks is awaited. One that no design document can have is a
// fault of the document.
func TestDocumentWithoutItsFilter(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, path := range []string{"/source", "/source/a", "/target", "/_replicator"} {
		s.must(201, "PUT", path, `{}`)
	}
	m, _ := s.follow(replicate.Options{Settings: replicate.Settings{FirstPause: 20 * time.Millisecond}})
	for _, filter := range []string{"d/f", "f"} {
		s.must(201, "PUT", "/_replicator/"+strings.ReplaceAll(filter, "/", "-"), fmt.Sprintf(`{"source":%q,"target":%q,"filter":%q}`, s.url("source"), s.url("target"), filter))
	}
	until(t, "it waits", func() bool { return state(t, m, "_replicator", "d-f") == "error" })
	until(t, "the other fails", func() bool { return state(t, m, "_replicator", "f") == "failed" })
	if doc := s.must(200, "GET", "/_replicator/f", ""); member(t, doc, "_replication_state_reason") != "Invalid filter. Must match `ddocname/filtername`." {
		t.Errorf("the document is %s", doc)
	}
	s.must(201, "PUT", "/source/_design/d", `{"filters":{"f":"function(){return true}"}}`)
	until(t, "it is done", func() bool { return state(t, m, "_replicator", "d-f") == "completed" })
}
