package replicate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// remoteOf is a peer behind HTTP whose answers a function gives.
func remoteOf(t *testing.T, answer http.HandlerFunc) Peer {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_session" { // the peer has no sessions
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	e, err := endpointOf(strings.Replace(s.URL, "://", "://user:secret@", 1)+"/db", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(nil)
	t.Cleanup(c.CloseIdleConnections)
	return remotePeerAt(e, c)
}

func TestAnswersThatAreNoSuccess(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   error
		again  bool
	}{
		{401, `{"error":"unauthorized","reason":"no"}`, ErrUnauthorized, false},
		{403, `{"error":"forbidden","reason":"no"}`, ErrForbidden, false},
		{404, `{"error":"not_found","reason":"Database does not exist."}`, ErrNoDB, false},
		{404, `<html>`, ErrNoDB, false},
		{200, `{"couchdb":"Welcome"}`, ErrNoDB, false},
		{200, `<html>`, ErrNoDB, false},
		{400, `{}`, nil, false},
		{501, `{}`, nil, false},
		{408, ``, nil, true},
		{429, ``, nil, true},
		{500, `{"error":"x"}`, nil, true},
		{503, strings.Repeat("x", 100<<10), nil, true},
	} {
		p := remoteOf(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := p.Info(t.Context())
		if err == nil || c.want != nil && !errors.Is(err, c.want) || transient(err) != c.again || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d %.40s: %v, tried again: %v", c.status, c.body, err, transient(err))
		}
	}
}

// A request that writes is the same one where it is redirected, and never passes for done if it is not.
func TestRedirectedWrites(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308, 303} {
		var got []string
		p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
			if at, ok := strings.CutPrefix(r.URL.Path, "/db/"); ok && r.Method != http.MethodGet {
				http.Redirect(w, r, "/there/"+at, status)
				return
			}
			if r.URL.Path == "/db/_local/x" {
				http.Error(w, `{"error":"not_found"}`, 404)
				return
			}
			body, _ := io.ReadAll(r.Body)
			got = append(got, fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), body))
			io.WriteString(w, `{"ok":true}`)
		})
		err := p.PutLocal(t.Context(), "x", []byte(`{"a":1}`))
		if status == 303 {
			if !errors.Is(err, errMoved) || len(got) > 0 {
				t.Errorf("%d: %v, %q", status, err, got)
			}
			continue
		}
		if want := []string{`PUT /there/_local/x application/json {"a":1}`}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%d: %v, %q", status, err, got)
		}
	}
}

// So it is where the first address is not the last.
func TestWritesRedirectedTwice(t *testing.T) {
	for _, statuses := range [][]int{{301, 307}, {302, 308, 301}, {307, 301}} {
		got := ""
		p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
			n := strings.Count(r.URL.Path, "/there")
			if n < len(statuses) {
				http.Redirect(w, r, "/there"+r.URL.Path, statuses[n])
				return
			}
			body, _ := io.ReadAll(r.Body)
			got = fmt.Sprintf("%s %s %s", r.Method, r.Header.Get("Content-Type"), body)
			io.WriteString(w, `{"ok":true}`)
		}).(*remotePeer)
		resp, err := p.send(t.Context(), sendingJSON(http.MethodPost, "_bulk_docs", nil, []byte(`{"docs":[]}`)))
		if err == nil {
			resp.Body.Close()
		}
		if want := `POST application/json {"docs":[]}`; err != nil || got != want {
			t.Errorf("%d: %v, %q", statuses, err, got)
		}
	}
}

// What cannot be sent twice says so.
func TestRedirectedStream(t *testing.T) {
	for _, status := range []int{301, 307} {
		p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/db/doc" {
				http.Redirect(w, r, "/there/doc", status)
			}
		}).(*remotePeer)
		resp, err := p.send(t.Context(), sending{method: http.MethodPut, path: "doc", body: io.LimitReader(strings.NewReader("{}"), 2), size: 2})
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, errMoved) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// Credentials do not follow a redirect to another host, or out of an encrypted connection.
func TestRedirects(t *testing.T) {
	var asked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer other.Close()
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/db" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		io.WriteString(w, `{"update_seq":"5-x"}`)
	})
	if info, err := p.Info(t.Context()); err != nil || info.UpdateSeq != "5-x" {
		t.Errorf("within a host: %v, %v", info, err)
	}
	p = remoteOf(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	if _, err := p.Info(t.Context()); !errors.Is(err, errRedirect) || transient(err) || asked.Load() {
		t.Errorf("to another host: %v, it was asked: %v", err, asked.Load())
	}
	request := func(url string) *http.Request {
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := newClient(nil).CheckRedirect(request("http://a/db"), []*http.Request{request("https://a/db")}); !errors.Is(err, errRedirect) {
		t.Errorf("from https to http: %v", err)
	}
	if err := newClient(nil).CheckRedirect(request("https://a/db"), []*http.Request{request("http://a/db")}); err != nil {
		t.Errorf("from http to https: %v", err)
	}
}

// If a request is too large it is halved, down to the one document that is too large.
func TestTooMuchAtOnce(t *testing.T) {
	var mu sync.Mutex
	stored := map[string]bool{}
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			NewEdits *bool `json:"new_edits"`
			Docs     []struct {
				ID string `json:"_id"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.NewEdits == nil || *body.NewEdits {
			t.Errorf("%+v, %v", body, err)
		}
		for _, d := range body.Docs {
			if len(body.Docs) > 3 || d.ID == "d5" {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for _, d := range body.Docs {
			stored[d.ID] = true
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `[{"id":"d2","error":"forbidden","reason":"not this one"}]`)
	})
	var docs []*Revision
	for i := range 11 {
		docs = append(docs, readRevision(fmt.Appendf(nil, `{"_id":"d%d"}`, i)))
	}
	refused, err := p.Store(t.Context(), docs)
	if err != nil || len(stored) != 10 {
		t.Errorf("%d were stored, %v", len(stored), err)
	}
	if !strings.Contains(fmt.Sprint(refused), "d5") || !strings.Contains(fmt.Sprint(refused), "forbidden: not this one") {
		t.Errorf("refused are %v", refused)
	}
}

// Documents that a _bulk_get fails to give are requested one by one. Missing ones are skipped.
func TestFetchInParts(t *testing.T) {
	broken := true
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/db/_bulk_get":
			io.WriteString(w, `{"results":[{"id":"a","docs":[{"ok":{"_id":"a"}}]},
				{"id":"b","docs":[{"error":{"id":"b","rev":"1-b","error":"internal_error","reason":"timeout"}}]},
				{"id":"c","docs":[{"error":{"id":"c","rev":"1-c","error":"not_found","reason":"missing"}}]}]}`)
		case "/db/b":
			if broken {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			io.WriteString(w, `[{"ok":{"_id":"b"}},{"missing":"1-x"}]`)
		default:
			t.Errorf("asked for %s", r.URL)
		}
	})
	wanted := []Wanted{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	var got []string
	fetch := func() error {
		return p.Fetch(t.Context(), wanted, func(r *Revision) error {
			got = append(got, r.Doc.ID)
			return nil
		})
	}
	if err := fetch(); err == nil || !transient(err) {
		t.Errorf("a document that cannot be had is passed over: %v", err)
	}
	broken, got = false, nil
	if err := fetch(); err != nil || fmt.Sprint(got) != `[a b]` {
		t.Errorf("got %s, %v", got, err)
	}
}

// stubPeer has two changes, and accepts everything.
type stubPeer struct {
	Peer
	name  string
	info  func() error
	store func() error
	local map[string][]byte
}

func (p *stubPeer) Name() string { return p.name }
func (p *stubPeer) Info(context.Context) (Info, error) {
	if p.info != nil {
		return Info{UpdateSeq: "2"}, p.info()
	}
	return Info{UpdateSeq: "2"}, nil
}
func (p *stubPeer) Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (ChangesEnd, error) {
	if q.Since != "" {
		if q.Wait > 0 {
			<-ctx.Done()
		}
		return ChangesEnd{LastSeq: "2"}, ctx.Err()
	}
	return ChangesEnd{LastSeq: "2", Rows: 1}, fn(Change{Seq: "2", ID: "a"})
}
func (p *stubPeer) Missing(context.Context, []Change) ([]Wanted, error) {
	return []Wanted{{ID: "a"}}, nil
}
func (p *stubPeer) Fetch(_ context.Context, _ []Wanted, fn func(*Revision) error) error {
	return fn(readRevision([]byte(`{"_id":"a","_rev":"1-a"}`)))
}
func (p *stubPeer) Store(context.Context, []*Revision) ([]Refusal, error) { return nil, p.store() }
func (p *stubPeer) GetLocal(_ context.Context, id string) ([]byte, error) {
	if b, ok := p.local[id]; ok {
		return b, nil
	}
	return nil, errMissing
}
func (p *stubPeer) PutLocal(_ context.Context, id string, b []byte) error {
	p.local[id] = b
	return nil
}
func (p *stubPeer) Close() {}

// Requests to a failing peer are repeated for as long as there is hope.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		fault      error
		fails      int // calls that fail before one succeeds
		continuous bool
		calls      int
		ok         bool
		least      time.Duration
	}{
		{&StatusError{Status: 500}, 3, false, 4, true, 500 * time.Millisecond},
		{&StatusError{Status: 500}, 100, false, 6, false, time.Second},
		{&StatusError{Status: 429, RetryAfter: 30 * time.Second}, 2, false, 3, true, time.Minute},
		{&StatusError{Status: 429, RetryAfter: 24 * time.Hour}, 1, false, 2, true, maxWait},
		{io.ErrUnexpectedEOF, 2, false, 3, true, 250 * time.Millisecond},
		{&StatusError{Status: 500}, 40, true, 41, true, 20 * time.Minute},
		{ErrUnauthorized, 100, true, 1, false, 0},
		{ErrForbidden, 100, true, 1, false, 0},
		{ErrNoDB, 100, true, 1, false, 0},
		{&StatusError{Status: 409}, 100, false, 1, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			calls, stored := 0, make(chan struct{})
			fault := func() error {
				if calls++; calls <= c.fails {
					return c.fault
				}
				close(stored)
				return nil
			}
			from := time.Now()
			job := NewJob(Spec{Continuous: c.continuous}, JobOptions{
				Patient: true,
				Source:  &stubPeer{name: "source", local: map[string][]byte{}},
				Target:  &stubPeer{name: "target", store: fault, local: map[string][]byte{}},
			})
			done := make(chan error, 1)
			go func() {
				_, err := job.Run(ctx)
				done <- err
			}()
			var err error
			if c.ok {
				<-stored
				if took := time.Since(from); took < c.least || took > 4*c.least+time.Hour/2 {
					t.Errorf("%v: it took %v", c.fault, took)
				}
				if c.continuous {
					synctest.Wait()
					cancel()
					<-done
					return
				}
			}
			err = <-done
			if calls != c.calls || (err == nil) != c.ok {
				t.Errorf("%v: %d calls, %v", c.fault, calls, err)
			}
			if e, ok := errors.AsType[*PeerError](err); err != nil && (!ok || e.Peer != "target" || !errors.Is(err, c.fault)) {
				t.Errorf("%v ends the job with %v", c.fault, err)
			}
		})
	}
}

// What is sent again in a new session is whole, though package http still reads what it was to send before.
func TestWhatIsSentAgainIsWhole(t *testing.T) {
	var before io.Reader
	var got []byte
	client := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
		switch {
		case strings.HasSuffix(r.URL.Path, "/_session"):
			answer.Header.Set("Set-Cookie", cookieName+"=c")
		case before == nil: // it is answered before all of it has been read
			before, answer.StatusCode = r.Body, http.StatusUnauthorized
		default:
			if _, err := io.CopyN(io.Discard, before, 4); err != nil {
				return nil, err
			}
			var err error
			if got, err = io.ReadAll(r.Body); err != nil {
				return nil, err
			}
		}
		return answer, nil
	})}
	at := Endpoint{URL: "http://peer/db", User: "anna", Password: "secret"}
	p := newRemotePeer(at, client, newLogin(&at, client))
	const body = `{"docs":[]}`
	if _, err := p.call(t.Context(), http.MethodPost, "_bulk_docs", nil, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if string(got) != body {
		t.Errorf("%q is sent", got)
	}
}

// No error, log or task shows a password.
func TestSecretsStayInside(t *testing.T) {
	var log bytes.Buffer
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }))
	refusing.Close() // nobody listens there
	m, err := NewManager(t.Context(), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Replace(refusing.URL, "://", "://user:hunter2@", 1)
	request := fmt.Appendf(nil, `{"source":"%s/a","target":{"url":"%[1]s/b","headers":{"Authorization":"hunter2"},"auth":{"basic":{"username":"u","password":"hunter2"}}},"continuous":true}`, at)
	if _, _, err := m.Replicate(t.Context(), request, User{}); err != nil {
		t.Fatal(err)
	}
	var task []byte
	for deadline := time.Now().Add(time.Minute); !bytes.Contains(task, []byte(`"error"`)); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the trouble does not show: %s", task)
		}
		task = bytes.Join(m.Tasks(), nil)
	}
	m.Close()
	once := bytes.Replace(request, []byte(`"continuous":true`), []byte(`"retries_per_request":1`), 1)
	spec, err := ParseSpec(once)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Run(t.Context(), spec)
	if err == nil {
		t.Error("nobody answers, and it went well")
	}
	if all := log.String() + string(task) + fmt.Sprint(err); strings.Contains(all, "hunter2") || !strings.Contains(all, "trying again") {
		t.Errorf("they tell too much, or nothing: %s", all)
	}
}
