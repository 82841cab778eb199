package replicate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// One user has more endless one-time jobs than may run. They keep nobody else's jobs waiting, and
// go on when there is room again.
func TestShares(t *testing.T) {
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/fine") && r.URL.Query().Has("limit"):
			io.WriteString(w, `{"results":[],"last_seq":"0","pending":0}`)
		case r.URL.Query().Has("limit"):
			<-r.Context().Done() // sends nothing
		case strings.Contains(r.URL.Path, "_local"):
			w.WriteHeader(http.StatusNotFound)
		default:
			io.WriteString(w, `{"db_name":"x","update_seq":"0","instance_start_time":"1"}`)
		}
	}))
	t.Cleanup(source.Close)
	m := newTestManager(t, Settings{MaxJobs: 4, Interval: 50 * time.Millisecond, MaxChurn: 1})
	done := make(chan string, 100)
	add := func(user, db string) string {
		spec, err := ParseSpec(fmt.Appendf(nil, `{"source":"%s/%s","target":"%[1]s/t"}`, source.URL, db))
		if err != nil {
			t.Fatal(err)
		}
		id, err := m.Add(Request{Spec: spec, User: User{Name: user}, Notify: func(_ context.Context, s Status) {
			if s.State == Completed {
				done <- s.User
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	var greedy []string
	for i := range 12 {
		greedy = append(greedy, add("greedy", fmt.Sprint("endless", i)))
	}
	running := func(user string) (n int) {
		for _, s := range m.Jobs() {
			if s.State == Running && s.User == user {
				n++
			}
		}
		return n
	}
	eventually(t, "the first have all the room", func() bool { return running("greedy") == 4 })
	for i := range 3 {
		add("ben", fmt.Sprint("fine", i))
		select {
		case user := <-done:
			if user != "ben" {
				t.Errorf("%s's is done", user)
			}
		case <-time.After(time.Minute):
			t.Fatal("the other user waits for an end that does not come")
		}
	}
	for i := range 4 {
		add("cyd", fmt.Sprint("endless of cyd", i))
	}
	eventually(t, "both have their share", func() bool { return running("greedy") == 2 && running("cyd") == 2 })
	// Stopping one of them would help nobody, so they are left alone.
	turns := func() (n int) {
		for _, s := range m.Jobs() {
			n += len(s.History)
		}
		return n
	}
	before, rotations := turns(), 0
	eventually(t, "some turns have passed", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		rotations++
		return rotations > 200
	})
	if after := turns(); after != before || running("greedy") != 2 {
		t.Errorf("%d events became %d", before, after)
	}
	for _, id := range greedy {
		if err := m.Remove(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the other has the room", func() bool { return running("cyd") == 4 })
}

// A user without the right may ask first for a replication that others want. They still get it.
func TestAReplicationIsKeptFromNobody(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	for _, name := range []string{"a", "b"} {
		if err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	m, err := NewManager(t.Context(), Options{Store: s, Open: func(ctx context.Context, name string, user User) (*store.DB, error) {
		if user.Name == "anna" {
			return nil, ErrForbidden
		}
		return Everything(s)(ctx, name, user)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const body = `{"source":"a","target":"b","continuous":true`
	ids := map[string]string{}
	for _, user := range []User{{Name: "anna"}, {Name: "ben"}, {Name: "anna", Mark: "another"}, {Name: "admin", Admin: true}, {Name: "anna"}} {
		answer, started, err := m.Replicate(t.Context(), []byte(body+"}"), user)
		if err != nil || !started {
			t.Errorf("%+v: %v", user, err)
		}
		by := user.Name + user.Mark
		if ids[by] != "" && ids[by] != string(answer) {
			t.Errorf("%s has two: %s, %s", by, ids[by], answer)
		}
		ids[by] = string(answer)
	}
	if n := len(m.Jobs()); n != 4 {
		t.Errorf("there are %d jobs", n)
	}
	if _, _, err := m.Replicate(t.Context(), []byte(body+`,"cancel":true}`), User{Name: "anna"}); err != nil {
		t.Error(err)
	}
	for _, job := range m.Jobs() {
		if `{"ok":true,"_local_id":"`+job.ID+`"}` == ids["anna"] {
			t.Error("what she cancelled goes on")
		}
	}
	if n := len(m.Jobs()); n != 3 {
		t.Errorf("%d jobs are left", n)
	}
}
