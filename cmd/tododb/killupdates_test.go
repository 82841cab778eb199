package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// A server is killed while writers are at work. Whoever has read _db_updates before reads on at the next
// server, and is told of each database that was written, and of no other one.
func TestKillUpdates(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 8, 3)
	dir := t.TempDir()
	server := startServer(t, dir, "")
	u := newUpdatesReader(server, 50)
	for kill := range kills {
		u.place = u.told(server, u.place, nil)
		written := u.writeUntil(server, rand.New(rand.NewPCG(seed, uint64(kill))), func() { server.kill() })
		server = startServer(t, dir, server.address())
		seen := map[string]bool{}
		u.place = u.told(server, u.place, seen)
		u.judge(kill, written, seen)
	}
	server.stop()
}

// updatesReader follows _db_updates from process to process.
type updatesReader struct {
	t     *testing.T
	names []string
	place string
}

func newUpdatesReader(p *process, n int) *updatesReader {
	u := &updatesReader{t: p.t.(*testing.T), place: "0"}
	for i := range n {
		u.names = append(u.names, fmt.Sprintf("db%02d", i))
		p.do(201, "PUT", "/"+u.names[i], "")
	}
	return u
}

// told reads on from a place. It returns the next place.
func (u *updatesReader) told(p *process, place string, seen map[string]bool) string {
	u.t.Helper()
	var answer struct {
		Results []struct {
			Name string `json:"db_name"`
		} `json:"results"`
		Last string `json:"last_seq"`
	}
	status, text, _ := p.as("GET", "/_db_updates?since="+place, "", "Authorization", p.request("GET", "/", "").Header.Get("Authorization"))
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 200 {
		u.t.Fatalf("_db_updates: %d %s, %v", status, text, err)
	}
	for _, r := range answer.Results {
		if seen != nil {
			seen[r.Name] = true
		}
	}
	return answer.Last
}

// updatesWritten are the databases that writes were sent to, and those where one was acknowledged.
type updatesWritten struct{ sent, acknowledged map[string]bool }

// writeUntil writes to half of the databases at random until the process has been killed.
func (u *updatesReader) writeUntil(p *process, random *rand.Rand, kill func()) updatesWritten {
	some := slices.Clone(u.names)
	random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	some = some[:len(some)/2]
	w := updatesWritten{map[string]bool{}, map[string]bool{}}
	var mu sync.Mutex
	var works sync.WaitGroup
	for i := range 4 {
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		works.Go(func() {
			for {
				name := some[own.IntN(len(some))]
				mu.Lock()
				w.sent[name] = true
				mu.Unlock()
				answer, err := http.DefaultClient.Do(p.request("POST", "/"+name, `{"n":1}`))
				if err != nil {
					return
				}
				answer.Body.Close()
				if answer.StatusCode == 201 {
					mu.Lock()
					w.acknowledged[name] = true
					mu.Unlock()
				}
			}
		})
	}
	time.Sleep(time.Duration(100+random.IntN(1500)) * time.Millisecond)
	kill()
	works.Wait()
	return w
}

func missingFrom(want, seen map[string]bool) (names []string) {
	for name := range want {
		if !seen[name] {
			names = append(names, name)
		}
	}
	return names
}

func (u *updatesReader) judge(kill int, w updatesWritten, seen map[string]bool) {
	u.t.Helper()
	if missed := missingFrom(w.acknowledged, seen); len(missed) > 0 {
		u.t.Fatalf("kill %d: of %d databases that were written the reader is not told of %s", kill, len(w.acknowledged), strings.Join(missed, ", "))
	}
	if more := missingFrom(seen, w.sent); len(more) > 0 {
		u.t.Errorf("kill %d: %d databases were written, and the reader is also told of %s", kill, len(w.sent), strings.Join(more, ", "))
	}
	u.t.Logf("kill %d: %d databases were written, the reader is told of %d", kill, len(w.acknowledged), len(seen))
}
