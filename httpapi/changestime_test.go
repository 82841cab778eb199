package httpapi_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// handClock is a clock that a test sets.
type handClock struct{ nanos atomic.Int64 }

func newHandClock() *handClock {
	c := &handClock{}
	c.nanos.Store(time.Date(2024, 2, 29, 23, 59, 30, 0, time.UTC).UnixNano())
	return c
}

func (c *handClock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *handClock) forward(d time.Duration) { c.nanos.Add(int64(d)) }

func TestChangesByTime(t *testing.T) {
	t.Parallel()
	c := newHandClock()
	s := openServer(t, Options{Now: c.now})
	const admin = "Admin"
	modified := func(method, path string) string {
		t.Helper()
		w := call(s, method, path, "", admin, "")
		if w.Code != 200 {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Header().Get("Last-Modified")
	}
	ids := func(query string) (list string) {
		t.Helper()
		w := call(s, "GET", "/db/_changes?"+query, "", admin, "")
		var answer struct{ Results []struct{ ID string } }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		for _, row := range answer.Results {
			list += row.ID
		}
		return list
	}
	call(s, "PUT", "/db", "", admin, "")
	if m := modified("GET", "/db"); m != "Thu, 29 Feb 2024 23:59:30 GMT" {
		t.Errorf("an empty database is modified at %q", m)
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		call(s, "PUT", "/db/"+id, "{}", admin, "")
		if id != "b" {
			c.forward(10 * time.Second)
		}
	} // a at :30, b and c at :40, d at :50
	call(s, "PUT", "/db/_design/x%2Fy", "{}", admin, "") // at the next day's :00
	for path, want := range map[string]string{
		"/db": "Fri, 01 Mar 2024 00:00:00 GMT", "/db/_changes": "Fri, 01 Mar 2024 00:00:00 GMT",
		"/db/_changes?limit=5": "Fri, 01 Mar 2024 00:00:00 GMT", "/db/_changes?limit=3": "Thu, 29 Feb 2024 23:59:40 GMT",
		"/db/_changes?limit=0": "Thu, 29 Feb 2024 23:59:30 GMT", "/db/_changes?descending=true&limit=1": "Fri, 01 Mar 2024 00:00:00 GMT",
		"/db/_changes?feed=longpoll":                                "Fri, 01 Mar 2024 00:00:00 GMT",
		"/db/_changes?since=2024-02-29T23:59:40Z&limit=2":           "Thu, 29 Feb 2024 23:59:40 GMT",
		"/db/_changes?since=now&timeout=1&feed=continuous":          "Fri, 01 Mar 2024 00:00:00 GMT",
		"/db/_changes?since=2030-01-01T00:00:00Z&limit=2":           "Fri, 01 Mar 2024 00:00:00 GMT",
		"/db/_changes?include_docs=true&feed=eventsource&timeout=1": "Fri, 01 Mar 2024 00:00:00 GMT",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			if method == "HEAD" {
				want = "Fri, 01 Mar 2024 00:00:00 GMT"
			}
			if m := modified(method, path); m != want {
				t.Errorf("%s %s: Last-Modified %q, want %q", method, path, m, want)
			}
		}
	}
	for query, want := range map[string]string{
		"since=Thu,%2029%20Feb%202024%2023:59:40%20GMT":                        "bcd_design/x/y",
		"since=Thu,+29+Feb+2024+23:59:41+GMT":                                  "d_design/x/y",
		"since=Thursday,%2029-Feb-24%2023:59:40%20GMT":                         "bcd_design/x/y",
		"since=2024-02-29T23:59:40Z":                                           "bcd_design/x/y",
		"since=2024-02-29T23:59:40.9Z":                                         "bcd_design/x/y",
		"since=2024-03-01T00:59:50+01:00":                                      "d_design/x/y",
		"since=2024-03-01T00:59:50%2B01:00&limit=1":                            "d",
		"since=1999-01-01T00:00:00Z":                                           "abcd_design/x/y",
		"since=2099-01-01T00:00:00Z":                                           "",
		"since=2024-02-29T23:59:50Z&filter=_design":                            "_design/x/y",
		"since=2024-02-29T23:59:50Z&feed=longpoll&timeout=1":                   "d_design/x/y",
		"since=2024-02-29T23:59:50Z&filter=_doc_ids&doc_ids=[%22a%22,%22d%22]": "d",
	} {
		if got := ids(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, bad := range []string{"2024-02-30T23:59:40Z", "yesterday", "Thu, 29 Feb 2024"} {
		if w := call(s, "GET", "/db/_changes?since="+url.QueryEscape(bad), "", admin, ""); w.Code != 400 {
			t.Errorf("since %s: %d %s", bad, w.Code, w.Body)
		}
	}
	for query, want := range map[string]string{
		"since=2024-02-29T23:59:50Z&meta=true":    `"id":"_design/x/y","changes":[{"rev":"1-967a00dff5e02add41819138abb3284d"}],"updated":"2024-03-01T00:00:00Z","url":"http://example.com/db/_design/x%2Fy"}`,
		"meta=true&limit=1&include_docs=true":     `"updated":"2024-02-29T23:59:30Z","url":"http://example.com/db/a","doc":{"_id":"a"`,
		"meta=true&feed=continuous&timeout=1":     `"updated":"2024-02-29T23:59:40Z","url":"http://example.com/db/c"}` + "\n",
		"meta=true&feed=eventsource&timeout=1":    `"updated":"2024-02-29T23:59:40Z","url":"http://example.com/db/c"}` + "\nid: 3-",
		"meta=true&descending=true&limit=1":       `"url":"http://example.com/db/_design/x%2Fy"}`,
		`meta=true&filter=_doc_ids&doc_ids=["d"]`: `"updated":"2024-02-29T23:59:50Z","url":"http://example.com/db/d"}`,
	} {
		if w := call(s, "GET", "/db/_changes?"+strings.ReplaceAll(query, `"`, "%22"), "", admin, ""); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s\nlacks %s", query, w.Body, want)
		}
	}
}

// A client that does not know sequences, and sends back the last Last-Modified that it got,
// misses no change while others write, whatever the server's clock does.
func TestPollingByTimeMissesNothing(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := newHandClock()
	server := httptest.NewServer(openServer(t, Options{Now: c.now}))
	defer server.Close()
	ask := func(method, path, body string) (*http.Response, map[string]any) {
		r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Error(err)
			return nil, nil
		}
		defer resp.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Errorf("%s %s: %d %v", method, path, resp.StatusCode, err)
		}
		return resp, answer
	}
	ask("PUT", "/db", "")

	var writers sync.WaitGroup
	var current sync.Map // document to revision
	for w := range 3 {
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		writers.Go(func() {
			for range 150 {
				id := fmt.Sprintf("w%d-%d", w, random.IntN(20))
				rev, _ := current.Load(id)
				body := "{}"
				if rev != nil {
					body = fmt.Sprintf(`{"_rev":%q,"n":%d}`, rev, random.Int())
				}
				resp, answer := ask("PUT", "/db/"+id, body)
				if resp == nil || resp.StatusCode != 201 {
					t.Errorf("%s: %v", id, answer)
					return
				}
				current.Store(id, answer["rev"])
				c.forward(time.Duration(random.IntN(2500)-1000) * time.Millisecond)
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()

	known, since, rows, polls := map[string]any{}, "", 0, 0
	poll := func(limit string) {
		polls++
		resp, answer := ask("GET", "/db/_changes?since="+url.QueryEscape(since)+limit, "")
		if resp == nil || resp.StatusCode != 200 {
			t.Fatalf("since %s: %v", since, answer)
		}
		for _, row := range answer["results"].([]any) {
			row := row.(map[string]any)
			known[row["id"].(string)] = row["changes"].([]any)[0].(map[string]any)["rev"]
			rows++
		}
		since = resp.Header.Get("Last-Modified")
	}
	random := rand.New(rand.NewPCG(seed, 99))
	since = "1970-01-01T00:00:00Z"
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		if random.IntN(2) == 0 {
			poll("")
		} else {
			poll(fmt.Sprintf("&limit=%d", 1+random.IntN(30)))
		}
	}
	poll("")
	current.Range(func(id, rev any) bool {
		if known[id.(string)] != rev {
			t.Errorf("%s is at %v, the client saw %v", id, rev, known[id.(string)])
		}
		return true
	})
	t.Logf("%d polls gave %d rows", polls, rows)
}
