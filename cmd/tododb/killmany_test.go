package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// keeper has a database of its own, which lives for some operations and is then made anew under the same name.
// All that it does follows from the number of the operation.
type keeper struct {
	writer
	db   string
	done int           // operations that were acknowledged
	all  *atomic.Int64 // those of all keepers
}

const keeperLife = 17

// ids are those of the documents that an operation writes.
func (k *keeper) ids(op int) (ids []string) {
	switch at := op % keeperLife; {
	case at < 2: // the database goes, and comes
	case at%6 == 0:
		for i := range 60 {
			ids = append(ids, fmt.Sprintf("%08d.%02d", op, i))
		}
	default:
		ids = []string{fmt.Sprintf("%08d", op)}
	}
	return ids
}

// holds lists what is there after an operation; there is no database if there is false.
func (k *keeper) holds(op int) (ids []string, there bool) {
	for i := op - op%keeperLife; i <= op; i++ {
		ids = append(ids, k.ids(i)...)
	}
	return ids, op%keeperLife > 0
}

func (k *keeper) work(server *process) {
	for k.err == nil && k.operate(server, k.done+1) {
		k.done++
		k.acknowledged++
		k.all.Add(1)
	}
	k.client.CloseIdleConnections()
}

func (k *keeper) operate(server *process, op int) (alive bool) {
	doc := func(id string) string { return fmt.Sprintf(`{"_id":%q,"text":%q}`, id, strings.Repeat("x", op%900)) }
	var into json.RawMessage
	switch ids := k.ids(op); {
	case op%keeperLife == 0:
		alive = k.send(server, "DELETE", "/"+k.db, nil, &into)
	case op%keeperLife == 1:
		alive = k.send(server, "PUT", "/"+k.db, nil, &into)
	case len(ids) == 1:
		alive = k.send(server, "PUT", "/"+k.db+"/"+ids[0], []byte(doc(ids[0])), &into)
	default:
		var docs []string
		for _, id := range ids {
			docs = append(docs, doc(id))
		}
		alive = k.send(server, "POST", "/"+k.db+"/_bulk_docs", []byte(`{"docs":[`+strings.Join(docs, ",")+`]}`), &into)
		if alive && k.err == nil && strings.Contains(string(into), `"error"`) {
			k.err = fmt.Errorf("_bulk_docs: %s", into)
		}
	}
	return alive && k.err == nil
}

// verify compares the database with what there should be, and finds out about the operation that was cut off.
func (k *keeper) verify(t *testing.T, kill int, server *process) {
	t.Helper()
	status, text := server.try("GET", "/"+k.db+"/_all_docs", "")
	var answer struct{ Rows []struct{ ID string } }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 200 && status != 404 {
		t.Fatalf("kill %d: %s: %d %s", kill, k.db, status, text)
	}
	var got []string
	for _, row := range answer.Rows {
		got = append(got, row.ID)
	}
	for op := k.done; op <= k.done+1; op++ {
		if want, there := k.holds(op); there == (status == 200) && slices.Equal(got, want) {
			k.done = op
			return
		}
	}
	want, there := k.holds(k.done)
	t.Fatalf("kill %d: %s is answered with %d, and has %d documents; after operation %d it is there: %v, with %d", kill, k.db, status, len(got), k.done, there, len(want))
}

// TestKillMany kills a server with writers in many databases, which come and go.
func TestKillMany(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 20, 2)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	settings := withJournal(t, true)
	server := startServer(t, dir, "", "--config", settings)
	var keepers []*keeper
	var all atomic.Int64
	for i := range 24 {
		k := &keeper{db: fmt.Sprintf("many%d", i), all: &all}
		k.client = &http.Client{Transport: &http.Transport{}}
		keepers = append(keepers, k)
	}
	for kill := 1; kill <= kills; kill++ {
		var work sync.WaitGroup
		for _, k := range keepers {
			work.Go(func() { k.work(server) })
		}
		time.Sleep(time.Duration(20+random.IntN(400)) * time.Millisecond)
		least := int64(kill * len(keepers) / 2)
		for end := time.Now().Add(time.Minute); all.Load() < least && time.Now().Before(end); {
			time.Sleep(time.Duration(1+random.IntN(20)) * time.Millisecond) // a kill of who does nothing proves nothing
		}
		server.kill()
		work.Wait()
		for _, k := range keepers {
			if k.err != nil {
				t.Fatalf("kill %d: %s, after operation %d: %v", kill, k.db, k.done, k.err)
			}
		}
		if kill%2 == 0 {
			if out, code := tododb(t, "check", "--data", dir); code != 0 {
				t.Fatalf("kill %d: check: exit %d\n%s", kill, code, out)
			}
		}
		server = startServer(t, dir, server.address(), "--config", settings)
		for _, k := range keepers {
			k.verify(t, kill, server)
		}
		if kill%25 == 0 {
			t.Logf("%d kills survived", kill) // who ends a long run early learns how far it came
		}
	}
	acknowledged := 0
	for _, k := range keepers {
		acknowledged += k.acknowledged
	}
	t.Logf("%d kills, %d operations acknowledged", kills, acknowledged)
	if acknowledged < kills*len(keepers)/4 {
		t.Errorf("only %d operations were acknowledged: this proves little", acknowledged)
	}
	server.stop()
}
