package synchronize

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/members"
)

// stubborn is a replicator whose replications do not end before they may.
type stubborn struct {
	began chan struct{} // one for each replication
	may   chan struct{} // closed once they may end
}

func (r *stubborn) Add(replicate.Request) (string, error) {
	r.began <- struct{}{}
	return "job", nil
}

func (r *stubborn) MaySend(*replicate.Spec, replicate.User) error { return nil }

func (r *stubborn) Remove(context.Context, string) error {
	<-r.may
	return nil
}

// sharing is a process of several over one storage.
func sharing(t *testing.T, eng *chaos.Engine, name string, r Replicator) *Synchronizer {
	t.Helper()
	s, err := store.Open(t.Context(), eng, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := members.Open(t.Context(), members.Options{Store: s, Name: name, Beat: time.Second, Gone: time.Minute, Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	y, err := Open(t.Context(), Options{Store: s, Replicator: r, Members: m})
	if err != nil {
		t.Fatal(err)
	}
	y.Start()
	t.Cleanup(func() {
		if err := errors.Join(y.Close(), m.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return y
}

// What one process has made of a synchronization, the one that runs it shows from the moment at which it is stored,
// also while what it was to run before does not end. The change is answered once that has ended.
func TestShownWhileItEnds(t *testing.T) {
	eng := chaos.New(chaos.Options{})
	t.Cleanup(func() { eng.Close() })
	r := &stubborn{began: make(chan struct{}, 100), may: make(chan struct{})}
	end := sync.OnceFunc(func() { close(r.may) })
	defer end()
	runs := sharing(t, eng, "a", r)
	if err := runs.opt.Store.Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	anyone := Request{By: replicate.User{Name: "admin", Admin: true}, May: func(string, bool) error { return nil }}
	with := func(settings string) Request {
		q := anyone
		q.Settings = []byte(settings)
		return q
	}
	id, err := runs.Create(t.Context(), "db", with(`{"remote":"http://127.0.0.1:1/db","direction":"pull","continuous":true}`))
	if err != nil {
		t.Fatal(err)
	}
	<-r.began
	other := sharing(t, eng, "b", r)

	changed := make(chan error, 1)
	go func() { changed <- other.Change(t.Context(), "db", id, "", with(`{"paused":true}`)) }()
	show := func(y *Synchronizer) (state, rev string, asPaused bool) {
		t.Helper()
		body, rev, err := y.Show(t.Context(), "db", id)
		if err != nil {
			t.Fatal(err)
		}
		var shown struct {
			State  string
			Paused bool
		}
		if err := json.Unmarshal(body, &shown); err != nil {
			t.Fatal(err)
		}
		return shown.State, rev, shown.Paused
	}
	stored := ""
	for stored == "" { // until the change is stored
		rev, err := other.records.revision(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if rev.Gen == 2 {
			stored = rev.String()
		}
	}
	for until := time.Now().Add(answerWithin + time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if state, rev, asPaused := show(runs); rev != stored || state != paused || !asPaused {
			t.Fatalf("it is paused since revision %s, and the process that ends it shows %s, %s, paused %v", stored, rev, state, asPaused)
		}
	}
	select {
	case err := <-changed:
		t.Fatalf("it is changed before what it was has ended: %v", err)
	default:
	}
	end()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	for _, y := range []*Synchronizer{runs, other} {
		if state, rev, asPaused := show(y); rev != stored || state != paused || !asPaused {
			t.Errorf("afterwards it is shown as %s, %s, paused %v", rev, state, asPaused)
		}
	}
}
