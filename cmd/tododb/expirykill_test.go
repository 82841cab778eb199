package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestKillExpiry kills a server again and again while tombstones end. Nothing is lost: what is deleted
// is a tombstone or dead, and each start goes on where the last one was.
func TestKillExpiry(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 6, 3)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/mortal", "")
	const documents = 8000
	revs := map[string][]string{}
	for from := 0; from < documents; from += 1000 {
		var docs strings.Builder
		for i := from; i < from+1000; i++ {
			id, first, last := fmt.Sprintf("d%05d", i), fmt.Sprintf("%032x", i+1), fmt.Sprintf("%032x", random.Uint64()|1)
			fmt.Fprintf(&docs, `,{"_id":%q,"_deleted":true,"_revisions":{"start":2,"ids":[%q,%q]}}`, id, last, first)
			revs[id] = []string{"2-" + last}
		}
		server.do(201, "POST", "/mortal/_bulk_docs", `{"new_edits":false,"docs":[`+docs.String()[1:]+`]}`)
	}
	server.do(201, "PUT", "/mortal/alive", `{}`)
	server.do(200, "PUT", "/_node/_local/_config/tombstones/interval", `"1"`)
	server.do(201, "PUT", "/mortal/_tombstones", `{"deleted_document_ttl":"1_sec"}`)

	type state struct {
		Tombstones uint64
		Dead       struct{ Count uint64 }
	}
	look := func() (s state) {
		t.Helper()
		if err := json.Unmarshal([]byte(server.do(200, "GET", "/mortal/_tombstones", "")), &s); err != nil {
			t.Fatal(err)
		}
		if s.Tombstones+s.Dead.Count != documents {
			t.Fatalf("%d tombstones and %d dead of %d", s.Tombstones, s.Dead.Count, documents)
		}
		return s
	}
	killed, before := 0, uint64(0)
	for deadline := time.Now().Add(90 * time.Second); ; {
		now := look()
		if now.Tombstones == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d tombstones have not ended", now.Tombstones)
		}
		if now.Dead.Count == before || killed == kills {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		before, killed = now.Dead.Count, killed+1
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		server.kill()
		if out, code := tododb(t, "check", "--data", dir); code != 0 {
			t.Fatalf("check: exit %d\n%s", code, out)
		}
		server = startServer(t, dir, server.address())
	}
	if killed == 0 {
		t.Error("all tombstones had ended before the first kill")
	}
	t.Logf("%d kills", killed)
	asked, err := json.Marshal(revs)
	if err != nil {
		t.Fatal(err)
	}
	if missing := server.do(200, "POST", "/mortal/_revs_diff", string(asked)); strings.TrimSpace(missing) != "{}" {
		t.Errorf("not known any more: %.300s", missing)
	}
	if rows := server.do(200, "GET", "/mortal/_changes", ""); strings.Count(rows, `"id"`) != 1 {
		t.Errorf("the feed has %.300s", rows)
	}
	server.stop()
	if out, code := tododb(t, "check", "--data", dir); code != 0 {
		t.Fatalf("check: exit %d\n%s", code, out)
	}
}
