package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// A job of _replicator runs at one process. When that one is killed, another one takes it over, and shows
// it meanwhile.
func TestPGReplicationIsTakenOver(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	c, two := startCluster(t, 2)
	a, b := two[0], two[1]
	peer := startServer(t, t.TempDir(), "") // which has both sides, and outlives the others
	peer.do(201, "PUT", "/source", "")
	peer.do(201, "PUT", "/target", "")
	at := strings.Replace(peer.base, "http://", "http://"+testUser+":"+testPassword+"@", 1)
	a.do(201, "PUT", "/_replicator/job", `{"source":"`+at+`/source","target":"`+at+`/target","continuous":true}`)
	// Who runs it, as either process shows it.
	runner := func(p *process) string {
		for _, task := range jsonArray(t, p.do(200, "GET", "/_active_tasks", "")) {
			if task["doc_id"] == "job" {
				return fmt.Sprint(task["node"])
			}
		}
		return ""
	}
	within(t, time.Minute, func() bool { return runner(a) != "" && runner(a) == runner(b) })
	first, other := a, b
	if runner(a) == "tododb@"+b.address() {
		first, other = b, a
	} else if got := runner(a); got != "tododb@"+a.address() {
		t.Fatalf("it runs at %s", got)
	}
	for _, p := range two {
		within(t, soon, func() bool {
			doc := p.do(200, "GET", "/_scheduler/docs/_replicator/job", "")
			jobs := p.do(200, "GET", "/_scheduler/jobs", "")
			return strings.Contains(doc, `"state":"running"`) && strings.Contains(doc, first.address()) &&
				strings.Contains(jobs, `"total_rows":1,`) && strings.Contains(jobs, first.address()) &&
				strings.Contains(jobs, fmt.Sprintf("0.%d.0", first.cmd.Process.Pid))
		})
	}
	// Figures are those of a process: together they count it once.
	within(t, soon, func() bool {
		total := "couchdb_couch_replicator_jobs_total"
		return figure(t, first, total) == 1 && figure(t, a, total)+figure(t, b, total) == 1
	})
	peer.do(201, "PUT", "/source/one", "{}")
	within(t, soon, func() bool { status, _ := peer.try("GET", "/target/one", ""); return status == 200 })

	first.kill()
	killed := time.Now()
	peer.do(201, "PUT", "/source/two", "{}")
	within(t, time.Minute, func() bool { status, _ := peer.try("GET", "/target/two", ""); return status == 200 })
	t.Logf("taken over after %v, with processes that count as gone after %d ms", time.Since(killed).Round(time.Millisecond), goneAfter)
	other.do(201, "PUT", "/target", "")
	if got := runner(other); got != "tododb@"+other.address() {
		t.Errorf("it runs at %q", got)
	}
	if got := other.do(200, "GET", "/_membership", ""); strings.Contains(got, first.address()) {
		t.Errorf("the killed process is still there: %s", got)
	}

	// Another process is asked to end what a request has begun.
	third := c.start()
	other.do(202, "POST", "/_replicate", `{"source":"target","target":"third","create_target":true,"continuous":true}`)
	within(t, soon, func() bool {
		return strings.Count(third.do(200, "GET", "/_active_tasks", ""), `"type":"replication"`) == 2
	})
	third.do(200, "POST", "/_replicate", `{"source":"target","target":"third","create_target":true,"continuous":true,"cancel":true}`)
	if got := other.do(200, "GET", "/_active_tasks", ""); strings.Count(got, `"type":"replication"`) != 1 {
		t.Errorf("after it was cancelled at the other process: %s", got)
	}
	if status, text := third.try("POST", "/_replicate", `{"source":"target","target":"nowhere","continuous":true,"cancel":true}`); status != 404 {
		t.Errorf("what nobody runs is cancelled: %d %s", status, text)
	}
}

func jsonArray(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return list
}

// While PostgreSQL is away, requests are refused soon; when it is back, all goes on.
func TestPGStorageGoesAndComesBack(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Durable: true})
	c := &cluster{t: t, url: server.Schema(t)}
	two := []*process{c.start(), c.start()}
	two[0].do(201, "PUT", "/db", "")
	two[1].do(201, "PUT", "/db/before", "{}")
	server.Stop()
	var asked sync.WaitGroup
	for _, p := range two {
		asked.Go(func() {
			began := time.Now()
			if status, text := p.try("GET", "/_up", ""); status != 503 {
				t.Errorf("_up: %d %s", status, text)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("_up took %v", took)
			}
			asked := time.Now()
			figure(t, p, "couchdb_couch_replicator_jobs_total")
			p.do(200, "GET", "/_node/_local/_stats", "")
			if took := time.Since(asked); took > 10*time.Second {
				t.Errorf("figures without the storage took %v", took)
			}
			status, text, header := p.as("PUT", "/db/while", "{}", "Authorization", "Basic YWRtaW46c2VjcmV0")
			if status != 503 || header.Get("Retry-After") == "" || time.Since(began) > 50*time.Second {
				t.Errorf("a write: %d %s, Retry-After %q, after %v", status, text, header.Get("Retry-After"), time.Since(began))
			}
		})
	}
	// A database that is to be deleted, and cannot be, is still there: nobody is told that it is not.
	deleted := make(chan struct{})
	asked.Go(func() {
		defer close(deleted)
		if status, text := two[0].try("DELETE", "/db", ""); status != 503 || !strings.Contains(text, "nothing was changed") {
			t.Errorf("a database is deleted: %d %s", status, text)
		}
	})
	asked.Go(func() {
		for waits := true; waits; {
			if status, text := two[0].try("GET", "/db/before", ""); status != 503 {
				t.Errorf("a read: %d %s", status, text)
				return
			}
			select {
			case <-deleted:
				waits = false
			default:
			}
		}
	})
	asked.Wait()
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}
	for _, p := range two {
		within(t, time.Minute, func() bool { status, _ := p.try("GET", "/_up", ""); return status == 200 })
		within(t, time.Minute, func() bool {
			status, _ := p.try("PUT", "/db/after-"+strings.ReplaceAll(p.address(), ":", "-"), "{}")
			return status == 201
		})
		p.do(200, "GET", "/db/before", "")
		within(t, time.Minute, func() bool {
			return strings.Count(p.do(200, "GET", "/_membership", ""), `"started"`) == 2
		})
	}
}

// The settings of the storage have their effect.
func TestPGStorageSettings(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	url := pgtest.URL(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "url")
	if err := os.WriteFile(secret, []byte(url+"&application_name=counted\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "one.ini")
	settings := "[storage]\nurl_file = " + secret + "\nlisten_url = " + url + "&application_name=listens\nconnections = 4\nname = first\ngone_after = 3000\n[chttpd_auth]\niterations = 10\n"
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	first := startServer(t, t.TempDir(), "", "--config", file)
	second := startServer(t, t.TempDir(), "", "--config", quickLogins(t), "--storage", secret)
	if got, want := second.do(200, "GET", "/_membership", ""), `"tododb@first"`; !strings.Contains(got, want) {
		t.Errorf("the processes: %s, without %s", got, want)
	}
	if got := first.do(200, "GET", "/_node/tododb@first", ""); !strings.Contains(got, `"name":"tododb@first"`) {
		t.Errorf("the node: %s", got)
	}
	for _, path := range []string{"/_node/_local/_config", "/_node/_local/_config/storage", "/_settings"} {
		if _, text := first.try("GET", path, ""); strings.Contains(text, "application_name") {
			t.Errorf("%s has the URL of the storage: %s", path, text)
		}
	}
	if status, text := first.try("PUT", "/_node/_local/_config/storage/url", `"postgres://elsewhere/"`); status != 403 {
		t.Errorf("the storage is changed over HTTP: %d %s", status, text)
	}
	for _, args := range [][]string{{"check", "--storage", secret}, {"compact", "--storage", secret}} {
		if out, code := tododb(t, args...); code != 0 {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	second.kill()
	within(t, time.Minute, func() bool { return strings.Count(first.do(200, "GET", "/_membership", ""), "tododb@") == 2 })
	if out, code := tododb(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--config", badStorage(t)); code != 2 || strings.Contains(out, "hidden") {
		t.Errorf("a storage that is none: %d %s", code, out)
	}
}

func badStorage(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bad.ini")
	if err := os.WriteFile(file, []byte("[storage]\nurl = mysql://me:hidden@host/db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
