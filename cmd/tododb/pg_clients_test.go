package main

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// Devices with PouchDB and RxDB synchronize with processes behind a balancer, request by request with another one.
// Some of them are killed meanwhile. All devices come to have what each of them has written.
func TestPGClients(t *testing.T) {
	longOnly(t)
	t.Parallel()
	scriptFolder(t)
	c, processes := startCluster(t, 2)
	var mu sync.Mutex // guards processes
	var turn atomic.Int64
	base := balance(t, func() *process {
		mu.Lock()
		defer mu.Unlock()
		return processes[int(turn.Add(1))%len(processes)]
	})
	steps, err := converse(t, []string{"many.js", base, testUser, testPassword, strconv.FormatInt(soakPG(t).Milliseconds(), 10)}, map[string]func(){
		"kill": func() {
			victim := processes[0]
			mu.Lock()
			processes = processes[1:]
			mu.Unlock()
			victim.kill()
		},
		"start": func() {
			p := c.start()
			mu.Lock()
			processes = append(processes, p)
			mu.Unlock()
		},
	})
	if err != nil || steps < 3 {
		t.Fatalf("%d steps: %v\nthe log of the last process:\n%s", steps, err, processes[0].log)
	}
	if out, code := tododb(t, "check", "--storage", c.url, "--data", t.TempDir()); code != 0 {
		t.Errorf("check: exit %d\n%s", code, out)
	}
}
