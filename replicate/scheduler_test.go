package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to pass that %s", what)
		}
	}
}

// quietPeer answers as an empty database whose changes never come. While down is set, it
// answers 500. It counts how many wait for changes at once, and how many reads of changes did
// not wait: a job that is not continuous reads once in a run.
type quietPeer struct {
	*httptest.Server
	down    atomic.Bool
	waiting atomic.Int64
	reads   atomic.Int64
	onRead  func() // if not nil, called for each of these reads
}

func newQuietPeer(t *testing.T) *quietPeer {
	p := &quietPeer{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case p.down.Load():
			w.WriteHeader(500)
		case r.URL.Query().Get("feed") == "longpoll":
			p.waiting.Add(1)
			<-r.Context().Done()
			p.waiting.Add(-1)
		case r.URL.Query().Has("limit"):
			p.reads.Add(1)
			if p.onRead != nil {
				p.onRead()
			}
			io.WriteString(w, `{"results":[],"last_seq":"0","pending":0}`)
		case len(r.URL.Path) > 20: // a checkpoint
			w.WriteHeader(404)
			io.WriteString(w, `{"error":"not_found","reason":"missing"}`)
		default:
			io.WriteString(w, `{"db_name":"x","update_seq":"0","instance_start_time":"1"}`)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *quietPeer) spec(t *testing.T, db string, continuous bool) Spec {
	spec, err := ParseSpec(fmt.Appendf(nil, `{"source":"%s/%s","target":"%[1]s/t","continuous":%[3]t,"retries_per_request":1}`, p.URL, db, continuous))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func newTestManager(t *testing.T, set Settings) *Manager {
	m, err := NewManager(t.Context(), Options{Settings: set})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// A job that waits after a failure can be told to try now; the others do not mind.
func TestRetry(t *testing.T) {
	t.Parallel()
	p := newQuietPeer(t)
	p.down.Store(true)
	m := newTestManager(t, Settings{FirstPause: time.Hour})
	id, err := m.Add(Request{Spec: p.spec(t, "s", true)})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has crashed", func() bool { s, _ := m.Status(id); return s.State == Crashing })
	p.down.Store(false)
	if _, err := m.Retry(id); err != nil {
		t.Fatal(err)
	}
	running := func() bool { s, _ := m.Status(id); return s.State == Running && p.waiting.Load() == 1 }
	eventually(t, "it runs", running)
	if _, err := m.Retry(id); err != nil || !running() {
		t.Errorf("a running job does not go on: %v", err)
	}
	if err := m.Pause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if s, err := m.Retry(id); err != nil || s.State != Paused {
		t.Errorf("a paused job is %s: %v", s.State, err)
	}
	if _, err := m.Retry("nothing"); !errors.Is(err, ErrNoJob) {
		t.Errorf("a job that is not there: %v", err)
	}
}

// If there are more continuous jobs than may run at once, they take turns. Jobs of a database with
// few documents do not wait for the jobs of one with many.
func TestTurns(t *testing.T) {
	p := newQuietPeer(t)
	m := newTestManager(t, Settings{MaxJobs: 4, Interval: 100 * time.Millisecond, MaxChurn: 2})
	var started sync.Map
	add := func(owner Owner) {
		_, err := m.Add(Request{Spec: p.spec(t, owner.DB+owner.Doc, true), Owner: owner, Notify: func(_ context.Context, s Status) {
			if n := len(m.Tasks()); n > 4 {
				t.Errorf("%d jobs run at once", n)
			}
			if s.State == Running {
				started.LoadOrStore(owner, time.Now())
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		add(Owner{"many", fmt.Sprint(i)})
	}
	count := func() (n int) {
		started.Range(func(any, any) bool { n++; return true })
		return n
	}
	add(Owner{"few", "0"})
	waiting := 20 - count() // at least; on a busy machine more have run by now
	eventually(t, "each job has run", func() bool { return count() == 21 })
	few, _ := started.Load(Owner{"few", "0"})
	after := 0
	started.Range(func(_, at any) bool {
		if at.(time.Time).After(few.(time.Time)) {
			after++
		}
		return true
	})
	if waiting >= 8 && after < waiting/2 {
		t.Errorf("the lone job began before %d of %d others only", after, waiting)
	}
	for _, s := range m.Jobs() {
		if s.State != Running && s.State != Pending || len(s.History) < 2 {
			t.Errorf("%s is %s after %v", s.ID, s.State, s.History)
		}
	}
}

// A job whose peers fail is tried again after pauses that double, and says so.
func TestCrashing(t *testing.T) {
	p := newQuietPeer(t)
	p.down.Store(true)
	m := newTestManager(t, Settings{FirstPause: 10 * time.Millisecond, MaxHistory: 5})
	id, err := m.Add(Request{Spec: p.spec(t, "s", true)})
	if err != nil {
		t.Fatal(err)
	}
	var s Status
	eventually(t, "it has crashed twice", func() bool {
		s, err = m.Status(id)
		return err == nil && s.Errors >= 2 && s.State == Crashing
	})
	if s.LastError == "" || s.NextTry.Before(s.Changed.Add(20*time.Millisecond)) || s.History[0].Type != "crashed" || s.History[0].Reason == "" || len(s.History) > 5 {
		t.Errorf("it is %+v", s)
	}
	p.down.Store(false)
	eventually(t, "it runs", func() bool { s, _ := m.Status(id); return s.State == Running && p.waiting.Load() == 1 })
	if _, err := m.Add(Request{Spec: p.spec(t, "s", true), Owner: Owner{"db", "doc"}}); err == nil {
		t.Error("it runs for two owners")
	} else if _, ok := errors.AsType[*Taken](err); !ok {
		t.Error(err)
	}
	if err := m.Remove(t.Context(), id); err != nil {
		t.Error(err)
	}
	if _, err := m.Status(id); !errors.Is(err, ErrNoJob) || p.waiting.Load() > 1 {
		t.Errorf("after its end: %v", err)
	}
}

// A job that is paused at any moment does not run until it is resumed.
func TestPause(t *testing.T) {
	p := newQuietPeer(t)
	m := newTestManager(t, Settings{})
	states := make(chan State, 100)
	id, err := m.Add(Request{Spec: p.spec(t, "s", true), Paused: true, Notify: func(_ context.Context, s Status) { states <- s.State }})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if s, _ := m.Status(id); s.State != Paused || len(m.Tasks()) != 0 {
			t.Fatalf("it is %s", s.State)
		}
		if err := m.Resume(id); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it runs", func() bool { return p.waiting.Load() == 1 })
		if err := m.Pause(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it has let go", func() bool { return p.waiting.Load() == 0 })
	}
	for _, want := range []State{Pending, Running, Paused, Pending, Running, Paused} {
		if got := <-states; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
	}
	if err := m.Pause(t.Context(), "none"); !errors.Is(err, ErrNoJob) {
		t.Error(err)
	}
	if err := m.Remove(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// Fewer jobs may run all of a sudden, and then more again.
func TestSettingsChange(t *testing.T) {
	p := newQuietPeer(t)
	m := newTestManager(t, Settings{MaxJobs: 6})
	for i := range 6 {
		if _, err := m.Add(Request{Spec: p.spec(t, fmt.Sprint(i), true)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "six run", func() bool { return p.waiting.Load() == 6 })
	m.SetSettings(Settings{MaxJobs: 2})
	eventually(t, "two run", func() bool { return p.waiting.Load() == 2 && len(m.Tasks()) == 2 })
	m.SetSettings(Settings{MaxJobs: 6})
	eventually(t, "six run again", func() bool { return p.waiting.Load() == 6 })
}
