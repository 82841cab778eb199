package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// workersOf are the processes of functions that a server has.
func workersOf(t *testing.T, pid int) (pids []int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(dirs) == 0 {
		t.Skip("this system does not tell which processes there are")
	}
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		i := bytes.LastIndexByte(stat, ')')
		if err != nil || i < 0 {
			continue // it has ended meanwhile
		}
		fields := strings.Fields(string(stat[i+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) && fields[0] != "Z" {
			id, _ := strconv.Atoi(filepath.Base(dir))
			pids = append(pids, id)
		}
	}
	return pids
}

// busyServer is a server whose functions run for ever: a build, a list, a validation.
func busyServer(t *testing.T, environment ...string) (server *process, answers <-chan string) {
	t.Helper()
	server = startServerWith(t, environment, t.TempDir(), "")
	server.do(201, "PUT", "/db", "")
	server.do(201, "PUT", "/db/a", `{"n":1}`)
	const forever = "for(;;);"
	server.do(201, "PUT", "/db/_design/d", `{"views":{"v":{"map":"function(doc){`+forever+`}"},"w":{"map":"function(doc){emit()}"}},
		"lists":{"l":"function(){`+forever+`}"},"shows":{"s":"function(){`+forever+`}"}}`)
	server.do(201, "PUT", "/db/_design/w", `{"views":{"w":{"map":"function(doc){emit()}"}},"lists":{"l":"function(){getRow();`+forever+`}"}}`)
	all := make(chan string, 3)
	for _, path := range []string{"/db/_design/d/_view/v", "/db/_design/w/_list/l/w", "/db/_design/d/_show/s"} {
		go func() {
			answer, err := http.DefaultClient.Do(server.request("GET", path, ""))
			if err != nil {
				all <- err.Error()
				return
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			all <- fmt.Sprint(answer.StatusCode, string(body), err)
		}()
	}
	for end := time.Now().Add(time.Minute); len(workersOf(t, server.cmd.Process.Pid)) < 3; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there are no processes of functions\n%s", server.log)
		}
	}
	return server, all
}

// However a server ends, it leaves no process of functions, and no folder of one.
func TestFunctionsEndWithTheirServer(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process){"stopped": (*process).stop, "killed": (*process).kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporary := t.TempDir()
			server, answers := busyServer(t, "TMPDIR="+temporary)
			pids := workersOf(t, server.cmd.Process.Pid)
			end(server) // by itself, if it is stopped: that fails if it takes too long
			for range cap(answers) {
				<-answers
			}
			for _, pid := range pids {
				for until := time.Now().Add(time.Minute); alive(pid); time.Sleep(5 * time.Millisecond) {
					if time.Now().After(until) {
						t.Fatalf("process %d is left", pid)
					}
				}
			}
			if left, err := filepath.Glob(filepath.Join(temporary, "tododb-*")); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

func alive(pid int) bool {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(command, []byte("script-worker"))
}

// A function that hits a limit has failed. No index lacks a document because of it, no document is
// written, and others are served meanwhile.
func TestLimitsOfFunctionsAreErrors(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "local.ini"), []byte("[couchdb]\nos_process_timeout = 500\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/db", "")
	server.do(201, "PUT", "/db/a", `{"n":1}`)
	// A busy machine can take longer than the limit for a function that does not loop.
	put := func(path, body string) {
		t.Helper()
		status, answer := 0, ""
		for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
			if status, answer = server.try("PUT", path, body); status == 201 {
				return
			}
			if status != 500 || !strings.Contains(answer, "timed out") {
				break
			}
		}
		t.Fatalf("PUT %s: %d, want 201\n%s", path, status, answer)
	}
	put("/db/_design/d", `{"views":{
		"emits":{"map":"function(doc){while(true){emit(doc,doc)}}"}}}`)
	put("/db/_design/e", `{"views":{"loops":{"map":"function(doc){try{for(;;);}catch(e){}}"}}}`)
	put("/db/_design/f", `{"views":{"grows":{"map":"function(doc){var a=[];try{for(;;)a.push({})}catch(e){}}"}}}`)
	put("/db/_design/g", `{"views":{"dies":{"map":"function(doc){var o=[];o.push(o);try{o.flat(Infinity)}catch(e){}}"}}}`)
	var beside sync.WaitGroup
	for _, path := range []string{"d/_view/emits", "e/_view/loops", "f/_view/grows", "g/_view/dies"} {
		beside.Go(func() {
			if got := server.do(500, "GET", "/db/_design/"+path, ""); !strings.Contains(got, `"os_process_error"`) {
				t.Errorf("%s answers %s", path, got)
			}
		})
	}
	for range 20 {
		server.do(200, "GET", "/db/a", "")
	}
	beside.Wait()
	put("/db/_design/v", `{"validate_doc_update":"function(n){if(n.loop)try{for(;;);}catch(e){}}"}`)
	server.do(500, "PUT", "/db/b", `{"loop":true}`)
	server.do(404, "GET", "/db/b", "")
	// If a replicated document could not be judged, it was not refused: the batch fails.
	if got := server.do(500, "POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"c","_rev":"1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","loop":true}]}`); !strings.Contains(got, `"os_process_error"`) {
		t.Errorf("_bulk_docs answers %s", got)
	}
	put("/db/d", `{}`)
	server.stop()
}

// The limits of functions leave half of a container to the server.
func TestShareOfGroup(t *testing.T) {
	for _, c := range []struct{ group, one, all, wantOne, wantAll int64 }{
		{0, 256, 1024, 256, 1024},
		{4096, 256, 1024, 256, 1024},
		{1024, 256, 1024, 256, 512},
		{256, 256, 1024, 128, 128},
	} {
		if one, all := shareOfGroup(c.group, c.one, c.all); one != c.wantOne || all != c.wantAll {
			t.Errorf("in %d: %d and %d", c.group, one, all)
		} else if server := collectorsMemory(c.group, all); c.group > 0 && (server+all >= c.group || server < c.group/3) {
			t.Errorf("in %d: %d and %d for the server", c.group, all, server)
		}
	}
}
