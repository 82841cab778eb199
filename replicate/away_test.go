package replicate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/members"
)

// Who waits for a replication is told that the storage is away. It is not asked again and again: each time it is
// waited for already.
func TestStorageIsAway(t *testing.T) {
	e := chaos.New(chaos.Options{})
	s, err := store.Open(t.Context(), e, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"source", "target"} {
		if err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for after := 0; ; after++ { // calls later, until it ends before that
		e.Away(after)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, _, err = m.Replicate(ctx, []byte(`{"source":"source","target":"target","retries_per_request":1000}`), User{Name: "admin", Admin: true})
		cancel()
		e.Calm()
		if err == nil && after > 2 {
			return
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("away after %d calls: %v", after, err)
		}
	}
}

// A process that has lost the storage long ago, and so cannot have a job's lease, tells who waits after a while. If
// the storage comes back before that, the job runs.
func TestStorageIsLost(t *testing.T) {
	e := chaos.New(chaos.Options{})
	t.Cleanup(func() { e.Close() })
	m := sharedManager(t, e, "one", 500*time.Millisecond)
	for _, name := range []string{"source", "target"} {
		if err := m.opt.Store.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	m.lostAgain, m.awayWithin = 10*time.Millisecond, 100*time.Millisecond
	replicate := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err := m.Replicate(ctx, []byte(`{"source":"source","target":"target"}`), User{Name: "admin", Admin: true})
		return err
	}
	e.Away(0)
	eventually(t, "the membership ends", func() bool { return m.opt.Members.ID() == "" })
	began := time.Now()
	if err := replicate(); !errors.Is(err, members.ErrAway) {
		t.Errorf("the storage is lost: %v", err)
	}
	if took := time.Since(began); took < m.awayWithin {
		t.Errorf("the storage may come back, and was waited for %v only", took)
	}
	m.awayWithin = time.Hour
	done := make(chan error, 1)
	go func() { done <- replicate() }()
	eventually(t, "it has been tried", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, t := range m.tasks {
			return !t.away.IsZero()
		}
		return false
	})
	e.Calm()
	if err := <-done; err != nil {
		t.Errorf("the storage has come back: %v", err)
	}
}
