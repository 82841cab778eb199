package replicate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/storetest"
)

// server is a whole server over a store of its own.
type server struct {
	t       *testing.T
	store   *store.Store
	api     *httpapi.Server
	http    *httptest.Server
	filters *filter.Opener // of its databases
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := httpapitest.Open(t, httpapi.Options{})
	srv := &server{t: t, store: s.Store, api: s.Server, http: httptest.NewServer(s), filters: s.Filters}
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := s.Close(stop); err != nil { // ends the feeds that the other server reads
			t.Error(err)
		}
		srv.http.Close()
	})
	return srv
}

// url is the address of a database with the administrator's credentials.
func (s *server) url(db string) string {
	return strings.Replace(s.http.URL, "http://", "http://admin:secret@", 1) + "/" + db
}

// do makes a request and returns the answer's status and body.
func (s *server) do(method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.http.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

func (s *server) must(status int, method, path, body string) string {
	s.t.Helper()
	got, answer := s.do(method, path, body)
	if got != status {
		s.t.Fatalf("%s %s: %d %s", method, path, got, answer)
	}
	return answer
}

// edit changes a random document: it makes it, edits its winner, or deletes it.
func (s *server) edit(random *rand.Rand) {
	id := fmt.Sprintf("d%d", random.IntN(12))
	status, answer := s.do("GET", "/db/"+id, "")
	var now struct {
		Rev string `json:"_rev"`
	}
	if status == 200 {
		if err := json.Unmarshal([]byte(answer), &now); err != nil {
			s.t.Error(err)
		}
	}
	body := fmt.Sprintf(`{"v":%d`, random.IntN(1000))
	if now.Rev != "" {
		body += fmt.Sprintf(`,"_rev":%q`, now.Rev)
	}
	switch random.IntN(6) {
	case 0:
		if now.Rev != "" {
			body += `,"_deleted":true`
		}
	case 1:
		body += fmt.Sprintf(`,"_attachments":{"f":{"content_type":"text/plain","data":%q}}`, []string{"aGk=", "aG8=", ""}[random.IntN(3)])
	}
	if status, answer := s.do("PUT", "/db/"+id, body+"}"); status != 200 && status != 201 && status != 409 {
		s.t.Errorf("edit of %s: %d %s", id, status, answer)
	}
}

// state shows the leaves of every document, each with its body and attachments, and the winner.
func (s *server) state(db string) string {
	var out bytes.Buffer
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
		}
	}
	if err := json.Unmarshal([]byte(s.must(200, "GET", "/"+db+"/_changes?style=all_docs", "")), &feed); err != nil {
		s.t.Fatal(err)
	}
	rows := map[string]string{}
	for _, r := range feed.Results {
		rows[r.ID] = fmt.Sprint(r.Changes) + s.must(200, "GET", "/"+db+"/"+r.ID+"?open_revs=all&revs=true&attachments=true", "")
	}
	for i := range 100 {
		if row, ok := rows[fmt.Sprintf("d%d", i)]; ok {
			fmt.Fprintf(&out, "d%d %s\n", i, row)
		}
	}
	return out.String()
}

func (s *server) check(db string) {
	d, err := storetest.OpenDB(s.t.Context(), s.store, db)
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.Release()
	if err := d.Check(s.t.Context(), func(problem string) { s.t.Error(problem) }); err != nil {
		s.t.Fatal(err)
	}
}

// badNetwork loses requests before they arrive and answers on their way back, cuts answers in
// their middle, and delivers requests twice.
type badNetwork struct {
	next http.RoundTripper

	mu     sync.Mutex // guards random
	random *rand.Rand
}

var errCut = errors.New("the line was cut")

func (n *badNetwork) draw(of int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.random.IntN(of)
}

func (n *badNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	fate := n.draw(24)
	if fate == 0 {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errCut
	}
	if fate == 1 && r.GetBody != nil { // it arrives twice
		twin := r.Clone(r.Context())
		if body, err := r.GetBody(); err == nil {
			twin.Body = body
			if answer, err := n.next.RoundTrip(twin); err == nil {
				answer.Body.Close()
			}
		}
	}
	answer, err := n.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch fate {
	case 2:
		answer.Body.Close()
		return nil, errCut
	case 3:
		answer.Body = &cutBody{answer.Body, n.draw(400)}
	}
	return answer, nil
}

// cutBody ends too early.
type cutBody struct {
	io.ReadCloser
	left int
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errCut
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func spec(t *testing.T, source, target string, more string) replicate.Spec {
	t.Helper()
	s, err := replicate.ParseSpec(fmt.Appendf(nil, `{"source":%q,"target":%q%s}`, source, target, more))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Three servers are edited while replications run between them over a network that cuts,
// loses and repeats. In the end all of them hold the same.
func TestServersConverge(t *testing.T) {
	t.Parallel()
	servers := []*server{startServer(t), startServer(t), startServer(t)}
	for _, s := range servers {
		s.must(201, "PUT", "/db", "")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	bad := &badNetwork{next: transport, random: rand.New(rand.NewPCG(7, 7))}
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Wrap: func(http.RoundTripper) http.RoundTripper { return bad }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	pairs := [][2]int{{0, 1}, {1, 2}, {2, 0}, {1, 0}, {0, 2}, {2, 1}}
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for range 120 {
				s.edit(random)
			}
		})
	}
	for _, p := range pairs {
		wg.Go(func() {
			for range 3 { // small batches, so there is more to cut
				_, err := m.Run(t.Context(), spec(t, servers[p[0]].url("db"), servers[p[1]].url("db"), `,"worker_batch_size":3,"retries_per_request":3`))
				if err != nil && t.Context().Err() != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()

	good, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	for range 2 { // documents that need two hops take the second one in the second round
		for _, p := range pairs {
			if _, err := good.Run(t.Context(), spec(t, servers[p[0]].url("db"), servers[p[1]].url("db"), "")); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := servers[0].state("db")
	if strings.Count(want, "\n") < 5 {
		t.Errorf("there is little to compare: %s", want)
	}
	for i, s := range servers {
		if got := s.state("db"); got != want {
			t.Errorf("server %d holds\n%s\nserver 0\n%s", i, got, want)
		}
		s.check("db")
	}
}

// The second run has nothing to do, and says so.
func TestNothingToDo(t *testing.T) {
	a, b := startServer(t), startServer(t)
	a.must(201, "PUT", "/db", "")
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: b.store, Open: replicate.Everything(b.store)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	random := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		a.edit(random)
	}
	first, err := m.Run(t.Context(), spec(t, a.url("db"), "copy", `,"create_target":true`))
	if err != nil {
		t.Fatal(err)
	}
	if read, written, refused := first.Counts(); read == 0 || read != written || refused != 0 {
		t.Errorf("read %d, wrote %d, refused %d", read, written, refused)
	}
	if a.state("db") != b.state("copy") {
		t.Error("the copy differs")
	}
	again, err := m.Run(t.Context(), spec(t, a.url("db"), "copy", ""))
	if err != nil || !again.NoChanges {
		t.Errorf("the second run: %+v, %v", again, err)
	}
	if _, err := m.Run(t.Context(), spec(t, "copy", "none", "")); !errors.Is(err, replicate.ErrNoDB) {
		t.Errorf("a target that is not there: %v", err)
	}
	if _, err := m.Run(t.Context(), spec(t, strings.Replace(a.url("db"), "secret", "wrong", 1), "copy", "")); !errors.Is(err, replicate.ErrUnauthorized) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
}

// A continuous replication brings each change soon, and ends when it is told to.
func TestContinuous(t *testing.T) {
	a, b := startServer(t), startServer(t)
	a.must(201, "PUT", "/db", "")
	b.must(201, "PUT", "/db", "")
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	request := fmt.Appendf(nil, `{"source":%q,"target":%q,"continuous":true}`, a.url("db"), b.url("db"))
	for range 2 { // the second request joins the first
		if _, started, err := m.Replicate(t.Context(), request, replicate.User{}); err != nil || !started {
			t.Fatal(started, err)
		}
	}
	if tasks := m.Tasks(); len(tasks) != 1 || bytes.Contains(tasks[0], []byte("secret")) {
		t.Errorf("tasks are %s", tasks)
	}
	for i := range 3 {
		a.must(201, "PUT", fmt.Sprintf("/db/d%d", i), `{}`)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if status, _ := b.do("GET", fmt.Sprintf("/db/d%d", i), ""); status == 200 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("d%d does not come", i)
			}
		}
	}
	for deadline := time.Now().Add(time.Minute); !bytes.Contains(bytes.Join(m.Tasks(), nil), []byte(`"docs_written":3,`)); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("three documents came, the task is %s", m.Tasks())
		}
	}
	cancel := bytes.Replace(request, []byte(`"continuous"`), []byte(`"cancel":true,"continuous"`), 1)
	if _, _, err := m.Replicate(t.Context(), cancel, replicate.User{}); err != nil {
		t.Error(err)
	}
	if _, _, err := m.Replicate(t.Context(), cancel, replicate.User{}); !errors.Is(err, replicate.ErrNoJob) {
		t.Errorf("cancelled twice: %v", err)
	}
	// It has recorded how far it came: a one-time run has nothing to do.
	last, err := m.Run(t.Context(), spec(t, a.url("db"), b.url("db"), ""))
	if err != nil || !last.NoChanges {
		t.Errorf("after it: %+v, %v", last, err)
	}
}

// If the target is deleted and made again under a continuous job, it gets everything again.
func TestRemadeTarget(t *testing.T) {
	for _, local := range []bool{false, true} {
		a, b := startServer(t), startServer(t)
		a.must(201, "PUT", "/db", "")
		b.must(201, "PUT", "/db", "")
		m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: b.store, Open: replicate.Everything(b.store), Settings: replicate.Settings{FirstPause: 20 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		target := b.url("db")
		if local {
			target = "db"
		}
		a.must(201, "PUT", "/db/first", `{}`)
		request := fmt.Appendf(nil, `{"source":%q,"target":%q,"continuous":true,"checkpoint_interval":20}`, a.url("db"), target)
		if _, _, err := m.Replicate(t.Context(), request, replicate.User{}); err != nil {
			t.Fatal(err)
		}
		there := func(id string) func() bool {
			return func() bool { status, _ := b.do("GET", "/db/"+id, ""); return status == 200 }
		}
		until(t, "the first arrives", there("first"))
		b.must(200, "DELETE", "/db", "")
		b.must(201, "PUT", "/db", "")
		a.must(201, "PUT", "/db/second", `{}`)
		until(t, "the second arrives", there("second"))
		until(t, "the first arrives again", there("first"))
		if local {
			b.must(200, "DELETE", "/db", "")
			b.must(201, "PUT", "/db", "")
			until(t, "both arrive without any change", func() bool { return there("first")() && there("second")() })
		}
	}
}

// A source of this server is filtered with the rights of the user, once and continuously.
func TestFilterOfLocalSource(t *testing.T) {
	a, b := startServer(t), startServer(t)
	a.must(201, "PUT", "/db", "")
	a.must(201, "PUT", "/db/plain", `{}`)
	a.must(201, "PUT", "/db/_design/d", `{"_attachments":{"x":{"content_type":"text/plain","data":"aGVsbG8="}}}`)
	b.must(201, "PUT", "/db", "")
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: a.store, Open: a.api.Access().OpenFor, Filters: a.filters})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ask := func(user replicate.User, more string) error {
		_, _, err := m.Replicate(t.Context(), fmt.Appendf(nil, `{"source":"db","target":%q,"filter":"_design"%s}`, b.url("db"), more), user)
		return err
	}
	if err := ask(replicate.User{Name: "eve"}, ""); !errors.Is(err, replicate.ErrForbidden) {
		t.Errorf("who may not read the source gets %v", err)
	}
	admin := replicate.User{Name: "admin", Admin: true}
	if err := ask(admin, ""); err != nil {
		t.Error(err)
	}
	if got := b.must(200, "GET", "/db/_design/d/x", ""); got != "hello" {
		t.Errorf("the attachment is %q", got)
	}
	if err := ask(admin, `,"continuous":true`); err != nil {
		t.Fatal(err)
	}
	a.must(201, "PUT", "/db/plain2", `{}`)
	a.must(201, "PUT", "/db/_design/e", `{}`)
	until(t, "the second arrives", func() bool { status, _ := b.do("GET", "/db/_design/e", ""); return status == 200 })
	for _, id := range []string{"plain", "plain2"} {
		if status, _ := b.do("GET", "/db/"+id, ""); status != 404 {
			t.Errorf("%s came too: %d", id, status)
		}
	}

	// A filter function is replaced by another one: documents that the first rejected come.
	c := startServer(t)
	c.must(201, "PUT", "/db", "")
	a.must(201, "PUT", "/db/wanted", `{"n":1}`)
	rev := ""
	for _, n := range []string{"1", "undefined"} {
		ddoc := fmt.Sprintf(`{%s"filters":{"f":"function (doc, req) { return doc.n === %s && req.query.x === 'y' }"}}`, rev, n)
		rev = fmt.Sprintf(`"_rev":%q,`, member(t, a.must(201, "PUT", "/db/_design/filters", ddoc), "rev"))
		request := fmt.Appendf(nil, `{"source":"db","target":%q,"filter":"filters/f","query_params":{"x":"y"}}`, c.url("db"))
		if _, _, err := m.Replicate(t.Context(), request, admin); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]bool{"wanted": true, "plain": n != "1"} {
			if status, _ := c.do("GET", "/db/"+id, ""); (status == 200) != want {
				t.Errorf("with %s, %s: %d", n, id, status)
			}
		}
	}
}
