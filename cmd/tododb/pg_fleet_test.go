package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// fleet is several processes over one PostgreSQL, with writers, feeds, a replication and queries of a view
// at all of them. What is asked of the server goes to a process that lives.
type fleet struct {
	t       testing.TB
	cluster *cluster
	client  *http.Client

	mu        sync.Mutex // guards what follows
	processes []*process // those that live; requests are spread over them

	began   map[*process]float64 // goroutines, before there was work
	writing atomic.Bool
	writers sync.WaitGroup
	all     []*fleetWriter
	reading context.Context
	stop    context.CancelFunc
	readers sync.WaitGroup
	feeds   []*fleetFeed
	pause   time.Duration // after each write, and each query
	refused atomic.Int64  // requests that were to be repeated
	queries atomic.Int64  // of the view, answered
	slowest atomic.Int64  // time in which a write was acknowledged, with its repetitions; ns
}

// fleetWriters is how many writers there are, and fleetDocs how many documents each of them has.
const (
	fleetWriters = 6
	fleetDocs    = 12
)

// countedCluster is startCluster with connections that sessions can count.
func countedCluster(t testing.TB, url string, n int) (*cluster, []*process) {
	t.Helper()
	c := &cluster{t: t, url: url + "&application_name=" + strings.ReplaceAll(t.Name(), "/", "-")}
	var all []*process
	for range n {
		all = append(all, c.start())
	}
	return c, all
}

// startFleet puts processes to work.
func startFleet(t testing.TB, c *cluster, processes ...*process) *fleet {
	t.Helper()
	f := &fleet{t: t, cluster: c, processes: processes, began: map[*process]float64{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	f.reading, f.stop = context.WithCancel(context.Background())
	if testing.Short() && soakPG(t) == 0 { // in the long form they write as fast as they can
		f.pause = 60 * time.Millisecond
	}
	first := processes[0]
	first.do(201, "PUT", "/load", "")
	first.do(201, "PUT", "/copy", "")
	first.do(201, "PUT", "/load/_design/d", `{"views":{"by_owner":{"map":"function (doc) { emit(doc.owner, doc.value) }","reduce":"_sum"}}}`)
	var turn atomic.Int64
	at := strings.Replace(balance(t, func() *process { return f.process(int(turn.Add(1))) }), "http://", "http://"+testUser+":"+testPassword+"@", 1)
	first.do(201, "PUT", "/_replicator/copy", `{"source":"`+at+`/load","target":"`+at+`/copy","continuous":true}`)
	for _, p := range processes {
		f.began[p] = goroutines(t, p)
	}
	f.writing.Store(true)
	for i := range fleetWriters {
		w := &fleetWriter{fleet: f, n: i, random: rand.New(rand.NewPCG(rand.Uint64(), 1)), docs: map[string]*fleetDoc{}}
		f.all = append(f.all, w)
		f.writers.Go(w.run)
	}
	for i := range processes {
		feed := &fleetFeed{fleet: f, n: i, since: "0", seen: map[string]string{}}
		f.feeds = append(f.feeds, feed)
		f.readers.Go(feed.run)
		f.readers.Go(func() { f.query(i) })
	}
	t.Cleanup(func() {
		f.writing.Store(false)
		f.stop()
		f.writers.Wait()
		f.readers.Wait()
		f.client.CloseIdleConnections()
	})
	return f
}

// process is the n-th process that lives.
func (f *fleet) process(n int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.processes[n%len(f.processes)]
}

// living is all of them.
func (f *fleet) living() []*process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.processes)
}

// balance starts a load balancer that asks for each request where it is to go, and returns its URL.
func balance(t testing.TB, next func() *process) string {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			to, err := url.Parse(next().base)
			if err != nil {
				panic(err)
			}
			r.SetURL(to)
		},
		Transport: &http.Transport{}, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// gone takes a process away that was killed, and joins puts one there.
func (f *fleet) gone(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.processes = slices.DeleteFunc(f.processes, func(q *process) bool { return q == p })
}

func (f *fleet) joins(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.processes = append(f.processes, p)
}

// ask makes a request of one process. Answers of 503 are errAskAgain, and so is the end of a connection.
func (f *fleet) ask(ctx context.Context, p *process, method, path string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.SetBasicAuth(testUser, testPassword)
	r.Header.Set("Content-Type", "application/json")
	answer, err := f.client.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errAskAgain, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errAskAgain, err)
	}
	if answer.StatusCode == http.StatusServiceUnavailable {
		if answer.Header.Get("Retry-After") == "" {
			return 0, nil, fmt.Errorf("%s %s: 503 without Retry-After: %s", method, path, text)
		}
		return 0, text, fmt.Errorf("%w: %s", errAskAgain, text)
	}
	return answer.StatusCode, text, nil
}

var errAskAgain = errors.New("the request was refused")

// insist repeats a request, at one process after the other, until it is answered. again tells whether
// an earlier one may have had its effect.
func (f *fleet) insist(n int, method, path string, body []byte) (status int, text []byte, again bool, err error) {
	for deadline := time.Now().Add(3 * time.Minute); ; n++ {
		status, text, err = f.ask(context.Background(), f.process(n), method, path, body)
		if !errors.Is(err, errAskAgain) || time.Now().After(deadline) {
			return status, text, again, err
		}
		f.refused.Add(1)
		again = true
		time.Sleep(20 * time.Millisecond)
	}
}

// fleetWriter edits documents that nobody else touches.
type fleetWriter struct {
	fleet  *fleet
	n      int
	random *rand.Rand
	docs   map[string]*fleetDoc

	acknowledged, settled int
	err                   error
}

type fleetDoc struct {
	revs  []string // acknowledged, or settled; the newest last
	value int
}

func (w *fleetWriter) run() {
	for turn := w.n; w.fleet.writing.Load() && w.err == nil; turn++ {
		began := time.Now()
		w.err = w.write(turn)
		took := int64(time.Since(began))
		for old := w.fleet.slowest.Load(); took > old && !w.fleet.slowest.CompareAndSwap(old, took); old = w.fleet.slowest.Load() {
		}
		sleepOr(w.fleet.reading, w.fleet.pause)
	}
}

// write writes one document or some, and settles what becomes of them.
func (w *fleetWriter) write(turn int) error {
	values, bodies := map[string]int{}, [][]byte(nil)
	count := 1
	if w.random.IntN(3) == 0 {
		count = 1 + w.random.IntN(8)
	}
	for range count {
		id := fmt.Sprintf("w%d-%02d", w.n, w.random.IntN(fleetDocs))
		if _, twice := values[id]; twice {
			continue
		}
		d := w.docs[id]
		if d == nil {
			d = &fleetDoc{}
			w.docs[id] = d
		}
		doc := map[string]any{"_id": id, "owner": fmt.Sprint("w", w.n), "value": w.random.IntN(1 << 30), "padding": strings.Repeat("x", w.random.IntN(2000))}
		if len(d.revs) > 0 {
			doc["_rev"] = d.revs[len(d.revs)-1]
		}
		if w.random.IntN(20) == 0 {
			doc["_attachments"] = map[string]any{"a": map[string]any{"content_type": "text/plain", "data": bytes.Repeat([]byte{byte(w.random.IntN(3))}, 100_000)}}
		}
		values[id] = doc["value"].(int)
		body, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	body := append(append([]byte(`{"docs":[`), bytes.Join(bodies, []byte(","))...), "]}"...)
	status, text, again, err := w.fleet.insist(turn, "POST", "/load/_bulk_docs", body)
	if err != nil {
		return err
	}
	var rows []struct{ ID, Rev, Error, Reason string }
	if err := json.Unmarshal(text, &rows); err != nil || status != 201 || len(rows) != len(values) {
		return fmt.Errorf("_bulk_docs of %d: %d %s, %v", len(values), status, text, err)
	}
	for _, row := range rows {
		d := w.docs[row.ID]
		switch {
		case row.Error == "" && row.Rev != "":
			w.acknowledged++
			d.revs, d.value = append(d.revs, row.Rev), values[row.ID]
		case row.Error == "conflict" && again:
			if err := w.settle(row.ID, values[row.ID]); err != nil {
				return err
			}
		default:
			return fmt.Errorf("_bulk_docs, asked again: %v: %+v", again, row)
		}
	}
	return nil
}

// settle takes in a write that took place without its answer arriving.
func (w *fleetWriter) settle(id string, value int) error {
	d := w.docs[id]
	_, text, _, err := w.fleet.insist(w.n, "GET", "/load/"+id, nil)
	if err != nil {
		return err
	}
	var doc struct {
		Rev   string `json:"_rev"`
		Value int
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	if doc.Value != value || !strings.HasPrefix(doc.Rev, strconv.Itoa(len(d.revs)+1)+"-") {
		return fmt.Errorf("%s is at %s with %d; acknowledged was %v, on its way %d", id, doc.Rev, doc.Value, last(d.revs, 2), value)
	}
	w.settled++
	d.revs, d.value = append(d.revs, doc.Rev), value
	return nil
}

// fleetFeed follows the database, at another process when one ends.
type fleetFeed struct {
	fleet *fleet
	n     int
	since string

	mu    sync.Mutex        // guards what follows
	last  uint64            // the number of the newest sequence
	seen  map[string]string // revisions, by sequence and id
	times int               // that it was opened
	err   error
}

func (f *fleetFeed) run() {
	for turn := f.n; f.fleet.reading.Err() == nil && f.err == nil; turn++ {
		f.times++
		f.follow(f.fleet.process(turn))
		sleepOr(f.fleet.reading, 20*time.Millisecond)
	}
}

func sleepOr(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow reads until the feed ends. One from which nothing comes, not even a heartbeat, is given up.
func (f *fleetFeed) follow(p *process) {
	ctx, cancel := context.WithCancel(f.fleet.reading)
	defer cancel()
	silence := time.AfterFunc(30*time.Second, cancel)
	defer silence.Stop()
	r, err := http.NewRequestWithContext(ctx, "GET", p.base+"/load/_changes?feed=continuous&heartbeat=1000&since="+f.since, nil)
	if err != nil {
		f.fail(err)
		return
	}
	r.SetBasicAuth(testUser, testPassword)
	answer, err := f.fleet.client.Do(r)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 503 {
			f.fail(fmt.Errorf("_changes: %s %s", answer.Status, text))
		}
		return
	}
	lines := bufio.NewReader(answer.Body)
	for {
		line, err := lines.ReadBytes('\n')
		silence.Reset(30 * time.Second)
		if err != nil {
			return // what is half there comes again
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var row struct {
			Seq     string
			ID      string
			Changes []struct{ Rev string }
			LastSeq string `json:"last_seq"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			f.fail(fmt.Errorf("%s: %w", line, err))
			return
		}
		if row.LastSeq != "" {
			return // the process stops
		}
		if err := f.take(row.Seq, row.ID, row.Changes[0].Rev); err != nil {
			f.fail(err)
			return
		}
	}
}

func (f *fleetFeed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, err)
}

// take notes a row.
func (f *fleetFeed) take(seq, id, rev string) error {
	digits, _, _ := strings.Cut(seq, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n <= f.last {
		return fmt.Errorf("feed %d: %s of %s comes after %d", f.n, seq, id, f.last)
	}
	f.last, f.since = n, seq
	f.seen[digits+" "+id] = rev
	return nil
}

// query asks for the view until there is enough.
func (f *fleet) query(n int) {
	for turn := n; f.reading.Err() == nil; turn++ {
		p := f.process(turn)
		status, text, err := f.ask(f.reading, p, "GET", "/load/_design/d/_view/by_owner?group=true", nil)
		switch {
		case err == nil && status == 200:
			f.queries.Add(1)
		case err == nil:
			f.t.Errorf("the view: %d %s\n%s", status, text, p.log)
			return
		case !errors.Is(err, errAskAgain):
			f.t.Error(err)
			return
		}
		sleepOr(f.reading, 100*time.Millisecond+2*f.pause)
	}
}

// work lets all work for a while: until there were so many more writes, and at least for so long.
func (f *fleet) work(writes int, atLeast time.Duration) {
	f.t.Helper()
	seq := func() int {
		_, text, _, err := f.insist(0, "GET", "/load", nil)
		if err != nil {
			f.t.Fatal(err)
		}
		return sequenceOf(f.t, text)
	}
	from := seq()
	time.Sleep(atLeast)
	for deadline := time.Now().Add(3 * time.Minute); seq() < from+writes; time.Sleep(20 * time.Millisecond) {
		for _, w := range f.all {
			if !f.writing.Load() && w.err != nil {
				f.t.Fatal(w.err)
			}
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%d writes did not come", writes)
		}
	}
}

func sequenceOf(t testing.TB, text []byte) int {
	t.Helper()
	var info struct {
		UpdateSeq string `json:"update_seq"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	digits, _, _ := strings.Cut(info.UpdateSeq, "-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

// check ends the writing and checks everything: no acknowledged write is lost, there is one sequence
// for each write and none twice, the feeds have had them all in order, copy and view have caught up, and
// no process holds on to anything.
func (f *fleet) check() {
	t := f.t
	t.Helper()
	f.writing.Store(false)
	f.writers.Wait()
	docs, acknowledged, settled, committed := map[string]*fleetDoc{}, 0, 0, 1 // the design document
	for _, w := range f.all {
		if w.err != nil {
			t.Fatalf("writer %d: %v", w.n, w.err)
		}
		for id, d := range w.docs {
			docs[id] = d
			committed += len(d.revs)
		}
		acknowledged, settled = acknowledged+w.acknowledged, settled+w.settled
	}

	var feed struct{ Results []fleetRow }
	for _, p := range f.living() {
		if seq := sequenceOf(t, []byte(p.do(200, "GET", "/load", ""))); seq != committed {
			t.Errorf("%s: the sequence is %d after %d writes", p.base, seq, committed)
		}
		feed.Results = nil
		if err := json.Unmarshal([]byte(p.do(200, "GET", "/load/_changes?include_docs=true&style=all_docs", "")), &feed); err != nil {
			t.Fatal(err)
		}
		if len(feed.Results) != len(docs)+1 {
			t.Errorf("%s: %d documents, of %d", p.base, len(feed.Results), len(docs)+1)
		}
		for _, row := range feed.Results {
			d := docs[row.ID]
			if d == nil && row.ID == "_design/d" {
				continue
			}
			if d == nil || len(row.Changes) != 1 || row.Changes[0].Rev != d.revs[len(d.revs)-1] || row.Doc.Value != d.value {
				t.Errorf("%s: %+v, known is %+v", p.base, row, d)
			}
		}
	}
	f.checkPaths(docs)
	f.checkFeeds(feed.Results)
	f.checkCopy(feed.Results)
	f.checkView(docs)
	t.Logf("%d writes acknowledged, %d settled later, %d requests repeated, the slowest write %v, %d queries", acknowledged, settled,
		f.refused.Load(), time.Duration(f.slowest.Load()).Round(time.Millisecond), f.queries.Load())
	f.stop()
	f.readers.Wait()
	f.client.CloseIdleConnections()
	f.checkLeaks()
	if out, code := tododb(t, "check", "--storage", f.cluster.url, "--data", t.TempDir()); code != 0 {
		t.Errorf("check: exit %d\n%s", code, out)
	}
}

type fleetRow struct {
	Seq     string
	ID      string
	Changes []struct{ Rev string }
	Doc     struct{ Value int }
}

// checkPaths finds all revisions in the paths of their documents.
func (f *fleet) checkPaths(docs map[string]*fleetDoc) {
	f.t.Helper()
	for id, d := range docs {
		var doc struct {
			Revisions struct {
				Start int
				IDs   []string
			} `json:"_revisions"`
		}
		if err := json.Unmarshal([]byte(f.process(0).do(200, "GET", "/load/"+id+"?revs=true", "")), &doc); err != nil {
			f.t.Fatal(err)
		}
		var path []string
		for i, hash := range doc.Revisions.IDs {
			path = append(path, fmt.Sprintf("%d-%s", doc.Revisions.Start-i, hash))
		}
		slices.Reverse(path)
		if want := last(d.revs, 1000); !slices.Equal(path, want) {
			f.t.Errorf("%s has the path %v, want %v", id, path, want)
		}
	}
}

// checkFeeds waits until the feeds have had all that is there.
func (f *fleet) checkFeeds(rows []fleetRow) {
	f.t.Helper()
	for _, feed := range f.feeds {
		missing := ""
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			feed.mu.Lock()
			missing = ""
			for _, row := range rows {
				digits, _, _ := strings.Cut(row.Seq, "-")
				if feed.seen[digits+" "+row.ID] != row.Changes[0].Rev {
					missing = row.Seq + " " + row.ID
					break
				}
			}
			err := feed.err
			feed.mu.Unlock()
			if err != nil {
				f.t.Errorf("feed %d: %v", feed.n, err)
			}
			if missing == "" || err != nil {
				break
			}
			if time.Now().After(deadline) {
				f.t.Errorf("feed %d has not had %s", feed.n, missing)
				break
			}
		}
	}
}

// checkCopy waits until the replication has brought everything.
func (f *fleet) checkCopy(rows []fleetRow) {
	f.t.Helper()
	want := map[string]string{}
	for _, row := range rows {
		want[row.ID] = row.Changes[0].Rev
	}
	wrong := ""
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var copied struct{ Results []fleetRow }
		_, text, _, err := f.insist(0, "GET", "/copy/_changes?style=all_docs", nil)
		if err == nil {
			err = json.Unmarshal(text, &copied)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		got := map[string]string{}
		for _, row := range copied.Results {
			got[row.ID] = row.Changes[0].Rev
		}
		wrong = ""
		for id, rev := range want {
			if got[id] != rev {
				wrong = fmt.Sprintf("%s is at %q, not %s", id, got[id], rev)
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			_, tasks, _, _ := f.insist(0, "GET", "/_scheduler/docs", nil)
			f.t.Errorf("the copy: %s\n%s", wrong, tasks)
			return
		}
	}
}

// checkView compares the view at all processes.
func (f *fleet) checkView(docs map[string]*fleetDoc) {
	f.t.Helper()
	want := map[string]int{}
	for id, d := range docs {
		owner, _, _ := strings.Cut(id, "-")
		want[owner] += d.value
	}
	for _, p := range f.living() {
		var view struct {
			Rows []struct {
				Key   string
				Value int
			}
		}
		if err := json.Unmarshal([]byte(p.do(200, "GET", "/load/_design/d/_view/by_owner?group=true", "")), &view); err != nil {
			f.t.Fatal(err)
		}
		got := map[string]int{}
		for _, row := range view.Rows {
			got[row.Key] = row.Value
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			f.t.Errorf("%s: the view has %v, want %v", p.base, got, want)
		}
	}
}

// checkLeaks waits until the processes have let go of what the work needed.
func (f *fleet) checkLeaks() {
	f.t.Helper()
	const grace = 60 // idle connections of both kinds, and what is started when it is first needed
	for _, p := range f.living() {
		was, known := f.began[p]
		if !known {
			was = 100
		}
		now := 0.0
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			if now = goroutines(f.t, p); now <= was+grace {
				break
			}
			if time.Now().After(deadline) {
				f.t.Errorf("%s: %.0f goroutines before, %.0f after", p.base, was, now)
				break
			}
		}
	}
	var open, stuck int
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		open, stuck = sessions(f.t, f.cluster.url)
		if stuck == 0 && open <= 20*len(f.living()) {
			return
		}
		if time.Now().After(deadline) {
			f.t.Errorf("%d connections are open, %d of them in transactions", open, stuck)
			return
		}
	}
}

// sessions counts the connections to the tables of a URL, and those that have been in a transaction for
// more than a second.
func sessions(t testing.TB, url string) (open, stuck int) {
	t.Helper()
	row(t, url, "select count(*), count(*) filter (where xact_start < now() - interval '1 s') from pg_stat_activity where pid <> pg_backend_pid() "+
		"and application_name = (select application_name from pg_stat_activity where pid = pg_backend_pid())", &open, &stuck)
	return open, stuck
}

// row asks PostgreSQL for one row.
func row(t testing.TB, url, sql string, into ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, sql).Scan(into...); err != nil {
		t.Fatal(err)
	}
}

// goroutines is how many a process has.
func goroutines(t testing.TB, p *process) float64 {
	t.Helper()
	return figure(t, p, "go_goroutines")
}

// figure is one of those that Prometheus gets of a process.
func figure(t testing.TB, p *process, name string) float64 {
	t.Helper()
	for line := range strings.Lines(p.do(200, "GET", "/_node/_local/_prometheus", "")) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no figure %s", name)
	return 0
}
