package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tododb/tododb/store/widetest"
)

// An administrator keeps a database here and one on another server the same. The form finds what
// would fail before it starts anything, and no password is shown.
func TestPageReplication(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	q := startServer(t, t.TempDir(), "")
	t.Cleanup(q.stop)
	p.do(201, "PUT", "/todos", "")
	p.do(201, "PUT", "/todos/milk", `{}`)
	q.do(201, "PUT", "/home", "")
	q.do(201, "PUT", "/home/rent", `{}`)
	b.signIn()
	b.click("link", "Replication")
	b.sees("Nothing is replicated yet")

	b.click("button", "New replication")
	b.fill("Name", "todos")
	b.fill("Address", strings.Replace(q.base, "http://", "http://admin:wr%6Fng@", 1)+"/home")
	b.click("button", "Test both ends")
	b.sees("The name and the password are not accepted")
	if text := b.text(); strings.Contains(text, "wrong") || strings.Contains(text, "wr%6Fng") {
		t.Errorf("the password is on the page: %s", text)
	}
	b.fill("Password", testPassword)
	b.fill("Address", q.base+"/missing")
	b.click("button", "Test and start")
	b.sees("There is no database at this address")
	if got := p.do(200, "GET", "/_scheduler/synchronizations", ""); !strings.Contains(got, `"total_rows":0`) {
		t.Errorf("something has started: %s", got)
	}
	b.fill("Address", q.base+"/home")
	b.click("button", "Test both ends")
	b.sees("can be read and written")
	b.everythingHasAName()
	b.click("button", "Test and start")
	b.sees("todos ⇄ "+q.base+"/home", "up to date", "nothing left")
	p.do(200, "GET", "/todos/rent", "")
	q.do(200, "GET", "/home/milk", "")
	b.everythingHasAName()

	name := "todos and " + q.base + "/home"
	b.click("button", "Pause "+name)
	b.sees("paused")
	b.click("button", "Go on with "+name)
	b.sees("up to date")
	b.click("button", "History of "+name)
	b.sees("Runs that wrote a checkpoint", "1 written")
	b.click("button", "Close")

	// The other server goes away: the page says so in words.
	q.stop()
	b.sees("Nothing listens there", "failed, will try again")
	b.click("button", "Delete "+name)
	b.click("button", "Delete it")
	b.sees("Nothing is replicated yet")
}

// A document of _replicator is paused, goes on, fails, is tried again and run again, and what is in
// it stays to the letter.
func TestPageReplicationDocument(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/a", "")
	p.do(201, "PUT", "/a/1", `{}`)
	b.signIn()
	b.open("#/replication")
	b.click("button", "New replication")
	b.pick("What", "From one")
	b.fill("Address of the source", p.base+"/a")
	b.fill("User of the source", testUser)
	b.fill("Password of the source", testPassword)
	b.fill("Address of the target", p.base+"/b")
	b.fill("User of the target", testUser)
	b.fill("Password of the target", testPassword)
	b.pick("How long", "Once")
	b.click("button", "Test both ends")
	b.sees("There is no database at this address", "Start all the same")
	b.click("checkbox", "Create the target if it does not exist")
	b.click("button", "Test both ends")
	b.sees("does not exist and will be created")
	b.click("button", "Test and start")
	b.sees("done", "1 written")
	p.do(200, "GET", "/b/1", "")
	var docs struct {
		Rows []struct {
			ID  string
			Doc json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/_replicator/_all_docs?include_docs=true", "")), &docs); err != nil {
		t.Fatal(err)
	}
	for _, row := range docs.Rows {
		if strings.HasPrefix(row.ID, "_design/") {
			continue
		}
		if doc := string(row.Doc); strings.Contains(doc, "secret@") || !strings.Contains(doc, `"password":"secret"`) {
			t.Errorf("the password is not beside the URL: %s", doc)
		}
	}
	p.do(201, "PUT", "/a/2", `{}`)
	name := p.base + "/a to " + p.base + "/b"
	b.click("button", "Run "+name+" again")
	b.until("it has run again", func(context.Context, *chromedp.Target) (bool, error) {
		status, _ := p.try("GET", "/b/2", "")
		return status == 200, nil
	})

	// One that fails says why, and when it is tried again.
	p.do(201, "PUT", "/_replicator/lost", `{"source":"http://127.0.0.1:1/a","target":"http://127.0.0.1:1/b","continuous":true,"retries_per_request":1,"big":12345678901234567890}`)
	b.sees("Nothing listens there", "The next try is in")
	lost := "http://127.0.0.1:1/a to http://127.0.0.1:1/b"
	b.click("button", "Try "+lost+" now")
	b.sees("It tries again")
	b.click("button", "Pause "+lost)
	b.sees("paused")
	if doc := p.do(200, "GET", "/_replicator/lost", ""); !strings.Contains(doc, `"paused":true`) || !strings.Contains(doc, `"big":12345678901234567890`) {
		t.Errorf("the paused document: %s", doc)
	}
	b.click("button", "Go on with "+lost)
	b.sees("Nothing listens there")
	b.click("button", "Delete "+lost)
	b.click("button", "Delete it")
	b.misses("127.0.0.1:1/a")
}
