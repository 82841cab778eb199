package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestKillSynchronized edits two databases that a synchronization keeps the same, and kills the
// servers in turn. In the end both hold the same, no acknowledged write is missing, and the
// synchronization is still there and knows the conflicts.
func TestKillSynchronized(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 6, 3)
	random := rand.New(rand.NewPCG(seed, 0))
	folders := []string{t.TempDir(), t.TempDir()}
	var servers []*process
	for _, dir := range folders {
		s := startServer(t, dir, "")
		s.do(201, "PUT", "/todos", "")
		servers = append(servers, s)
	}
	remote := strings.Replace(servers[1].base, "http://", "http://"+testUser+":"+testPassword+"@", 1) + "/todos"
	made := servers[0].do(201, "POST", "/todos/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, remote))
	var sync struct{ ID string }
	if err := json.Unmarshal([]byte(made), &sync); err != nil {
		t.Fatal(err)
	}
	path := "/todos/_synchronizations/" + sync.ID

	acknowledged := map[string]bool{} // "ID REV"
	edit := func(n int) {
		if note := editTodo(servers[n], random); note != "" {
			acknowledged[note] = true
		}
	}
	for kill := range kills {
		for range 40 {
			edit(random.IntN(2))
		}
		n := (kill + 1) % 2
		servers[n].kill()
		for range 15 {
			edit(1 - n)
		}
		if out, code := tododb(t, "check", "--data", folders[n]); code != 0 {
			t.Fatalf("check: exit %d\n%s", code, out)
		}
		servers[n] = startServer(t, folders[n], servers[n].address())
	}
	deadline := time.Now().Add(90 * time.Second)
	for servers[0].leaves() != servers[1].leaves() {
		if time.Now().After(deadline) {
			t.Fatalf("here:\n%s\nthere:\n%s\n%s", servers[0].leaves(), servers[1].leaves(), servers[0].do(200, "GET", path, ""))
		}
		// A synchronization that waits after a failure goes on at once when its settings are put again.
		servers[0].do(200, "PUT", path, `{"paused":false}`)
		time.Sleep(300 * time.Millisecond)
	}
	for note := range acknowledged {
		id, rev, _ := strings.Cut(note, " ")
		if found := servers[0].do(200, "GET", "/todos/"+id+"?open_revs=%5B%22"+rev+"%22%5D&latest=true", ""); strings.Contains(found, `"missing"`) {
			t.Errorf("%s was acknowledged, and is gone", note)
		}
	}
	var shown struct {
		Documents int `json:"documents_moved"`
		Conflicts struct{ IDs []string }
	}
	if err := json.Unmarshal([]byte(servers[0].do(200, "GET", path, "")), &shown); err != nil {
		t.Fatal(err)
	}
	inConflict := strings.Count(servers[0].leaves(), "} {")
	if (inConflict > 0) != (len(shown.Conflicts.IDs) > 0) {
		t.Errorf("there are %d leaves too many, and conflicts of %v", inConflict, shown.Conflicts.IDs)
	}
	t.Logf("%d edits acknowledged, %d conflicts left", len(acknowledged), len(shown.Conflicts.IDs))
	for _, s := range servers {
		s.stop()
	}
}

// editTodo edits a document, or makes it, and returns the acknowledged revision.
func editTodo(s *process, random *rand.Rand) string {
	id := fmt.Sprintf("t%d", random.IntN(15))
	body := fmt.Sprintf(`{"n":%d}`, random.Int())
	if answer, err := http.DefaultClient.Do(s.request("GET", "/todos/"+id, "")); err == nil {
		var doc struct {
			Rev string `json:"_rev"`
		}
		text, _ := io.ReadAll(answer.Body) // an answer that is not a document has no revision
		answer.Body.Close()
		if json.Unmarshal(text, &doc) == nil && doc.Rev != "" {
			body = fmt.Sprintf(`{"n":%d,"_rev":%q}`, random.Int(), doc.Rev)
		}
	}
	answer, err := http.DefaultClient.Do(s.request("PUT", "/todos/"+id, body))
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	var done struct{ Rev string }
	if answer.StatusCode != 201 || json.NewDecoder(answer.Body).Decode(&done) != nil {
		return "" // it was edited from the other side in between
	}
	return id + " " + done.Rev
}

// leaves shows the leaves of every document, the winner first.
func (p *process) leaves() string {
	p.t.Helper()
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
		}
	}
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/todos/_changes?style=all_docs", "")), &feed); err != nil {
		p.t.Fatal(err)
	}
	var rows []string
	for _, r := range feed.Results {
		rows = append(rows, fmt.Sprint(r.ID, r.Changes))
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}
