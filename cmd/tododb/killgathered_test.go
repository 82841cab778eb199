package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A server is killed again and again while many documents with ids in no order are written, in a database that is large
// enough for what it gathers of them. Whatever was acknowledged is there, once and in order, and what was deleted stays so.
func TestKillGathered(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it needs a large database")
	}
	kills, seed := killCount(t, 12, 1)
	dir := t.TempDir()
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/large", "")
	var all []*gatheredWriter
	for i := range 4 {
		w := &gatheredWriter{t: t, random: rand.New(rand.NewPCG(seed, uint64(i))), docs: map[string]*gatheredDoc{}, name: fmt.Sprint(i)}
		all = append(all, w)
		for n := 0; n < 18_000; n += 3000 {
			if !w.write(server, 3000, 0) {
				t.Fatal("the server has died")
			}
		}
	}
	gathered := 0
	answered := make(chan bool)
	random := rand.New(rand.NewPCG(seed, 99))
	for kill := 1; kill <= kills; kill++ {
		var work sync.WaitGroup
		for _, w := range all {
			work.Go(func() {
				for w.write(server, 200+w.random.IntN(400), 600) {
					select {
					case answered <- true:
					default:
					}
				}
			})
		}
		if kill%4 == 0 {
			work.Go(func() { _, _ = http.DefaultClient.Do(server.request("POST", "/large/_compact", " ")) })
		}
		for range 1 + random.IntN(12) { // so many answers, and a moment
			<-answered
		}
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		if _, figures := server.try("GET", "/_node/_local/_prometheus", ""); gatheredBytes(figures) > 0 {
			gathered++
		}
		server.kill()
		work.Wait()
		if kill%4 == 1 {
			if out, code := tododb(t, "check", "--data", dir); code != 0 {
				t.Fatalf("kill %d: check: exit %d\n%s", kill, code, out)
			}
		}
		server = startServer(t, dir, server.address())
		verifyGathered(t, kill, server, all)
	}
	n := 0
	for _, w := range all {
		n += w.acknowledged
	}
	t.Logf("%d kills, %d with something gathered, %d writes acknowledged", kills, gathered, n)
	if gathered < kills/2 {
		t.Errorf("something was gathered at only %d of %d kills: this proves little", gathered, kills)
	}
	server.stop()
}

var gatheredGauge = regexp.MustCompile(`(?m)^tododb_storage_gathered_bytes (\S+)$`)

func gatheredBytes(figures string) float64 {
	m := gatheredGauge.FindStringSubmatch(figures)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return n
}

// gatheredDoc is what is known of a document.
type gatheredDoc struct {
	id, rev string // rev is empty if it is not there
	last    string // the revision of its tombstone, if it is not there any more
	pending int    // what was sent and not answered, 0: nothing, 1: an edit, 2: a deletion
}

// gatheredWriter edits documents that nobody else touches.
type gatheredWriter struct {
	t            *testing.T
	random       *rand.Rand
	name         string
	docs         map[string]*gatheredDoc
	list         []*gatheredDoc
	acknowledged int
}

// write sends new documents, edits and deletions together. It reports whether the server is alive.
func (w *gatheredWriter) write(server *process, n, padding int) (alive bool) {
	some := map[string]*gatheredDoc{}
	var texts []string
	for range n {
		var d *gatheredDoc
		kind := w.random.IntN(10)
		if padding == 0 || kind < 2 {
			d = &gatheredDoc{id: fmt.Sprintf("%016x%s", w.random.Uint64(), w.name)}
			w.docs[d.id], w.list = d, append(w.list, d)
		} else {
			d = w.list[w.random.IntN(len(w.list))]
		}
		if some[d.id] != nil {
			continue
		}
		some[d.id] = d
		text := fmt.Sprintf(`{"_id":%q`, d.id)
		if d.rev != "" {
			text += fmt.Sprintf(`,"_rev":%q`, d.rev)
		}
		d.pending = 1
		if d.rev != "" && kind < 5 {
			text += `,"_deleted":true`
			d.pending = 2
		}
		texts = append(texts, text+fmt.Sprintf(`,"n":%d,"padding":%q}`, w.random.Uint32(), strings.Repeat("x", padding)))
	}
	answer, err := http.DefaultClient.Do(server.request("POST", "/large/_bulk_docs", `{"docs":[`+strings.Join(texts, ",")+`]}`))
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return false
	}
	var rows []struct{ ID, Rev, Error, Reason string }
	if err := json.Unmarshal(text, &rows); err != nil || answer.StatusCode != http.StatusCreated || len(rows) != len(some) {
		w.t.Errorf("_bulk_docs: %d, %v, %.300s", answer.StatusCode, err, text)
		return false
	}
	for _, row := range rows {
		d := some[row.ID]
		if row.Error != "" || row.Rev == "" {
			w.t.Errorf("_bulk_docs: %+v, known: %+v", row, *d)
			return false
		}
		d.settle(row.Rev)
		w.acknowledged++
	}
	return true
}

// settle notes that what was pending has taken place.
func (d *gatheredDoc) settle(rev string) {
	if d.pending == 2 {
		d.rev, d.last = "", rev
	} else {
		d.rev, d.last = rev, ""
	}
	d.pending = 0
}

// verifyGathered compares the database with what the writers know, and settles what they do not know.
func verifyGathered(t *testing.T, kill int, server *process, all []*gatheredWriter) {
	t.Helper()
	var rows struct {
		Total int `json:"total_rows"`
		Rows  []struct {
			ID    string
			Value struct{ Rev string }
		}
	}
	if err := json.Unmarshal([]byte(server.do(200, "GET", "/large/_all_docs", "")), &rows); err != nil {
		t.Fatal(err)
	}
	var info struct {
		Count   int `json:"doc_count"`
		Deleted int `json:"doc_del_count"`
	}
	if err := json.Unmarshal([]byte(server.do(200, "GET", "/large", "")), &info); err != nil {
		t.Fatal(err)
	}
	if info.Count != len(rows.Rows) || rows.Total != len(rows.Rows) {
		t.Errorf("kill %d: doc_count is %d, total_rows %d, of %d documents", kill, info.Count, rows.Total, len(rows.Rows))
	}
	got := map[string]string{}
	before := ""
	for _, r := range rows.Rows {
		if r.ID <= before {
			t.Fatalf("kill %d: %s comes after %s", kill, r.ID, before)
		}
		got[r.ID], before = r.Value.Rev, r.ID
	}
	deleted := 0
	for _, w := range all {
		for _, d := range w.list {
			rev, there := got[d.id]
			delete(got, d.id)
			switch {
			case rev == d.rev && d.pending == 0:
			case rev == d.rev && d.pending == 1, d.pending == 2 && there && rev == d.rev:
				d.pending = 0 // it did not take place
			case there && d.pending == 1 && generation(rev) == generation(d.rev+d.last)+1:
				d.settle(rev)
			case !there && d.pending == 2:
				d.settle(fmt.Sprint(generation(d.rev)+1, "-unknown"))
			default:
				t.Errorf("kill %d: document %+v has revision %q", kill, *d, rev)
			}
			if d.last != "" {
				deleted++
			}
		}
	}
	if len(got) > 0 {
		t.Errorf("kill %d: %d documents that nobody has written", kill, len(got))
	}
	if info.Deleted != deleted {
		t.Errorf("kill %d: doc_del_count is %d, of %d", kill, info.Deleted, deleted)
	}
	// Some alone, deleted ones too, and a page from the other end.
	random := rand.New(rand.NewPCG(uint64(kill), 7))
	w := all[random.IntN(len(all))]
	for range 20 {
		d := w.list[random.IntN(len(w.list))]
		status, text := server.try("GET", "/large/"+d.id, "")
		if (status == 200) != (d.rev != "") || d.rev != "" && !strings.Contains(text, d.rev) {
			t.Errorf("kill %d: document %+v: %d %.200s", kill, *d, status, text)
		}
	}
	skip := random.IntN(len(rows.Rows))
	var page struct {
		Offset int
		Rows   []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(server.do(200, "GET", fmt.Sprintf("/large/_all_docs?descending=true&limit=5&skip=%d", skip), "")), &page); err != nil {
		t.Fatal(err)
	}
	for i, r := range page.Rows {
		if at := len(rows.Rows) - 1 - skip - i; r.ID != rows.Rows[at].ID {
			t.Errorf("kill %d: going back, %s is at %d, and %s should be", kill, r.ID, at, rows.Rows[at].ID)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

func generation(rev string) int {
	n, _, _ := bytes.Cut([]byte(rev), []byte("-"))
	g, _ := strconv.Atoi(string(n))
	return g
}
