package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestKill kills the server again and again while writers are at work. Afterwards every
// acknowledged write must be there with its revision. Writes that were not acknowledged may be
// there or not, and there must be nothing else.
//
// A kill leaves the kernel's page cache alone, so this tests the order of writes, and not what a
// disk keeps when the power fails.
func TestKill(t *testing.T) { killAgain(t, "", 50) }

// TestKillPartitioned is TestKill with a partition for each writer. check recounts the partitions'
// documents and sizes.
func TestKillPartitioned(t *testing.T) {
	widetest.Only(t)
	killAgain(t, "?partitioned=true", 10)
}

// TestKillSmoosh is TestKill on a server that compacts by itself all the time.
func TestKillSmoosh(t *testing.T) {
	widetest.Only(t)
	settings := filepath.Join(t.TempDir(), "eager.ini")
	if err := os.WriteFile(settings, []byte("[chttpd_auth]\niterations = 10\n"+eager), 0o600); err != nil {
		t.Fatal(err)
	}
	killAgain(t, "", 8, "--config", settings)
}

func killAgain(t *testing.T, how string, times int, flags ...string) {
	t.Parallel()
	kills, seed := killCount(t, times, (times+2)/3)
	random := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	server := startServer(t, dir, "", flags...)
	server.do(201, "PUT", "/kill"+how, "")
	compactions := 0
	var writers []*writer
	for i := range 8 {
		writers = append(writers, newWriter(i, rand.New(rand.NewPCG(seed, uint64(i+1)))))
	}
	for kill := 1; kill <= kills; kill++ {
		var work sync.WaitGroup
		for _, w := range writers {
			work.Go(func() { w.work(server) })
		}
		life := 400
		if len(flags) == 0 {
			work.Go(func() { compactUntilDead(server) })
		} else {
			life = 2000 // it does so itself, a few times a second
		}
		time.Sleep(time.Duration(20+random.IntN(life)) * time.Millisecond)
		if len(flags) > 0 && kill%2 == 0 { // a busy machine may not have come to it yet
			within(t, time.Minute, func() bool { return strings.Contains(server.log.String(), "compacted") })
		}
		compactions += strings.Count(server.log.String(), "compacted")
		server.kill()
		work.Wait()
		for _, w := range writers {
			if w.err != nil {
				t.Fatalf("kill %d: writer %d: %v", kill, w.n, w.err)
			}
		}

		if out, code := tododb(t, "check", "--data", dir); code != 0 {
			t.Fatalf("kill %d: check: exit %d\n%s", kill, code, out)
		}
		server = startServer(t, dir, server.address(), flags...)
		verify(t, kill, server, writers)
	}
	acknowledged, unknown := 0, 0
	for _, w := range writers {
		w.verifyPaths(t, server)
		acknowledged += w.acknowledged
		unknown += w.unknown
	}
	if len(flags) > 0 && compactions < kills/2 {
		t.Errorf("it has compacted only %d times: this proves little", compactions)
	}
	t.Logf("%d kills, %d writes acknowledged, %d cut off", kills, acknowledged, unknown)
	if acknowledged < kills {
		t.Errorf("only %d writes were acknowledged: this proves little", acknowledged)
	}
	server.stop()
}

// killCount tells how often to kill, and draws a seed.
func killCount(t *testing.T, usual, short int) (kills int, seed uint64) {
	t.Helper()
	kills = usual
	if text := os.Getenv("TODODB_TEST_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("TODODB_TEST_KILLS: %v", err)
		}
	} else if testing.Short() {
		kills = short
	}
	seed = rand.Uint64()
	t.Logf("seed %d", seed)
	return kills, seed
}

// writer edits documents that nobody else touches, so it knows what must be there.
type writer struct {
	n      int
	random *rand.Rand
	client *http.Client

	docs         map[string]*written
	acknowledged int
	unknown      int
	err          error // an answer that should not have come
}

// written is what a writer knows of one of its documents.
type written struct {
	path    []string // acknowledged revisions, newest last
	newest  edit     // what the newest wrote
	pending *edit    // sent, and not answered when the server died
}

type edit struct {
	value   int
	deleted bool
	digest  string // of its attachment; "" for none
}

func newWriter(n int, random *rand.Rand) *writer {
	return &writer{n: n, random: random, docs: map[string]*written{}, client: &http.Client{Transport: &http.Transport{}}}
}

func (w *writer) auth(r *http.Request) *http.Request {
	r.SetBasicAuth(testUser, testPassword)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// pick chooses a document to write, often one that is there already.
func (w *writer) pick() (string, *written) {
	id := fmt.Sprintf("w%d:%03d", w.n, w.random.IntN(200))
	d := w.docs[id]
	if d == nil {
		d = &written{}
		w.docs[id] = d
	}
	return id, d
}

// change draws an edit of a document, and its JSON.
func (w *writer) change(id string, d *written) (edit, []byte) {
	e := edit{value: w.random.Int(), deleted: len(d.path) > 0 && !d.newest.deleted && w.random.IntN(10) == 0}
	doc := map[string]any{"_id": id, "value": e.value, "padding": strings.Repeat("x", w.random.IntN(3000))}
	if len(d.path) > 0 && !d.newest.deleted { // a deleted document is revived without naming its tombstone
		doc["_rev"] = d.path[len(d.path)-1]
	}
	if e.deleted {
		doc["_deleted"] = true
	} else if w.random.IntN(10) == 0 {
		data := bytes.Repeat([]byte{byte(w.random.IntN(4))}, 1+w.random.IntN(200_000))
		sum := md5.Sum(data)
		e.digest = "md5-" + base64.StdEncoding.EncodeToString(sum[:])
		doc["_attachments"] = map[string]any{"a": map[string]any{"content_type": "text/plain", "data": data}}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return e, text
}

func (d *written) acknowledge(rev string, e edit) {
	d.path, d.newest, d.pending = append(d.path, rev), e, nil
}

// work writes until the server dies or gives a wrong answer.
func (w *writer) work(server *process) {
	for alive := true; alive && w.err == nil; {
		if w.random.IntN(4) == 0 {
			alive = w.bulk(server)
		} else {
			alive = w.put(server)
		}
	}
	w.client.CloseIdleConnections()
}

func (w *writer) put(server *process) (alive bool) {
	id, d := w.pick()
	e, text := w.change(id, d)
	d.pending = &e
	var answer struct{ Rev string }
	alive = w.send(server, "PUT", "/kill/"+id, text, &answer)
	if alive && w.err == nil {
		w.acknowledged++
		d.acknowledge(answer.Rev, e)
	}
	return alive
}

func (w *writer) bulk(server *process) (alive bool) {
	edits := map[string]edit{}
	var texts [][]byte
	for range 1 + w.random.IntN(30) {
		id, d := w.pick()
		if _, twice := edits[id]; twice {
			continue
		}
		e, text := w.change(id, d)
		d.pending, edits[id] = &e, e
		texts = append(texts, text)
	}
	body := append(append([]byte(`{"docs":[`), bytes.Join(texts, []byte(","))...), "]}"...)
	var answer []struct{ ID, Rev, Error string }
	alive = w.send(server, "POST", "/kill/_bulk_docs", body, &answer)
	if !alive || w.err != nil {
		return alive
	}
	if len(answer) != len(texts) {
		w.err = fmt.Errorf("_bulk_docs of %d answered %d rows", len(texts), len(answer))
	}
	for _, row := range answer {
		if row.Error != "" || row.Rev == "" {
			w.err = fmt.Errorf("_bulk_docs: %+v", row)
			return alive
		}
		w.acknowledged++
		w.docs[row.ID].acknowledge(row.Rev, edits[row.ID])
	}
	return alive
}

// send makes a request. Any end of the connection before the whole answer means that
// the server has died; only a whole answer acknowledges.
func (w *writer) send(server *process, method, path string, body []byte, into any) (alive bool) {
	r, err := http.NewRequest(method, server.base+path, bytes.NewReader(body))
	if err != nil {
		w.err = err
		return false
	}
	answer, err := w.client.Do(w.auth(r))
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return false
	}
	if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusOK { // 200: a deletion
		w.err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
		return true
	}
	if err := json.Unmarshal(text, into); err != nil {
		w.err = fmt.Errorf("%s %s: %w: %s", method, path, err, text)
	}
	return true
}

// compactUntilDead has the files rewritten all the time, so that kills fall into that too.
func compactUntilDead(server *process) {
	for {
		answer, err := http.DefaultClient.Do(server.request("POST", "/kill/_compact", " "))
		if err != nil {
			return
		}
		answer.Body.Close()
		time.Sleep(30 * time.Millisecond)
	}
}

// verify compares the database with what the writers know, and settles what they do not know.
func verify(t *testing.T, kill int, server *process, writers []*writer) {
	t.Helper()
	var feed struct {
		Results []struct {
			ID      string
			Deleted bool
			Changes []struct{ Rev string }
			Doc     struct {
				Value       int
				Attachments map[string]struct{ Digest string } `json:"_attachments"`
			}
		}
	}
	answer := server.do(200, "GET", "/kill/_changes?include_docs=true&style=all_docs", "")
	if err := json.Unmarshal([]byte(answer), &feed); err != nil {
		t.Fatalf("kill %d: _changes: %v", kill, err)
	}
	known := map[string]*written{}
	for _, w := range writers {
		maps.Copy(known, w.docs)
	}
	seen := map[string]bool{}
	for _, row := range feed.Results {
		d := known[row.ID]
		if d == nil || seen[row.ID] {
			t.Fatalf("kill %d: _changes has %q, which nobody wrote, or has it twice", kill, row.ID)
		}
		seen[row.ID] = true
		if len(row.Changes) != 1 {
			t.Fatalf("kill %d: %s has leaves %v", kill, row.ID, row.Changes)
		}
		rev := row.Changes[0].Rev
		got := edit{value: row.Doc.Value, deleted: row.Deleted, digest: row.Doc.Attachments["a"].Digest}
		if len(d.path) > 0 && rev == d.path[len(d.path)-1] {
			if got != d.newest {
				t.Fatalf("kill %d: %s %s is %+v, want %+v", kill, row.ID, rev, got, d.newest)
			}
			continue
		}
		// Any other revision must be the pending one.
		if d.pending == nil || got != *d.pending || !strings.HasPrefix(rev, strconv.Itoa(len(d.path)+1)+"-") {
			t.Fatalf("kill %d: %s is at %s, %+v; acknowledged %v, on its way %+v", kill, row.ID, rev, got, last(d.path, 2), d.pending)
		}
		d.acknowledge(rev, got)
	}
	for _, w := range writers {
		for id, d := range w.docs {
			if len(d.path) > 0 && !seen[id] {
				t.Fatalf("kill %d: %s was acknowledged at %v and is gone", kill, id, last(d.path, 2))
			}
			if d.pending != nil {
				w.unknown++
				d.pending = nil
			}
		}
	}
}

// verifyPaths finds every acknowledged revision in the path of its document, as far as
// the revs limit keeps it.
func (w *writer) verifyPaths(t *testing.T, server *process) {
	t.Helper()
	for id, d := range w.docs {
		if len(d.path) == 0 {
			continue
		}
		rev := d.path[len(d.path)-1]
		var doc struct {
			Revisions struct {
				Start int
				IDs   []string
			} `json:"_revisions"`
		}
		answer := server.do(200, "GET", "/kill/"+id+"?revs=true&rev="+rev, "")
		if err := json.Unmarshal([]byte(answer), &doc); err != nil {
			t.Fatal(err)
		}
		var path []string
		for i, hash := range doc.Revisions.IDs {
			path = append(path, fmt.Sprintf("%d-%s", doc.Revisions.Start-i, hash))
		}
		slices.Reverse(path)
		if want := last(d.path, 1000); !slices.Equal(path, want) {
			t.Fatalf("%s has the path %v, want %v", id, path, want)
		}
	}
}

func last(path []string, n int) []string { return path[max(0, len(path)-n):] }
