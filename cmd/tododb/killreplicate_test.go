package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// Either server of a replication is killed in its middle. When the replication is requested again,
// it continues where it was, and nothing is lost.
func TestKillDuringReplication(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	const docs = 4000
	dirs := []string{t.TempDir(), t.TempDir()}
	servers := []*process{startServer(t, dirs[0], ""), startServer(t, dirs[1], "")}
	source := servers[0]
	source.do(201, "PUT", "/db", "")
	for from := 0; from < docs; from += 500 {
		var b strings.Builder
		for i := from; i < from+500; i++ {
			fmt.Fprintf(&b, `,{"_id":"d%05d","text":%q}`, i, strings.Repeat("x", 300))
		}
		source.do(201, "POST", "/db/_bulk_docs", `{"docs":[`+b.String()[1:]+`]}`)
	}
	request := func() string {
		b, err := json.Marshal(map[string]any{
			"source": withUser(servers[0].base) + "/db", "target": withUser(servers[1].base) + "/copy",
			"create_target": true, "worker_batch_size": 100, "checkpoint_interval": 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for kill := range 6 {
		done := make(chan struct{})
		r := servers[1].request("POST", "/_replicate", request())
		go func() {
			defer close(done)
			if answer, err := http.DefaultClient.Do(r); err == nil {
				answer.Body.Close()
			}
		}()
		time.Sleep(time.Duration(10+random.IntN(150)) * time.Millisecond)
		victim := kill % 2
		address := servers[victim].address()
		servers[victim].kill()
		if victim == 1 {
			<-done
		}
		servers[victim] = startServer(t, dirs[victim], address) // at the same address, so it is the same replication
		<-done
	}
	servers[1].do(200, "POST", "/_replicate", request())
	var info struct {
		Docs int `json:"doc_count"`
	}
	if err := json.Unmarshal([]byte(servers[1].do(200, "GET", "/copy", "")), &info); err != nil {
		t.Fatal(err)
	}
	if info.Docs != docs {
		t.Errorf("%d documents of %d have arrived", info.Docs, docs)
	}
	if again := servers[1].do(200, "POST", "/_replicate", request()); !strings.Contains(again, `"no_changes":true`) {
		t.Errorf("there is still something to do: %s", again)
	}
	for i, s := range servers {
		s.stop()
		if out, code := tododb(t, "check", "--data", dirs[i]); code != 0 {
			t.Errorf("check: %s", out)
		}
	}
}
