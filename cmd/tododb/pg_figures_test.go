package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// A process tells how it fares with PostgreSQL, in both forms of figures.
func TestPGFigures(t *testing.T) {
	t.Parallel()
	_, all := startCluster(t, 1)
	p := all[0]
	p.do(201, "PUT", "/db", "")
	p.do(201, "PUT", "/db/a", `{}`)
	var stats struct {
		Tododb struct {
			Storage map[string]struct{ Value float64 }
		}
	}
	// The process begins to listen by itself, perhaps only now.
	for deadline := time.Now().Add(time.Minute); stats.Tododb.Storage["listens"].Value == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, text := p.try("GET", "/_node/_local/_stats", "")
		if err := json.Unmarshal([]byte(text), &stats); err != nil {
			t.Fatal(err)
		}
	}
	storage := stats.Tododb.Storage
	for _, name := range []string{"round_trips", "round_trip_seconds", "locks", "lock_seconds", "connections", "connections_limit", "listens"} {
		if storage[name].Value <= 0 {
			t.Errorf("%s is %v", name, storage[name].Value)
		}
	}
	for _, name := range []string{"retries", "unknown_commits", "connections_busy", "connection_waits", "connection_wait_seconds", "listener_lag_seconds"} {
		if _, is := storage[name]; !is {
			t.Errorf("there is no %s", name)
		}
	}
	if _, text := p.try("GET", "/_node/_local/_prometheus", ""); !strings.Contains(text, "\ntododb_storage_round_trips_total ") {
		t.Error("_prometheus has no round trips")
	}
}
