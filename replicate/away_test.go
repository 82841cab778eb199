package replicate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
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
