package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// changesDB makes a server whose database has b (replaced), a conflict in a, and a
// design document: sequences 2, 3, 4.
func changesDB(t testing.TB) *Server {
	t.Helper()
	s := openDBServer(t)
	for _, docs := range []string{
		`{"_id":"b","_rev":"1-a"}`,
		`{"_id":"b","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"_deleted":true}`,
		`{"_id":"a","_rev":"1-a","v":1},{"_id":"a","_rev":"1-b","v":2}`,
		`{"_id":"_design/x","_rev":"1-a"}`,
	} {
		w := call(s, "POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[`+docs+`]}`, "Admin", "")
		if w.Code != 201 || w.Body.String() != "[]\n" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	return s
}

func TestChanges(t *testing.T) {
	t.Parallel()
	s := changesDB(t)
	first := regexp.MustCompile(`"seq":"(2-\w+)"`).FindStringSubmatch(call(s, "GET", "/db/_changes", "", "Admin", "").Body.String())
	if first == nil {
		t.Fatal("no sequence")
	}
	const seq = `"seq":"\d-\w+",`
	const rowB = `{` + seq + `"id":"b","changes":\[{"rev":"2-b"}\],"deleted":true}`
	const rowA = `{` + seq + `"id":"a","changes":\[{"rev":"1-b"}\]}`
	const rowX = `{` + seq + `"id":"_design/x","changes":\[{"rev":"1-a"}\]}`
	answer := func(last, pending int, rows ...string) string {
		return fmt.Sprintf(`~^{"results":\[%s\],"last_seq":"%d-\w+","pending":%d}$`, strings.Join(rows, ","), last, pending)
	}
	runDocSteps(t, s, []docStep{
		{"GET", "/db/_changes", "", 200, answer(4, 0, rowB, rowA, rowX)},
		{"HEAD", "/db/_changes?feed=continuous", "", 200, ``},
		{"GET", "/db/_changes?since=" + first[1], "", 200, answer(4, 0, rowA, rowX)},
		{"GET", "/db/_changes?since=%22" + first[1] + "%22&limit=1", "", 200, answer(3, 1, rowA)},
		{"GET", "/db/_changes?since=now", "", 200, answer(4, 0)},
		{"GET", "/db/_changes?since=9-another", "", 200, answer(4, 0, rowB, rowA, rowX)},
		{"GET", "/db/_changes?LIMIT=1", "", 200, answer(2, 2, rowB)},
		{"GET", "/db/_changes?limit=0", "", 200, answer(0, 3)},
		{"GET", "/db/_changes?limit=0&feed=longpoll", "", 200, answer(0, 3)},
		{"GET", "/db/_changes?limit=-1&feed=longpoll", "", 200, answer(4, 0, rowB, rowA, rowX)},
		{"GET", "/db/_changes?descending=true&since=now", "", 200, answer(2, 0, rowX, rowA, rowB)},
		{"GET", "/db/_changes?descending=true&limit=1", "", 200, answer(4, 2, rowX)},
		{"GET", "/db/_changes?descending=true&limit=0", "", 200, answer(4, 3)},
		{"GET", "/db/_changes?style=all_docs&since=" + first[1] + "&limit=1", "", 200, answer(3, 1, strings.Replace(rowA, `{"rev":"1-b"}`, `{"rev":"1-b"},{"rev":"1-a"}`, 1))},
		{"GET", "/db/_changes?include_docs=true&conflicts=true", "", 200,
			`~"doc":{"_id":"b","_rev":"2-b","_deleted":true}},.*"doc":{"_id":"a","_rev":"1-b","v":2,"_conflicts":\["1-a"\]}},`},
		{"GET", "/db/_changes?seq_interval=2", "", 200, `~"seq":"2-.*"seq":null,"id":"a".*"seq":"4-`},
		{"GET", "/db/_changes?seq_interval=2&limit=3", "", 200, `~"seq":null,"id":"b".*"seq":"3-.*"seq":null,"id":"_design/x"`},
		{"GET", "/db/_changes?filter=_design", "", 200, answer(4, 2, rowX)},
		{"GET", `/db/_changes?filter=_doc_ids&doc_ids=["a","no"]`, "", 200, answer(4, 2, rowA)},
		{"POST", `/db/_changes?filter=_doc_ids&doc_ids=["b"]`, `{"doc_ids":["a"]}`, 200, answer(4, 2, rowA)},
		{"POST", `/db/_changes?filter=_doc_ids`, `{}`, 400, `~not a list of doc ids`},
		{"POST", `/db/_changes`, `{"doc_ids":["a"]}`, 200, answer(4, 0, rowB, rowA, rowX)},
		{"GET", "/db/_changes?filter=_selector", "", 400, `~POST payload`},
		{"POST", "/db/_changes?filter=_selector", `{}`, 400, `~Selector error`},
		{"GET", "/db/_changes?filter=_view", "", 400, "~`view`"},
		{"GET", "/db/_changes?filter=_view&view=no/v", "", 404, `~missing`},
		{"GET", "/db/_changes?filter=_nope", "", 400, `~unknown builtin`},
		{"GET", "/db/_changes?filter=nope", "", 400, `~of the form`},
		{"GET", "/db/_changes?filter=x/nope", "", 404, `~missing json key: filters`},
		{"GET", "/db/_changes?since=1", "", 400, `~Malformed sequence`},
		{"GET", "/db/_changes?feed=x", "", 400, `~Supported .feed. types`},
		{"GET", "/db/_changes?heartbeat=0", "", 400, `~positive integer`},
		{"GET", "/db/_changes?heartbeat=x", "", 400, `~Invalid heartbeat`},
		{"GET", "/db/_changes?seq_interval=0", "", 400, `~invalid_seq_interval`},
		{"GET", "/db/_changes?limit=x", "", 400, `~limit`},
		{"GET", "/db/_changes?timeout=x", "", 400, `~timeout`},
		{"POST", "/db/_changes", `[]`, 400, `~must be a JSON object`},
		{"GET", "/nope/_changes?feed=continuous", "", 404, `~Database does not exist`},
		{"GET", "anonymous:/db/_changes", "", 401, `~unauthorized`},
	})
	w := call(s, "GET", "/db/_changes", "", "Admin", "")
	if w := call(s, "GET", "/db/_changes", "", "Admin", "", "If-None-Match", w.Header().Get("Etag")); w.Code != 304 {
		t.Errorf("if-none-match: %d", w.Code)
	}
	// The security object takes a sequence, but has no row.
	call(s, "PUT", "/db/_security", `{}`, "Admin", "")
	since := regexp.MustCompile(`"last_seq":"([^"]*)"`).FindStringSubmatch(w.Body.String())[1]
	w = call(s, "GET", "/db/_changes?feed=longpoll&timeout=20&since="+since, "", "Admin", "")
	if !strings.Contains(w.Body.String(), `"last_seq":"`+since+`"`) || w.Code != 200 {
		t.Errorf("longpoll: %d %s", w.Code, w.Body)
	}
}

// feedClient reads a feed over a connection; each read has a deadline.
type feedClient struct {
	t     *testing.T
	lines chan string // closed at the end of the answer
}

func openFeed(t *testing.T, base, query string) *feedClient {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", base+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin", "secret")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	c := &feedClient{t: t, lines: make(chan string)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(c.lines)
		scanner := bufio.NewScanner(resp.Body)
		for scanner.Scan() {
			select {
			case c.lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		resp.Body.Close()
	})
	return c
}

// next returns the next line, heartbeats included; "EOF" at the end.
func (c *feedClient) next() string {
	c.t.Helper()
	select {
	case line, ok := <-c.lines:
		if !ok {
			return "EOF"
		}
		return line
	case <-time.After(time.Minute):
		c.t.Fatal("the feed says nothing")
		return ""
	}
}

// row returns the next line that is not a heartbeat.
func (c *feedClient) row() string {
	c.t.Helper()
	for {
		if line := c.next(); line != "" {
			return line
		}
	}
}

func (c *feedClient) want(prefix string) {
	c.t.Helper()
	if got := c.row(); !strings.HasPrefix(got, prefix) {
		c.t.Errorf("got %q, want %q", got, prefix)
	}
}

func TestChangesFeeds(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	put := func(id string) {
		t.Helper()
		if w := call(s, "PUT", "/db/"+id, `{}`, "Admin", ""); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	base := server.URL + "/db/_changes"
	elsewhere := openFeed(t, base, "?feed=longpoll&heartbeat=10000&since=7-another")
	var said []string
	for line := elsewhere.next(); line != "EOF" && len(said) < 6; line = elsewhere.next() {
		said = append(said, line)
	}
	if got := strings.Join(said, "|"); !strings.HasPrefix(got, `{"results":[||],|"last_seq":"0`) || len(said) != 4 {
		t.Errorf("a place of another history: %q", got)
	}
	continuous := openFeed(t, base, "?feed=continuous&heartbeat=20")
	longpoll := openFeed(t, base, "?feed=longpoll&since=now&heartbeat=20")
	filtered := openFeed(t, base, "?feed=longpoll&filter=_design&heartbeat=20")
	events := openFeed(t, base, "?feed=eventsource&timeout=60000")
	limited := openFeed(t, base, "?feed=live&limit=2&timeout=60000")
	if got := continuous.next(); got != "" {
		t.Errorf("heartbeat: %q", got)
	}
	longpoll.want(`{"results":[`)
	if got := longpoll.next(); got != "" {
		t.Errorf("heartbeat before the first row: %q", got)
	}
	put("a")
	continuous.want(`{"seq":"1-`)
	longpoll.want(`{"seq":"1-`)
	longpoll.want(`],`)
	longpoll.want(`"last_seq":"1-`)
	longpoll.want(`EOF`)
	events.want(`data: {"seq":"1-`)
	events.want(`id: 1-`)
	limited.want(`{"seq":"1-`)
	put("b")
	continuous.want(`{"seq":"2-`)
	limited.want(`{"seq":"2-`)
	limited.want(`{"last_seq":"2-`)
	limited.want(`EOF`)
	filtered.want(`{"results":[`)
	put("_design/x")
	filtered.want(`{"seq":"3-`)
	filtered.want(`],`)
	filtered.want(`"last_seq":"3-`)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	continuous.want(`{"seq":"3-`)
	continuous.want(`{"last_seq":"3-`)
	continuous.want(`EOF`)
	events.want(`data: {"seq":"2-`)
}

func TestChangesFeedOfDeletedDatabase(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	continuous := openFeed(t, server.URL, "/db/_changes?feed=continuous&heartbeat=60000")
	longpoll := openFeed(t, server.URL, "/db/_changes?feed=longpoll&timeout=60000")
	longpoll.want(`{"results":[`)
	if err := s.Store.Drop(context.Background(), "db"); err != nil {
		t.Fatal(err)
	}
	continuous.want(`{"last_seq":"0-`)
	continuous.want(`EOF`)
	longpoll.want(`],`)
	longpoll.want(`"last_seq":"0-`)
	longpoll.want(`EOF`)
}

func TestChangesFeedTimesOut(t *testing.T) {
	t.Parallel()
	s := changesDB(t)
	for query, want := range map[string]string{
		"?feed=longpoll&since=now&timeout=10":                 `~^{"results":\[\n\n\],\n"last_seq":"4-\w+","pending":0}\n$`,
		"?feed=longpoll&filter=_doc_ids&doc_ids=[]&timeout=0": `~^{"results":\[\n\n\],\n"last_seq":"4-\w+","pending":3}\n$`,
		"?feed=continuous&since=now&timeout=10":               `~^{"last_seq":"4-\w+","pending":0}\n$`,
		"?feed=eventsource&since=now&timeout=10":              `~^$`,
	} {
		w := call(s, "GET", "/db/_changes"+query, "", "Admin", "")
		if !regexp.MustCompile(want[1:]).MatchString(w.Body.String()) || w.Code != 200 {
			t.Errorf("%s: %d %q", query, w.Code, w.Body)
		}
	}
	w := call(s, "GET", "/db/_changes?feed=eventsource&timeout=10", "", "Admin", "", "Last-Event-ID", "0")
	if w.Header().Get("Content-Type") != "text/event-stream" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("headers: %v", w.Header())
	}
}

// With a limit, last_seq passes the next change if that change is known not to match, so nobody
// looks at it again.
func TestLastSeqPassesARejectedChange(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"views":{"odd":{"map":"function(doc){if(doc.v%2)emit(null)}"}},"filters":{"odd":"function(doc){return doc.v%2}"}`)
	for i := range 6 { // sequences 2 to 7
		wants(t, call(s, "PUT", fmt.Sprintf("/db/doc%d", i), fmt.Sprintf(`{"v":%d}`, i%5), "Admin", ""), 201, "")
	}
	for _, c := range []struct {
		query, body string
		limit       int
		last        string
		pending     int
	}{
		{"filter=_view&view=d/odd", "", 1, "4", 4},
		{"filter=d/odd", "", 1, "4", 4},
		{"filter=_selector", `{"selector":{"v":{"$mod":[2,1]}}}`, 1, "4", 4},
		{"filter=d/odd", "", 2, "6", 2},
		{"filter=d/odd&descending=true", "", 1, "5", 0},
		{"filter=_doc_ids", `{"doc_ids":["doc1","doc3"]}`, 1, "3", 0},
		{"style=main_only", "", 2, "2", 5},
	} {
		method := "GET"
		if c.body != "" {
			method = "POST"
		}
		var got struct {
			Results []json.RawMessage `json:"results"`
			LastSeq string            `json:"last_seq"`
			Pending int               `json:"pending"`
		}
		w := call(s, method, fmt.Sprintf("/db/_changes?%s&limit=%d", c.query, c.limit), c.body, "Admin", "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Results) != c.limit {
			t.Fatalf("%s: %d %s", c.query, w.Code, w.Body)
		}
		last, _, _ := strings.Cut(got.LastSeq, "-")
		if last != c.last || c.pending > 0 && got.Pending != c.pending {
			t.Errorf("%s limit=%d: last_seq %s and pending %d, want %s and %d", c.query, c.limit, last, got.Pending, c.last, c.pending)
		}
		next := call(s, method, fmt.Sprintf("/db/_changes?%s&since=%s", c.query, got.LastSeq), c.body, "Admin", "")
		if all := call(s, method, "/db/_changes?"+c.query, c.body, "Admin", ""); !strings.Contains(c.query, "descending") && strings.Count(next.Body.String(), `"id"`)+c.limit != strings.Count(all.Body.String(), `"id"`) {
			t.Errorf("%s: after %s comes %s of %s", c.query, got.LastSeq, next.Body, all.Body)
		}
	}
}
