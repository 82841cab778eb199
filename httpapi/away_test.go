package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/smoosh"
	"github.com/tododb/tododb/store/storetest"
)

// Whatever is asked, and wherever in it the storage goes away: the answer is a 503 that says when to ask again, or
// one that was whole before, or it is cut. It is never an error that looks like the server's own fault.
func TestTheStorageGoesAway(t *testing.T) {
	t.Parallel()
	e := chaos.New(chaos.Options{})
	s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "10"), Store: storetest.On(t, e, store.Options{})})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	ask := func(method, path, body string) (status int, text string, header http.Header, err error) {
		r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", "secret")
		if strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", "application/json")
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			return 0, "", nil, err
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(b), answer.Header, err
	}
	must := func(method, path, body string) string {
		t.Helper()
		status, text, _, err := ask(method, path, body)
		if err != nil || status >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, path, status, text, err)
		}
		return text
	}
	must("PUT", "/db", "")
	must("PUT", "/db/_design/d", `{"views":{"v":{"map":"function (doc) { emit(doc.n, 1) }","reduce":"_sum"},"m":{"map":"function (doc) { emit(doc._id) }"}},
		"filters":{"f":"function (doc) { return doc.n > 1 }"},"shows":{"s":"function (doc) { return doc._id }"},
		"updates":{"u":"function (doc) { return [doc, doc._id] }"},"validate_doc_update":"function () {}"}`)
	must("POST", "/db/_index", `{"index":{"fields":["n"]},"ddoc":"i"}`)
	for i := range 5 {
		must("PUT", fmt.Sprintf("/db/d%d", i), fmt.Sprintf(`{"n":%d,"_attachments":{"a":{"content_type":"text/plain","data":"aGVsbG8="}}}`, i))
	}
	must("PUT", "/db/_local/l", `{}`)
	must("PUT", "/small", "")
	must("PUT", "/small/d", `{}`)

	// N is another number in each request.
	for i, c := range []struct{ method, path, body string }{
		{"GET", "/_all_dbs", ""},
		{"POST", "/_dbs_info", `{"keys":["db"]}`},
		{"GET", "/db", ""},
		{"HEAD", "/db/d1", ""},
		{"GET", "/db/d1", ""},
		{"GET", "/db/d1?revs_info=true&conflicts=true&meta=true&local_seq=true", ""},
		{"GET", "/db/d1?attachments=true", ""},
		{"GET", "/db/d1?open_revs=all&revs=true", ""},
		{"GET", "/db/d1/a", ""},
		{"GET", "/db/_all_docs?include_docs=true", ""},
		{"POST", "/db/_all_docs", `{"keys":["d1","d2"]}`},
		{"POST", "/db/_all_docs/queries", `{"queries":[{"limit":2},{"keys":["d1"]}]}`},
		{"GET", "/db/_changes?include_docs=true&style=all_docs&conflicts=true", ""},
		{"GET", "/db/_changes?filter=d/f", ""},
		{"GET", "/db/_changes?filter=_view&view=d/v", ""},
		{"POST", "/db/_changes?filter=_doc_ids", `{"doc_ids":["d1"]}`},
		{"POST", "/db/_changes?filter=_selector", `{"selector":{"n":{"$gt":1}}}`},
		{"GET", "/db/_changes?feed=longpoll&since=0", ""},
		{"GET", "/db/_design/d", ""},
		{"GET", "/db/_design/d/_info", ""},
		{"GET", "/db/_design/d/_view/m?include_docs=true", ""},
		{"GET", "/db/_design/d/_view/v?group=true", ""},
		{"GET", "/small/_design/d-N/_view/v?group=true", ""}, // which is not built yet
		{"GET", "/db/_design/d/_show/s/d1", ""},
		{"POST", "/db/_design/d/_update/u/d1", ``},
		{"GET", "/db/_index", ""},
		{"POST", "/db/_find", `{"selector":{"n":{"$gt":1}}}`},
		{"POST", "/db/_find", `{"selector":{"x":1}}`},
		{"POST", "/db/_explain", `{"selector":{"n":1}}`},
		{"POST", "/db/_bulk_get?revs=true", `{"docs":[{"id":"d1"},{"id":"d2"}]}`},
		{"POST", "/db/_revs_diff", `{"d1":["2-aa"]}`},
		{"POST", "/db/_missing_revs", `{"d1":["2-aa"]}`},
		{"GET", "/db/_local/l", ""},
		{"GET", "/db/_local_docs", ""},
		{"GET", "/db/_security", ""},
		{"GET", "/db/_revs_limit", ""},
		{"GET", "/db/_purged_infos_limit", ""},
		{"GET", "/_users/org.couchdb.user:nobody", ""},
		{"PUT", "/db/new-N", `{"n":1}`},
		{"PUT", "/db/new-N/a", "text"},
		{"POST", "/db", `{"n":1}`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"bulk-N"},{"n":1}]}`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"copy-N","_rev":"1-aa"}]}`},
		{"PUT", "/db/_local/new-N", `{}`},
		{"POST", "/db/_index", `{"index":{"fields":["f-N"]}}`},
		{"PUT", "/db/_security", `{"members":{"names":["x"]}}`},
		{"PUT", "/new-N", ""},
		{"POST", "/db/_compact", `{}`},
		{"POST", "/db/_view_cleanup", `{}`},
		{"POST", "/db/_ensure_full_commit", `{}`},
		{"POST", "/_session", `{"name":"somebody","password":"x"}`},
	} {
		const most = 400
		refused, began := 0, time.Now()
		quiet := 0
		for n := 0; quiet < 2 && n < most; n++ {
			number := fmt.Sprintf("%d-%d", i, n)
			// Indexes are a little behind.
			switch {
			case strings.HasPrefix(c.path, "/db/_design/d/_view/"):
				must("GET", c.path, "")
			case c.path == "/db/_find":
				must("POST", c.path, c.body)
			case strings.HasPrefix(c.path, "/small/"):
				must("PUT", "/small/_design/d-"+number, fmt.Sprintf(`{"views":{"v":{"map":"function (doc) { emit(%d, 1) }","reduce":"_sum"}}}`, n))
			}
			must("PUT", "/db/before-"+number, `{"n":1}`)
			e.Away(n)
			status, text, header, err := ask(c.method, strings.ReplaceAll(c.path, "N", number), strings.ReplaceAll(c.body, "N", number))
			e.Calm()
			switch {
			case err != nil: // cut
				refused++
			case status == http.StatusServiceUnavailable:
				refused++
				if header.Get("Retry-After") == "" {
					t.Errorf("%s %s, away after %d calls: 503 without Retry-After: %s", c.method, c.path, n, text)
				}
			case status >= 500:
				t.Errorf("%s %s, away after %d calls: %d %s", c.method, c.path, n, status, text)
				refused++
			case strings.Contains(text, "internal_server_error"):
				t.Errorf("%s %s, away after %d calls: %d %s", c.method, c.path, n, status, text)
			default:
				quiet++ // it needed no more, unless it did without
			}
		}
		if quiet == 0 {
			t.Errorf("%s %s does not get through within %d calls", c.method, c.path, most)
		}
		t.Logf("%s %s: refused %d times in %v", c.method, c.path, refused, time.Since(began))
	}
}

// What waits to be compacted shows at any process, though one of them compacts.
func TestSmooshStatusOfAnotherProcess(t *testing.T) {
	t.Parallel()
	e := chaos.New(chaos.Options{})
	var servers [2]*Server
	var one *smoosh.Smoosh
	for i := range servers {
		s := storetest.On(t, e, store.Options{})
		who, err := members.Open(t.Context(), members.Options{Store: s, Name: fmt.Sprint(i), Beat: 20 * time.Millisecond, Gone: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		indexes := index.NewManager(t.Context(), index.Options{Store: s})
		t.Cleanup(func() {
			if err := errors.Join(indexes.Close(), who.Close()); err != nil {
				t.Error(err)
			}
		})
		set := smoosh.Settings{Enabled: true}
		if i == 0 {
			set.Databases = []smoosh.Channel{{Name: "of-the-first"}}
		}
		keeper := smoosh.New(smoosh.Options{Store: s, Indexes: indexes, Log: slog.New(slog.DiscardHandler)}, set)
		if i == 0 {
			one = keeper
		}
		servers[i] = openServer(t, Options{Store: s, Members: who, Smoosh: keeper})
	}
	ctx, stop := context.WithCancel(t.Context())
	var works sync.WaitGroup
	works.Go(func() { one.Run(ctx) })
	defer works.Wait()
	defer stop()
	for i, s := range servers {
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			w := call(s, "GET", "/_node/_local/_smoosh/status", "", "Admin", "")
			if w.Code == 200 && strings.Contains(w.Body.String(), "of-the-first") {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("the process %d shows %d %s", i, w.Code, w.Body)
			}
		}
	}
}
