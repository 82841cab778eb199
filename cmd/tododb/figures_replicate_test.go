package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"
)

// TestFiguresOfReplication prints how fast two servers on this machine replicate. For comparison
// it prints how fast the target takes the same batches from a client that has them ready.
func TestFiguresOfReplication(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	source := startServer(t, t.TempDir(), "", "--log-level", "warning")
	target := startServer(t, t.TempDir(), "", "--log-level", "warning")
	f := figures{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, server: source}
	source.do(201, "PUT", "/figures", "")
	f.bulk()

	target.do(201, "PUT", "/floor", "")
	batches := f.revisions()
	began := time.Now()
	for _, b := range batches {
		if _, err := f.send("POST", target.base+"/floor/_bulk_docs", b); err != nil {
			t.Fatal(err)
		}
	}
	floor := figureDocs / time.Since(began).Seconds()
	batches = nil

	for _, c := range []struct {
		what     string
		at       *process
		from, to string
	}{
		{"pull, documents", target, withUser(source.base) + "/figures", "pulled"},
		{"push, documents", source, "figures", withUser(target.base) + "/pushed"},
		{"by URLs alone, documents", target, withUser(source.base) + "/figures", withUser(target.base) + "/copied"},
	} {
		request := fmt.Sprintf(`{"source":%q,"target":%q,"create_target":true}`, c.from, c.to)
		began := time.Now()
		answer := c.at.do(200, "POST", "/_replicate", request)
		took := time.Since(began)
		var done replicated
		if err := json.Unmarshal([]byte(answer), &done); err != nil || len(done.History) == 0 || done.History[0].Written != figureDocs {
			t.Fatalf("%.300s", answer)
		}
		f.print("replication: "+c.what, figureDocs/took.Seconds(), "target alone", floor, 0.5)
		began = time.Now()
		c.at.do(200, "POST", "/_replicate", request)
		again := time.Since(began)
		fmt.Printf("%-38s %10.1f ms, at most 50\n", "  with nothing to do", again.Seconds()*1000)
	}
	f.latency(source, target)
	for name, p := range map[string]*process{"source": source, "target": target} {
		fmt.Printf("%-38s %10d MiB\n", "private memory of the "+name, privateMemory(t, p)>>20)
	}
}

// revisions are the documents of the source as a replicator would send them, in the same
// order.
func (f *figures) revisions() (batches [][]byte) {
	answer, err := f.client.Do(f.server.request("GET", "/figures/_changes?include_docs=true", ""))
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	var all struct {
		Results []struct{ Doc json.RawMessage }
	}
	if err := json.Unmarshal(b, &all); err != nil {
		f.t.Fatal(err)
	}
	for rows := range slices.Chunk(all.Results, 500) {
		var body bytes.Buffer
		body.WriteString(`{"new_edits":false,"docs":[`)
		for i, r := range rows {
			if i > 0 {
				body.WriteByte(',')
			}
			body.Write(r.Doc)
		}
		body.WriteString(`]}`)
		batches = append(batches, body.Bytes())
	}
	return batches
}

// latency measures how long a change takes to the target of a continuous job that has
// nothing else to do.
func (f *figures) latency(source, target *process) {
	source.do(202, "POST", "/_replicate", fmt.Sprintf(`{"source":"figures","target":%q,"continuous":true}`, withUser(target.base)+"/pushed"))
	var took []time.Duration
	for i := range 20 {
		id := fmt.Sprintf("late-%d", i)
		began := time.Now()
		source.do(201, "PUT", "/figures/"+id, `{}`)
		for {
			answer, err := f.client.Do(target.request("GET", "/pushed/"+id, ""))
			if err != nil {
				f.t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
			if time.Since(began) > 20*time.Second {
				f.t.Fatalf("%s does not come", id)
			}
			time.Sleep(200 * time.Microsecond)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	fmt.Printf("%-38s %10.1f ms in the middle, %.1f at the most, at most 50\n", "a change arrives continuously after",
		took[len(took)/2].Seconds()*1000, took[len(took)-1].Seconds()*1000)
}
