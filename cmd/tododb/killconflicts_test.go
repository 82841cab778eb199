package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestKillConflicts kills the server while documents get into conflict and out of it, beside compactions.
// An acknowledged resolution is whole, and the list of conflicts is that of the documents: check recounts it.
func TestKillConflicts(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, _ := killCount(t, 4, 2)
	dir := t.TempDir()
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/kill", "")
	resolved := 0
	for kill := 1; kill <= kills; kill++ {
		var work sync.WaitGroup
		last := 0
		work.Go(func() { last = resolveUntilDead(server, kill) })
		work.Go(func() { compactUntilDead(server) })
		time.Sleep(time.Duration(200+100*kill) * time.Millisecond)
		server.kill()
		work.Wait()
		if out, code := tododb(t, "check", "--data", dir); code != 0 {
			t.Fatalf("kill %d: check: exit %d\n%s", kill, code, out)
		}
		server = startServer(t, dir, server.address())
		for n := range last { // all but the last one are acknowledged
			got := server.do(200, "GET", fmt.Sprintf("/kill/d%d-%d?conflicts=true", kill, n), "")
			if want := n%3 == 0; strings.Contains(got, `"_conflicts"`) != want || !want && !strings.Contains(got, `"at":"both"`) {
				t.Errorf("kill %d: document %d: %s", kill, n, got)
			}
		}
		resolved += last
	}
	if resolved == 0 {
		t.Error("nothing was resolved: this proves little")
	}
	server.stop()
}

// resolveUntilDead brings documents into conflict and resolves two of three, and returns how many were done.
func resolveUntilDead(server *process, kill int) (done int) {
	send := func(path, body string) bool {
		r := server.request("POST", path, body)
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusCreated
	}
	for ; ; done++ {
		id := fmt.Sprintf("d%d-%d", kill, done)
		if !send("/kill/_bulk_docs", fmt.Sprintf(`{"new_edits":false,"docs":[{"_id":%[1]q,"_rev":"1-first"},
			{"_id":%[1]q,"_revisions":{"start":2,"ids":["left","first"]}},{"_id":%[1]q,"_revisions":{"start":2,"ids":["right","first"]}}]}`, id)) {
			return done
		}
		if done%3 != 0 && !send("/kill/_conflicts/"+id+"?delete=[%222-left%22]", `{"_rev":"2-right","at":"both"}`) {
			return done
		}
	}
}
