package replicate

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// quietServer is a server whose feeds begin and then send nothing for ever. Each signals waits.
func quietServer(t *testing.T) (s *httptest.Server, waits chan struct{}) {
	waits = make(chan struct{}, 10)
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "_changes"):
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush()
			waits <- struct{}{}
			<-r.Context().Done()
		case strings.Contains(r.URL.Path, "_local"):
			w.WriteHeader(http.StatusNotFound)
		default:
			io.WriteString(w, `{"update_seq":"5-x"}`)
		}
	}))
	t.Cleanup(s.Close)
	return s, waits
}

// A replication between two other servers also ends when its user loses the right to it.
func TestAReplicationElsewhereEndsWithItsUser(t *testing.T) {
	elsewhere, waits := quietServer(t)
	var gone atomic.Bool
	m, err := NewManager(t.Context(), Options{Allowed: func(_ context.Context, user User) error {
		if user.Name == "anna" && gone.Load() {
			return ErrUnauthorized
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.askEvery = time.Millisecond // nothing has been asked for yet
	for _, name := range []string{"anna", "ben"} {
		body := `{"source":"` + elsewhere.URL + `/a","target":"` + elsewhere.URL + `/b","continuous":true,"checkpoint_interval":1000000000}`
		if _, _, err := m.Replicate(t.Context(), []byte(body), User{Name: name, Account: true}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-waits:
		case <-time.After(time.Minute):
			t.Fatalf("%s's replication does not ask for changes", name)
		}
	}
	gone.Store(true)
	end := time.Now().Add(time.Minute)
	for {
		states := map[string]State{}
		for _, job := range m.Jobs() {
			states[job.User] = job.State
		}
		if states["anna"] != Running && states["ben"] == Running {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("they are %v", states)
		}
		time.Sleep(time.Millisecond)
	}
}
