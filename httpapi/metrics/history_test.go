package metrics

import (
	"testing"
	"time"
)

// The history tells what happened between two points, and forgets what is older than an hour.
func TestHistory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	m := New()
	feeds := 3.0
	m.Gauge("couchdb_httpd_clients_requesting_changes", "", func() float64 { return feeds })
	m.Request("GET", 200, time.Second, false) // before the history began
	h := NewHistory(m)
	h.now = func() time.Time { return now }
	h.last = h.read()

	for range 98 {
		m.Request("GET", 200, 2*time.Millisecond, false)
	}
	m.Request("PUT", 409, 2*time.Millisecond, false)
	m.Request("PUT", 503, 20*time.Second, false)
	m.Request("GET", 200, -1, true) // a feed that was cut off
	m.Commit(7, 3*time.Millisecond)
	now = now.Add(10 * time.Second)
	h.take()
	now = now.Add(20 * time.Second)
	feeds = 0
	h.take()

	got := h.Since(0)
	if len(got) != 2 {
		t.Fatalf("%d points", len(got))
	}
	busy, idle := got[0], got[1]
	if busy.Time != 1_000_010 || busy.Seconds != 10 || busy.Requests != 101 || busy.ClientErrors != 1 || busy.ServerErrors != 1 || busy.Aborted != 1 || busy.Commits != 1 || busy.Documents != 7 || busy.Feeds != 3 {
		t.Errorf("busy: %+v", busy)
	}
	if p := busy.Median; p == nil || *p <= 0.001 || *p > 0.0025 {
		t.Errorf("median %v", p)
	}
	if p := busy.Slowest; p == nil || *p > 0.0025 {
		t.Errorf("99 of 100 took 2 ms, and they say %v", p)
	}
	if idle.Seconds != 20 || idle.Requests != 0 || idle.Median != nil || idle.CommitMedian != nil || idle.Feeds != 0 || idle.Memory <= 0 {
		t.Errorf("idle: %+v", idle)
	}
	if got := h.Since(busy.Time); len(got) != 1 || got[0].Time != idle.Time {
		t.Errorf("after the first: %+v", got)
	}

	for range 400 {
		now = now.Add(Interval)
		h.take()
	}
	if got = h.Since(0); len(got) != points || got[len(got)-1].Time-got[0].Time != float64(points-1)*Interval.Seconds() {
		t.Errorf("%d points from %v to %v", len(got), got[0].Time, got[len(got)-1].Time)
	}
}
