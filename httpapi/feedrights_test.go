package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
)

// A feed ends when its user may no longer have it. No row follows the change that took the right
// away, and a feed without rows ends with its next heartbeat.
func TestFeedsEndWithTheRightToThem(t *testing.T) {
	t.Parallel()
	const user, member = "/_users/org.couchdb.user:anna", `{"admins":{},"members":{"names":["ben"],"roles":["cook"]}}`
	account := func(change string) func(*testing.T, *Server) {
		return func(t *testing.T, s *Server) {
			wants(t, call(s, "PUT", user+"?rev="+revOf(t, s, user), change, "Admin", ""), 201, "")
		}
	}
	security := func(object string) func(*testing.T, *Server) {
		return func(t *testing.T, s *Server) {
			wants(t, call(s, "PUT", "/db/_security", object, "Admin", ""), 200, "")
		}
	}
	for name, c := range map[string]struct {
		change func(*testing.T, *Server)
		goesOn bool
	}{
		"no member any more":     {security(`{"admins":{},"members":{"names":["ben"]}}`), false},
		"security like at first": {security(`{"admins":{"names":["admin"]},"members":{"roles":["_admin"]}}`), false},
		"the role is taken away": {account(`{"type":"user","name":"anna","roles":[],"password":"annapw"}`), false},
		"another password":       {account(`{"type":"user","name":"anna","roles":["cook"],"password":"other"}`), false},
		"another role":           {account(`{"type":"user","name":"anna","roles":["cook","baker"],"password":"annapw"}`), false},
		"deleted": {func(t *testing.T, s *Server) {
			wants(t, call(s, "DELETE", user+"?rev="+revOf(t, s, user), "", "Admin", ""), 200, "")
		}, false},
		"another member more": {security(`{"admins":{"names":["ben"]},"members":{"names":["ben","eve"],"roles":["cook"]}}`), true},
		"somebody else has another password": {func(t *testing.T, s *Server) {
			const user = "/_users/org.couchdb.user:ben"
			wants(t, call(s, "PUT", user+"?rev="+revOf(t, s, user), `{"type":"user","name":"ben","roles":[],"password":"other"}`, "Admin", ""), 201, "")
		}, true},
		"something about the account that is no right": {func(t *testing.T, s *Server) {
			doc := strings.Replace(call(s, "GET", user, "", "Admin", "").Body.String(), "{", `{"color":"blue",`, 1)
			wants(t, call(s, "PUT", user, doc, "Admin", ""), 201, "")
		}, true},
	} {
		for _, framing := range []string{"continuous", "longpoll", "eventsource"} {
			for _, idle := range []bool{false, true} {
				if idle && c.goesOn {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/idle=%v", name, framing, idle), func(t *testing.T) {
					t.Parallel()
					s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1")})
					wants(t, call(s, "PUT", "/_users", "", "Admin", ""), 201, "")
					putUser(t, s, "anna", `["cook"]`)
					putUser(t, s, "ben", `[]`)
					wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
					wants(t, call(s, "PUT", "/db/_security", member, "Admin", ""), 200, "")
					heartbeat := "60000"
					if idle {
						heartbeat = "50"
					}
					feed := waitFor(t, s, "/db/_changes?feed="+framing+"&since=now&timeout=30000&heartbeat="+heartbeat, as("anna"))
					c.change(t, s)
					if !idle {
						wants(t, call(s, "PUT", "/db/late", "{}", "Admin", ""), 201, "")
					}
					if c.goesOn {
						feed.until(t, func(text string, _ bool) bool { return strings.Contains(text, `"id":"late"`) })
						return
					}
					if got := feed.end(t); strings.Contains(got, "late") {
						t.Errorf("it was told %s", got)
					} else if framing != "eventsource" && !strings.Contains(got, `"last_seq"`) {
						t.Errorf("it ends with %q", got)
					}
				})
			}
		}
	}
}

// An administrator of a database sees more in its feed than others, but only as long as they are
// one.
func TestAFeedOfAnAdministratorEndsWithThat(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1")})
	wants(t, call(s, "PUT", "/_users", "", "Admin", ""), 201, "")
	putUser(t, s, "anna", `[]`)
	const db = "/x%2F_replicator"
	wants(t, call(s, "PUT", db, "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", db+"/_security", `{"admins":{"names":["anna"]},"members":{}}`, "Admin", ""), 200, "")
	feed := waitFor(t, s, db+"/_changes?feed=continuous&include_docs=true&since=now", as("anna"))
	wants(t, call(s, "PUT", db+"/_security", `{"admins":{},"members":{}}`, "Admin", ""), 200, "")
	wants(t, call(s, "PUT", db+"/r", `{"source":"http://a:hidden@192.0.2.1/a","target":"http://192.0.2.1/b"}`, "Admin", ""), 201, "")
	if got := feed.end(t); strings.Contains(got, "hidden") || strings.Contains(got, `"id":"r"`) {
		t.Errorf("it was told %s", got)
	}
}

// A former administrator of the server loses the server's feed too.
func TestAFeedOfTheServerEndsWithItsAdministrator(t *testing.T) {
	t.Parallel()
	cfg := settings(t, "admins/eve", "evepw")
	s := openServer(t, Options{Config: cfg})
	feed := waitFor(t, s, "/_db_updates?feed=continuous&since=now&heartbeat=60000", as("eve"))
	if _, _, err := cfg.Delete(config.Name{Section: "admins", Name: "eve"}, false); err != nil {
		t.Fatal(err)
	}
	wants(t, call(s, "PUT", "/late", "", "Admin", ""), 201, "")
	if got := feed.end(t); strings.Contains(got, "late") {
		t.Errorf("it was told %s", got)
	}
}

// Among many rows the right is checked now and then, and the answer is cut.
func TestALongFeedIsCutWithoutTheRight(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/_security", `{"admins":{},"members":{}}`, "Admin", ""), 200, "")
	db, err := s.Access().OpenNamed(t.Context(), "db", auth.User{}, wire.Member)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	rights, err := s.Access().FeedRights(t.Context(), auth.User{}, db, wire.Continuous)
	if err != nil {
		t.Fatal(err)
	}
	if err := rights.HoldStill(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, call(s, "PUT", "/db/_security", `{"admins":{},"members":{"names":["ben"]}}`, "Admin", ""), 200, "")
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	st := wire.NewStream(w, r.WithContext(s.Shared().Begin(w, r).In(t.Context())), 200)
	defer st.Drop()
	f := wire.NewFeed(st, wire.Continuous, 0, wire.FeedTimeout, rights)
	for began := time.Now(); err == nil && time.Since(began) < 20*time.Second; time.Sleep(time.Millisecond) {
		err = f.Working() // it looks at its rights once a second
	}
	if status := fault.Of(err).Status; status != http.StatusForbidden && status != http.StatusUnauthorized {
		t.Errorf("between two pages: %v", err)
	}
}

// waitingFeed is a requested feed that has begun to wait.
type waitingFeed struct {
	done chan struct{}
	*httptest.ResponseRecorder

	mu      sync.Mutex // guards the recorder and what follows
	flushed bool
}

func (f *waitingFeed) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ResponseRecorder.Write(b)
}

func (f *waitingFeed) Flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushed = true
}

func (f *waitingFeed) text() (text string, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Body.String(), f.flushed
}

// waitFor asks for a feed and returns when it waits.
func waitFor(t *testing.T, s *Server, path, authorization string) *waitingFeed {
	t.Helper()
	f := &waitingFeed{done: make(chan struct{}), ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
	r.Header.Set("Authorization", authorization)
	go func() {
		defer close(f.done)
		defer func() { // an answer is cut by a panic
			if cause := recover(); cause != nil && cause != any(http.ErrAbortHandler) {
				panic(cause)
			}
		}()
		s.ServeHTTP(f, r)
	}()
	f.until(t, func(_ string, begun bool) bool { return begun })
	return f
}

// until waits until a feed has sent something.
func (f *waitingFeed) until(t *testing.T, there func(text string, begun bool) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !there(f.text()); time.Sleep(time.Millisecond) {
		if text, _ := f.text(); time.Now().After(deadline) {
			t.Fatalf("the feed does not tell, but %q", text)
		}
	}
}

// end waits until the feed has ended and returns all of it.
func (f *waitingFeed) end(t *testing.T) string {
	t.Helper()
	select {
	case <-f.done:
	case <-time.After(time.Minute):
		t.Fatal("the feed goes on")
	}
	text, _ := f.text()
	return text
}
