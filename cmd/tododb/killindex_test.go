package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// indexDesign is a design document whose index depends on salt.
func indexDesign(salt string) string {
	return `{"options":{"changes":true},"views":{
		"k":{"map":"function(doc){ for (var i in doc.ks) emit(doc.ks[i], doc.v) /*` + salt + `*/}","reduce":"_sum"},
		"pair":{"map":"function(doc){ emit([doc.v % 7, doc._id], 1) }","reduce":"function(keys,values,re){ return re ? sum(values) : values.length }"}}}`
}

var indexQueries = []string{
	"_view/k?reduce=false", "_view/k?group=true", "_view/k", "_view/k?reduce=false&startkey=%22key1%22&endkey=%22key2%22&descending=false",
	"_view/pair?group_level=1", "_view/pair?reduce=false&skip=200&limit=50", "_view/pair?reduce=false&descending=true&limit=20",
}

// TestKillIndex kills the server while it builds indexes and writers keep them behind. Afterwards
// an index must answer like one that is built from nothing.
func TestKillIndex(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills := 4
	if text := os.Getenv("TODODB_TEST_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("TODODB_TEST_KILLS: %v", err)
		}
		kills = n
	} else if testing.Short() {
		kills = 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/kill", "")
	server.do(201, "PUT", "/kill/_design/old", indexDesign(""))
	for kill := 1; kill <= kills; kill++ {
		var work sync.WaitGroup
		for n := range 2 {
			rnd := rand.New(rand.NewPCG(seed, uint64(kill*10+n)))
			work.Go(func() { writeUntilDead(server, rnd) })
		}
		work.Go(func() { queryUntilDead(server, "/kill/_design/old/_view/k?limit=1") })
		work.Go(func() { queryUntilDead(server, "/kill/_changes?filter=_view&view=old/k&key=%22key1%22&limit=1") })
		time.Sleep(time.Duration(50+random.IntN(500)) * time.Millisecond)
		server.kill()
		work.Wait()
		if out, code := tododb(t, "check", "--data", dir); code != 0 {
			t.Fatalf("kill %d: check: exit %d\n%s", kill, code, out)
		}
		server = startServer(t, dir, server.address())
		fresh := fmt.Sprintf("/kill/_design/fresh%d", kill)
		server.do(201, "PUT", fresh, indexDesign(fmt.Sprint(kill)))
		for _, q := range indexQueries {
			old, anew := server.do(200, "GET", "/kill/_design/old/"+q, ""), server.do(200, "GET", fresh+"/"+q, "")
			if old != anew {
				t.Fatalf("kill %d: %s: the index that was there says\n%.2000s\none that was built from nothing\n%.2000s", kill, q, old, anew)
			}
		}
		compareWithDocs(t, server)
	}
	server.do(202, "POST", "/kill/_view_cleanup", "")
	server.stop()
}

// compareWithDocs adds the sum up from the documents.
func compareWithDocs(t *testing.T, server *process) {
	t.Helper()
	var all struct {
		Rows []struct {
			Doc struct {
				Ks []string
				V  int
			}
		}
	}
	if err := json.Unmarshal([]byte(server.do(200, "GET", "/kill/_all_docs?include_docs=true", "")), &all); err != nil {
		t.Fatal(err)
	}
	sum, rows := 0, 0
	for _, r := range all.Rows {
		rows += len(r.Doc.Ks)
		sum += r.Doc.V * len(r.Doc.Ks)
	}
	want := fmt.Sprintf(`"value":%d}`, sum)
	if got := server.do(200, "GET", "/kill/_design/old/_view/k", ""); rows > 0 && !strings.Contains(got, want) {
		t.Fatalf("the sum over %d rows is %s, want %s", rows, got, want)
	}
	if got := server.do(200, "GET", "/kill/_design/old/_view/k?reduce=false&limit=0", ""); !strings.Contains(got, fmt.Sprintf(`"total_rows":%d,`, rows)) {
		t.Fatalf("%s, want %d rows", got, rows)
	}
}

// writeUntilDead writes, edits and deletes documents.
func writeUntilDead(server *process, random *rand.Rand) {
	for {
		var docs []string
		for range 1 + random.IntN(60) {
			gen, ks := 1+random.IntN(5), []string{}
			for range random.IntN(4) {
				ks = append(ks, fmt.Sprintf(`"key%d"`, random.IntN(30)))
			}
			docs = append(docs, fmt.Sprintf(`{"_id":"doc%04d","_rev":"%d-%032x","_deleted":%t,"v":%d,"ks":[%s]}`,
				random.IntN(3000), gen, random.Uint64(), random.IntN(6) == 0, random.IntN(1000), strings.Join(ks, ",")))
		}
		answer, err := http.DefaultClient.Do(server.request("POST", "/kill/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`))
		if err != nil {
			return
		}
		answer.Body.Close()
	}
}

func queryUntilDead(server *process, path string) {
	for {
		answer, err := http.DefaultClient.Do(server.request("GET", path, ""))
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil {
			return
		}
	}
}
