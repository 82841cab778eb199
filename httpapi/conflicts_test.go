package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// replicated writes revisions as they come.
func replicated(t testing.TB, s *Server, docs ...string) {
	t.Helper()
	wants(t, call(s, "POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`, "Admin", ""), 201, "[]")
}

// splitDoc brings a document into conflict: 2-right wins over 2-left, and both come from 1-first.
func splitDoc(t testing.TB, s *Server, id string) {
	t.Helper()
	replicated(t, s, fmt.Sprintf(`{"_id":%q,"_rev":"1-first","at":"first"}`, id),
		fmt.Sprintf(`{"_id":%q,"_revisions":{"start":2,"ids":["left","first"]},"at":"left"}`, id),
		fmt.Sprintf(`{"_id":%q,"_revisions":{"start":2,"ids":["right","first"]},"at":"right"}`, id))
}

// Last-Modified of a part of the conflicts is the time of its last one, whatever else the feed has before.
func TestConflictsByTime(t *testing.T) {
	t.Parallel()
	c := newHandClock()
	s := openServer(t, Options{Now: c.now})
	call(s, "PUT", "/db", "", "Admin", "")
	for _, id := range []string{"a", "b"} {
		wants(t, call(s, "PUT", "/db/plain-"+id, "{}", "Admin", ""), 201, "")
		c.forward(10 * time.Second)
		splitDoc(t, s, id)
	}
	wants(t, call(s, "PUT", "/db/plain", "{}", "Admin", ""), 201, "")
	if got := call(s, "GET", "/db/_conflicts?limit=1", "", "Admin", "").Header().Get("Last-Modified"); got != "Thu, 29 Feb 2024 23:59:40 GMT" {
		t.Errorf("with a limit, Last-Modified is %q", got)
	}
}

func TestConflictsFeed(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	for i := range 4 {
		splitDoc(t, s, fmt.Sprint("d", i))
		wants(t, call(s, "PUT", fmt.Sprint("/db/plain", i), "{}", "Admin", ""), 201, "")
	}
	replicated(t, s, `{"_id":"d2","_revisions":{"start":3,"ids":["gone","left","first"]},"_deleted":true}`, `{"_id":"roots","_rev":"1-a"}`, `{"_id":"roots","_rev":"1-b"}`)
	row := func(n int, id string) string {
		return fmt.Sprintf(`{"seq":"%d-\w+","id":"%s","changes":\[{"rev":"2-right"},{"rev":"2-left","ancestor":"1-first"}\]}`, n, id)
	}
	first, second, last := row(1, "d0"), row(3, "d1"), row(7, "d3")
	const roots = `{"seq":"10-\w+","id":"roots","changes":\[{"rev":"1-b"},{"rev":"1-a","ancestor":null}\]}`
	answer := func(at, pending int, rows ...string) string {
		return fmt.Sprintf(`~^{"results":\[%s\],"last_seq":"%d-\w+","pending":%d}$`, strings.Join(rows, ","), at, pending)
	}
	since := regexp.MustCompile(`"seq":"(3-\w+)"`).FindStringSubmatch(call(s, "GET", "/db/_conflicts", "", "Admin", "").Body.String())
	if since == nil {
		t.Fatal("no sequence")
	}
	runDocSteps(t, s, []docStep{
		{"GET", "/db/_conflicts", "", 200, answer(10, 0, first, second, last, roots)},
		{"GET", "/db/_conflicts?limit=2", "", 200, answer(3, 2, first, second)},
		{"GET", "/db/_conflicts?limit=1&skip=2", "", 200, answer(7, 1, last)},
		{"GET", "/db/_conflicts?skip=9", "", 200, answer(10, 0)},
		{"GET", "/db/_conflicts?skip=x", "", 400, "~skip"},
		{"GET", "/db/_conflicts?limit=1&since=" + since[1], "", 200, answer(7, 1, last)},
		{"GET", "/db/_conflicts?since=now", "", 200, answer(10, 0)},
		{"GET", "/db/_conflicts?descending=true", "", 200, answer(1, 0, roots, last, second, first)},
		{"GET", "/db/_conflicts?descending=true&limit=1", "", 200, answer(10, 3, roots)},
		{"GET", "/db/_conflicts?limit=1&include_docs=true&conflicts=true", "", 200, `~"ancestor":"1-first"}\],"doc":{"_id":"d0","_rev":"2-right","at":"right","_conflicts":\["2-left"\]}}`},
		{"GET", "/db/_conflicts/d0", "", 200, "~^" + first + "$"},
		{"GET", "/db/_conflicts/d2", "", 200, `~"changes":\[{"rev":"2-right"}\]}$`},
		{"GET", "/db/_conflicts/none", "", 404, "~missing"},
		{"GET", "/db?conflict_count=true", "", 200, `~"conflict_count":4}$`},
		{"HEAD", "/db/_conflicts?feed=continuous", "", 200, ``},
		{"GET", "/none/_conflicts", "", 404, "~not_found"},
		{"GET", "anonymous:/db/_conflicts", "", 401, "~unauthorized"},
	})
	if got := call(s, "GET", "/db", "", "Admin", "").Body.String(); strings.Contains(got, "conflict") {
		t.Errorf("nobody has asked for the count: %s", got)
	}
}

func TestConflictsFeedWaits(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	base := server.URL + "/db/_conflicts"
	continuous := openFeed(t, base, "?feed=continuous&heartbeat=20")
	longpoll := openFeed(t, base, "?feed=longpoll&heartbeat=20")
	events := openFeed(t, base, "?feed=eventsource&timeout=60000")
	longpoll.want(`{"results":[`)
	wants(t, call(s, "PUT", "/db/plain", "{}", "Admin", ""), 201, "") // wakes nobody
	splitDoc(t, s, "d")
	const row = `{"seq":"2-`
	continuous.want(row)
	longpoll.want(row)
	longpoll.want(`],`)
	events.want(`data: ` + row)
}

func TestResolvingAConflict(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	for _, id := range []string{"a", "b", "c", "three"} {
		splitDoc(t, s, id)
	}
	replicated(t, s, `{"_id":"three","_revisions":{"start":2,"ids":["third","first"]},"at":"third"}`)
	const ends = `?delete=[%222-left%22]`
	const state = `"conflict":{"seq":"\d+-\w+","id":"a","changes":\[{"rev":"2-right"},{"rev":"2-left","ancestor":"1-first"}\]}`
	runDocSteps(t, s, []docStep{
		{"POST", "/db/_conflicts/a" + ends, `{"at":"both"}`, 400, "~_rev"},
		{"POST", "/db/_conflicts/a?delete=[%222-right%22]", `{"_rev":"2-right"}`, 400, "~delete"},
		{"POST", "/db/_conflicts/a?delete=[%222-left%22,%222-left%22]", `{"_rev":"2-right"}`, 400, "~delete"},
		{"POST", "/db/_conflicts/a?delete=2-left", `{"_rev":"2-right"}`, 400, "~"},
		{"POST", "/db/_conflicts/a" + ends, `nothing`, 400, "~"},
		{"POST", "/db/_conflicts/_local%2Fa" + ends, `{"_rev":"0-1"}`, 400, "~local"},

		// Nothing is written if one of the leaves is none.
		{"POST", "/db/_conflicts/a?delete=[%222-left%22,%222-none%22]", `{"_rev":"2-right","at":"both"}`, 409, `~"error":"conflict","reason":"Nothing was written: [^"]*","moved":\["2-none"\],` + state},
		{"POST", "/db/_conflicts/a" + ends, `{"_rev":"1-first","at":"both"}`, 409, `~"moved":\["1-first"\],` + state},
		{"GET", "/db/a?conflicts=true", "", 200, `{"_id":"a","_rev":"2-right","at":"right","_conflicts":["2-left"]}`},

		{"POST", "/db/_conflicts/a" + ends, `{"_rev":"2-right","at":"both","n":12345678901234567890}`, 201, `~^{"ok":true,"id":"a","rev":"3-\w+","deleted":\["3-\w+"\]}$`},
		{"GET", "/db/a?conflicts=true&deleted_conflicts=true", "", 200, `~^{"_id":"a","_rev":"3-\w+","at":"both","n":12345678901234567890,"_deleted_conflicts":\["3-\w+"\]}$`},
		{"POST", "/db/_conflicts/a" + ends, `{"_rev":"2-right","at":"late"}`, 409, `~"moved":\["2-right","2-left"\],"conflict":{"seq":"\d+-\w+","id":"a","changes":\[{"rev":"3-\w+"}\]}}`},

		// The other leaf may be the one that goes on, and the document may end altogether.
		{"POST", "/db/_conflicts/b?delete=[%222-right%22]", `{"_rev":"2-left","at":"left"}`, 201, `~"ok":true`},
		{"GET", "/db/b?conflicts=true", "", 200, `~^{"_id":"b","_rev":"3-\w+","at":"left"}$`},
		{"POST", "/db/_conflicts/c" + ends, `{"_rev":"2-right","_deleted":true}`, 201, `~"ok":true`},
		{"GET", "/db/c", "", 404, "~deleted"},
		{"POST", "/db/_conflicts/c" + ends, `{"_rev":"2-right"}`, 409, `~"conflict":null`},

		{"POST", "/db/_conflicts/three?delete=[%222-right%22,%222-left%22]", `{"_rev":"2-third","at":"all"}`, 201, `~"deleted":\["3-\w+","3-\w+"\]`},
		{"GET", "/db/_conflicts", "", 200, `~"results":\[\]`},
	})
}

// Whoever merges takes attachments of both leaves, without sending their bytes.
func TestResolvingWithAttachmentsOfBothLeaves(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	att := func(of string) string {
		return fmt.Sprintf(`"_attachments":{"own-%[1]s":{"content_type":"text/plain","revpos":2,"data":"b25seQ=="},"same":{"content_type":"text/%[1]s","revpos":2,"data":"%[2]s"}}`, of, map[string]string{"left": "bGVmdA==", "right": "cmlnaHQ="}[of])
	}
	replicated(t, s, `{"_id":"d","_rev":"1-first"}`,
		`{"_id":"d","_revisions":{"start":2,"ids":["left","first"]},`+att("left")+`}`,
		`{"_id":"d","_revisions":{"start":2,"ids":["right","first"]},`+att("right")+`}`)
	left := regexp.MustCompile(`"same":{[^}]*"digest":"([^"]*)"`).FindStringSubmatch(call(s, "GET", "/db/d?rev=2-left", "", "Admin", "").Body.String())
	if left == nil {
		t.Fatal("no digest")
	}
	runDocSteps(t, s, []docStep{
		{"POST", "/db/_conflicts/d?delete=[%222-left%22]", `{"_rev":"2-right","_attachments":{"other":{"stub":true}}}`, 412, "~missing_stub"},
		// A stub that says more than a name stands for nothing else.
		{"POST", "/db/_conflicts/d?delete=[%222-left%22]", `{"_rev":"2-right","_attachments":{"same":{"stub":true,"digest":"md5-AAAAAAAAAAAAAAAAAAAAAA=="}}}`, 412, "~missing_stub"},
		{"POST", "/db/_conflicts/d?delete=[%222-left%22]", `{"_rev":"2-right","_attachments":{"same":{"stub":true,"revpos":1}}}`, 412, "~missing_stub"},
		// Under a new name it stands for the attachment with its digest.
		{"POST", "/db/_conflicts/d?delete=[%222-left%22]", `{"_rev":"2-right","_attachments":{"new":{"stub":true,"digest":"md5-AAAAAAAAAAAAAAAAAAAAAA=="}}}`, 412, "~missing_stub"},
		{"POST", "/db/_conflicts/d?delete=[%222-none%22]", `{"_rev":"2-right","_attachments":{"own-left":{"stub":true}}}`, 409, `~"moved":\["2-none"\]`},
		{"POST", "/db/_conflicts/d?delete=[%222-left%22]", `{"_rev":"2-right","_attachments":{"own-left":{"stub":true},"own-right":{"stub":true},"same":{"stub":true,"digest":"` + left[1] + `"}}}`, 201, `~"ok":true`},
		{"GET", "/db/d/own-left", "", 200, "only"},
		{"GET", "/db/d/same", "", 200, "left"},
		// Who has the leaf that was replaced needs the bytes of the other one.
		{"GET", "/db/d?atts_since=[%222-right%22]", "", 200, `~"own-left":{[^}]*"revpos":3,[^}]*"follows":true},"own-right":{[^}]*"revpos":2,[^}]*"stub":true},"same":{"content_type":"text/left","revpos":3,[^}]*"follows":true}}}`},
	})
}

// Validation functions judge the merge and the deletions, and a key makes the request repeatable.
func TestResolvingIsAWriteLikeAnyOther(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	splitDoc(t, s, "d")
	const path = "/db/_conflicts/d?delete=[%222-left%22]"
	wants(t, call(s, "PUT", "/db/_design/v", `{"validate_doc_update":"function(n,o){if(n._deleted&&o.at==='left')throw({forbidden:'left stays'})}"}`, "Admin", ""), 201, "")
	wants(t, call(s, "POST", path, `{"_rev":"2-right","at":"both"}`, "Admin", ""), 403, "left stays")
	wants(t, call(s, "GET", "/db/d?conflicts=true", "", "Admin", ""), 200, `"_conflicts":["2-left"]`)
	wants(t, call(s, "PUT", "/db/_design/v?rev="+revOf(t, s, "/db/_design/v"), `{}`, "Admin", ""), 201, "")
	first := call(s, "POST", path, `{"_rev":"2-right","at":"both"}`, "Admin", "", "Idempotency-Key", "k1")
	wants(t, first, 201, `"ok":true`)
	again := call(s, "POST", path, `{"_rev":"2-right","at":"both"}`, "Admin", "", "Idempotency-Key", "k1")
	if again.Code != 201 || again.Body.String() != first.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s", again.Code, again.Body)
	}
}

// A refusal shows what there is now, also to whoever sends the request again with its key.
func TestResolvingAgainAfterARefusal(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	splitDoc(t, s, "d")
	const path = "/db/_conflicts/d?delete=[%222-none%22]"
	wants(t, call(s, "POST", path, `{"_rev":"2-right"}`, "Admin", "", "Idempotency-Key", "k1"), 409, `"changes":[{"rev":"2-right"},{"rev":"2-left","ancestor":"1-first"}]`)
	wants(t, call(s, "POST", "/db/_conflicts/d?delete=[%222-left%22]", `{"_rev":"2-right"}`, "Admin", "", "If-Match", `"2-left"`), 400, "etag")
	wants(t, call(s, "POST", "/db/_conflicts/d?delete=[%222-right%22]", `{"_rev":"2-left"}`, "Admin", "", "If-Match", `"2-left"`), 201, "")
	wants(t, call(s, "POST", path, `{"_rev":"2-right"}`, "Admin", "", "Idempotency-Key", "k1"), 409, `"moved":["2-right","2-none"],"conflict":{"seq":"2-`)
}

// A design document is one segment more, as everywhere, and only administrators resolve it.
func TestResolvingADesignDocument(t *testing.T) {
	t.Parallel()
	s := openWithDB(t, Options{}, `{"_id":"a"}`)
	splitDoc(t, s, "_design/d")
	wants(t, call(s, "PUT", "/db/_security", `{"members":{"names":["anna"]},"admins":{}}`, "Admin", ""), 200, "")
	for _, path := range []string{"/db/_conflicts/_design/d", "/db/_conflicts/_design%2Fd"} {
		wants(t, call(s, "GET", path, "", "Authorization", as("anna")), 200, `"id":"_design/d","changes":[{"rev":"2-right"},{"rev":"2-left","ancestor":"1-first"}]`)
		wants(t, call(s, "POST", path+"?delete=[%222-left%22]", `{"_rev":"2-right"}`, "Authorization", as("anna")), 403, "")
	}
	wants(t, call(s, "POST", "/db/_conflicts/_design/d?delete=[%222-left%22]", `{"_rev":"2-right"}`, "Admin", ""), 201, `"id":"_design/d"`)
}
