package replicate_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
)

// When a database is put back, continuous replications notice by the feed that ends, and do not wait
// for the next checkpoint: one that reads from it, and by this also one that only writes to it.
func TestDatabasePutBack(t *testing.T) {
	t.Parallel()
	ours, other := startServer(t), startServer(t)
	for _, s := range []*server{ours, other} {
		s.must(201, "PUT", "/db", "")
	}
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Settings: replicate.Settings{StartupJitter: -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, ends := range [][2]string{{ours.url("db"), other.url("db")}, {other.url("db"), ours.url("db")}} {
		never := `,"continuous":true,"checkpoint_interval":3600000`
		if _, err := m.Add(replicate.Request{Spec: spec(t, ends[0], ends[1], never), User: replicate.User{Admin: true}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, first := range []*server{ours, other} {
		second := []*server{other, ours}[i]
		kept, lost := "kept"+string(rune('a'+i)), "lost"+string(rune('a'+i))
		first.must(201, "PUT", "/db/"+kept, `{}`)
		second.arrives(kept)
		backup := first.must(200, "GET", "/db/_backup", "")
		second.must(201, "PUT", "/db/"+lost, `{}`)
		first.arrives(lost)
		if answer := first.must(201, "PUT", "/db/_restore?replace=true", backup); !strings.Contains(answer, `"ok":true`) {
			t.Fatal(answer)
		}
		first.arrives(lost)
	}
}

// arrives waits until a document is in the database db.
func (s *server) arrives(id string) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if status, _ := s.do("GET", "/db/"+id, ""); status == 200 {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s does not arrive", id)
		}
	}
}

// The same where the database is put back between two requests for the feed, so that none of them ends early by it:
// the place that the next one begins at is not of the database any more.
func TestDatabasePutBackBetweenRequests(t *testing.T) {
	t.Parallel()
	ours, other := startServer(t), startServer(t)
	for _, s := range []*server{ours, other} {
		s.must(201, "PUT", "/db", "")
	}
	behind, err := url.Parse(ours.http.URL)
	if err != nil {
		t.Fatal(err)
	}
	held, opened := make(chan struct{}, 1), make(chan struct{})
	door := httputil.NewSingleHostReverseProxy(behind)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Query().Get("since"), "2-") { // who has seen both documents
			select {
			case held <- struct{}{}:
			default:
			}
			<-opened
		}
		door.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Settings: replicate.Settings{StartupJitter: -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ends := [2]string{strings.Replace(proxy.URL, "http://", "http://admin:secret@", 1) + "/db", other.url("db")}
	for _, one := range [][2]string{{ends[0], ends[1]}, {ends[1], ends[0]}} {
		if _, err := m.Add(replicate.Request{Spec: spec(t, one[0], one[1], `,"continuous":true,"checkpoint_interval":3600000`), User: replicate.User{Admin: true}}); err != nil {
			t.Fatal(err)
		}
	}
	ours.must(201, "PUT", "/db/kept", `{}`)
	other.arrives("kept")
	backup := ours.must(200, "GET", "/db/_backup", "")
	other.must(201, "PUT", "/db/lost", `{}`)
	ours.arrives("lost")
	<-held
	ours.must(201, "PUT", "/db/_restore?replace=true", backup)
	began := time.Now()
	close(opened)
	ours.arrives("lost")
	t.Logf("it came again after %v", time.Since(began))
}
