package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestKillOnce kills the server again and again while clients write. They repeat unanswered writes
// with the same Idempotency-Key. Each write must take place once, whether the kill came before,
// during or after the commit. An atomic request must leave all of its documents or none.
func TestKillOnce(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 12, 5)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/once", "")

	var clients []*onceClient
	for i := range 6 {
		clients = append(clients, &onceClient{n: i, client: &http.Client{Transport: &http.Transport{}}})
	}
	for range kills {
		var work sync.WaitGroup
		for _, c := range clients {
			work.Go(func() { c.work(server) })
		}
		time.Sleep(time.Duration(20+random.IntN(250)) * time.Millisecond)
		server.kill()
		work.Wait()
		if out, code := tododb(t, "check", "--data", dir); code != 0 {
			t.Fatalf("check: exit %d\n%s", code, out)
		}
		server = startServer(t, dir, server.address())
	}
	done, repeated := 0, 0
	for _, c := range clients {
		if c.pending {
			c.ask(server)
		}
		if c.err != nil {
			t.Fatal(c.err)
		}
		done, repeated = done+c.done, repeated+c.repeated
	}
	verifyOnce(t, server, clients)
	t.Logf("%d kills, %d writes, %d of them answered from the record", kills, done, repeated)
	server.stop()
}

// onceClient makes writes, one after the other. Even ones make one document, odd ones
// make five at once; the server gives the ids.
type onceClient struct {
	n        int
	client   *http.Client
	pending  bool // the write of number done has been sent
	done     int
	repeated int
	err      error
}

func (c *onceClient) work(server *process) {
	for c.ask(server) {
	}
}

// ask sends the next write, or the one that was not answered; false if there is no answer.
func (c *onceClient) ask(server *process) bool {
	doc := fmt.Sprintf(`{"client":%d,"n":%d}`, c.n, c.done)
	path, body := "/once", doc
	if c.done%2 == 1 {
		path, body = "/once/_bulk_docs", fmt.Sprintf(`{"atomic":true,"docs":[%s,%[1]s,%[1]s,%[1]s,%[1]s]}`, doc)
	}
	r := server.request("POST", path, body)
	r.Header.Set("Idempotency-Key", fmt.Sprintf("%d-%d", c.n, c.done))
	c.pending = true
	answer, err := c.client.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return false
	}
	if answer.StatusCode != 201 {
		c.err = fmt.Errorf("client %d, write %d: %s %s", c.n, c.done, answer.Status, text)
		return false
	}
	if answer.Header.Get("Idempotency-Replayed") != "" {
		c.repeated++
	}
	c.pending = false
	c.done++
	return true
}

func verifyOnce(t *testing.T, server *process, clients []*onceClient) {
	t.Helper()
	var feed struct {
		Rows []struct{ Doc struct{ Client, N int } }
	}
	if err := json.Unmarshal([]byte(server.do(200, "GET", "/once/_all_docs?include_docs=true", "")), &feed); err != nil {
		t.Fatal(err)
	}
	type write struct{ client, n int }
	found := map[write]int{}
	for _, row := range feed.Rows {
		found[write{row.Doc.Client, row.Doc.N}]++
	}
	writes := 0
	for _, c := range clients {
		for n := range c.done {
			want := 1 + n%2*4
			if got := found[write{c.n, n}]; got != want {
				t.Errorf("client %d, write %d: %d documents, want %d", c.n, n, got, want)
			}
		}
		writes += c.done
	}
	if len(found) != writes {
		t.Errorf("there are documents of %d writes, %d were made", len(found), writes)
	}
}
