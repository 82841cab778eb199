package snapshot_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/httpapitest"
)

// takeTurns takes all turns of large queries; give gives them back.
func (s *site) takeTurns(t *testing.T) (give func()) {
	t.Helper()
	turns := s.Access().Shared().Turns()
	var taken []func()
	for turns.Free() > 0 {
		one, err := turns.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, one)
	}
	return func() {
		for _, one := range taken {
			one()
		}
	}
}

// waiting waits until somebody waits for a turn.
func (s *site) waiting(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); s.Access().Shared().Turns().Waiting() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for a turn")
		}
	}
}

// Building takes turns with large queries; what is built is sent without one.
func TestBuildingTakesTurns(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 5000)
	give := s.takeTurns(t)
	done := make(chan int)
	go func() { done <- ask(s, "GET", "/db/_snapshot", "").Code }()
	s.waiting(t)
	give()
	if code := <-done; code != http.StatusOK {
		t.Errorf("%d", code)
	}
	defer s.takeTurns(t)()
	s.get(t, http.StatusOK)
}

// A database that is deleted while its snapshot is built is gone, and so is the file.
func TestDeletedMeanwhile(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 5000)
	give := s.takeTurns(t)
	done := make(chan int)
	go func() { done <- ask(s, "GET", "/db/_snapshot", "").Code }()
	s.waiting(t)
	httpapitest.Wants(t, ask(s, "DELETE", "/db", ""), http.StatusOK, "")
	give()
	if code := <-done; code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
	s.Create(t, "db")
	if docs, _ := take(t, s, "/db/_snapshot"); len(docs) != 0 {
		t.Errorf("%d documents of another database", len(docs))
	}
	if names := s.ondisk(t); len(names) != 2 {
		t.Errorf("left over: %v", names)
	}
}
