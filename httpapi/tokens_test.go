package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi"
)

func TestTokensOfDevices(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := openWithDB(t, Options{Now: clock}, `{"_id":"a"}`)
	phone, id := issue(t, s, "anna", `{"databases":["db"],"access":"read-write","device":"phone","expires_in":3600}`)
	wants(t, call(s, "GET", "/_session", "", "Authorization", phone), 200, `"authenticated":"token"`)
	wants(t, call(s, "PUT", "/db/b", "{}", "Authorization", phone), 201, "")
	wants(t, call(s, "GET", "/_session/tokens", "", "Authorization", as("anna")), 200, `"device":"phone"`)
	wants(t, call(s, "GET", "/_session/tokens?owner=anna", "", "Admin", ""), 200, id)
	wants(t, call(s, "GET", "/_session/tokens?all=true", "", "Admin", ""), 200, id)
	if got := call(s, "GET", "/_session/tokens", "", "Authorization", as("ben")).Body.String(); strings.Contains(got, id) {
		t.Errorf("ben is told of anna's token: %s", got)
	}
	wants(t, call(s, "GET", "/_session/tokens?owner=anna", "", "Authorization", as("ben")), 401, "")
	wants(t, call(s, "DELETE", "/_session/tokens/"+id, "", "Authorization", as("ben")), 404, "missing")
	wants(t, call(s, "DELETE", "/_session/tokens/"+id, "", "Authorization", phone), 403, "token")
	wants(t, call(s, "POST", "/_session/tokens", `{"databases":["db"],"device":"x"}`, "Authorization", phone), 403, "")
	wants(t, call(s, "POST", "/_session/tokens", `{"databases":["db"],"device":"x"}`), 401, "")

	tablet, tabletID := issue(t, s, "anna", `{"databases":["db"],"device":"tablet","expires_in":7200}`)
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	w := call(s, "GET", "/db", "", "Authorization", phone)
	wants(t, w, 401, "expired")
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer error="invalid_token", error_description="The token has expired."` {
		t.Errorf("WWW-Authenticate: %s", got)
	}
	if got := call(s, "GET", "/_session/tokens", "", "Authorization", as("anna")).Body.String(); strings.Contains(got, id) || !strings.Contains(got, tabletID) {
		t.Errorf("listed after one has expired: %s", got)
	}

	// A revoked token is revoked for another process on the same data too.
	wants(t, call(s, "GET", "/db", "", "Authorization", tablet), 200, "")
	wants(t, call(s, "DELETE", "/_session/tokens/"+tabletID, "", "Admin", ""), 200, "")
	set(t, s.Config, "chttpd_auth/secret", "the same")
	again, err := httpapi.New(Options{Store: s.Store, Config: s.Config, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	late, lateID := issue(t, s, "anna", `{"databases":["db"],"device":"x"}`)
	wants(t, call(again, "GET", "/db", "", "Authorization", late), 200, "")
	wants(t, call(s, "DELETE", "/_session/tokens/"+lateID, "", "Authorization", as("anna")), 200, "")
	for _, server := range []http.Handler{s, again} {
		wants(t, call(server, "GET", "/db", "", "Authorization", late), 401, "revoked")
	}

	// A token allows no more than its owner may do.
	last, _ := issue(t, s, "anna", `{"databases":["db"],"device":"x"}`)
	wants(t, call(s, "PUT", "/db/_security", `{"admins":{},"members":{"names":["ben"]}}`, "Admin", ""), 200, "")
	wants(t, call(s, "GET", "/db", "", "Authorization", last), 403, "not allowed")
	rev := textOf(t, call(s, "GET", "/_users/org.couchdb.user:anna", "", "Admin", "").Body.String(), "_rev")
	wants(t, call(s, "DELETE", "/_users/org.couchdb.user:anna?rev="+rev, "", "Admin", ""), 200, "")
	wants(t, call(s, "GET", "/db", "", "Authorization", last), 401, "owner")
}

func TestRequestsForTokensThatMakeNoSense(t *testing.T) {
	t.Parallel()
	s := openWithDB(t, Options{}, `{"_id":"a"}`)
	for _, bad := range []string{
		`{}`, `[]`, `{`, `{"databases":[],"device":"x"}`, `{"databases":["DB"],"device":"x"}`, `{"databases":["_users"],"device":"x"}`,
		`{"databases":["a/_replicator"],"device":"x"}`, `{"databases":["db"]}`, `{"databases":["db"],"device":"x","access":"all"}`,
		`{"databases":["db"],"device":"x","prefix":"a"}`, `{"databases":["db"],"device":"x","expires_in":0}`,
		`{"databases":["db"],"device":"x","expires_in":99999999}`, `{"databases":["db"],"device":"x","selector":5}`,
		`{"databases":["db"],"device":"x","selector":{"$nothing":1}}`, `{"databases":["db"],"device":"x","selector":{},"id_prefix":"a"}`,
		`{"databases":["db"],"device":"x"}{}`, `{"databases":["db"],"device":"a\u0000b"}`,
	} {
		w := call(s, "POST", "/_session/tokens", bad, "Authorization", as("anna"))
		if w.Code != 400 {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}

// What tokens of each kind may do, route by route. r reads the whole database, w writes it,
// p writes ids that begin with "a:", s writes documents that belong to anna.
func TestWhatATokenAllows(t *testing.T) {
	t.Parallel()
	s := openWithDB(t, Options{}, `{"_id":"a:1","owner":"anna"},{"_id":"b:1","owner":"ben"},{"_id":"_design/d","views":{"v":{"map":"function(d){emit(d._id)}"}}}`)
	wants(t, call(s, "PUT", "/other", "", "Admin", ""), 201, "")
	tokens := map[string]string{}
	for kind, scope := range map[string]string{
		"r": `"access":"read"`, "w": `"access":"read-write"`,
		"p": `"access":"read-write","id_prefix":"a:"`, "s": `"access":"read-write","selector":{"owner":"anna"}`,
	} {
		tokens[kind], _ = issue(t, s, "anna", `{"databases":["db"],"device":"x",`+scope+`}`)
	}
	for _, c := range []struct {
		method, path, body string
		want               string // of r, w, p and s
	}{
		{"GET", "/", "", "200 200 200 200"},
		{"GET", "/_up", "", "200 200 200 200"},
		{"GET", "/_session", "", "200 200 200 200"},
		{"POST", "/_session", `{"name":"anna","password":"annapw"}`, "403 403 403 403"},
		{"GET", "/_all_dbs", "", "403 403 403 403"},
		{"POST", "/_replicate", `{"source":"db","target":"other"}`, "403 403 403 403"},
		{"GET", "/_users/org.couchdb.user:anna", "", "403 403 403 403"},
		{"GET", "/_node/_local/_config", "", "403 403 403 403"},
		{"PUT", "/made", "", "403 403 403 403"},
		{"DELETE", "/db", "", "403 403 403 403"},
		{"GET", "/other", "", "403 403 403 403"},
		{"GET", "/other/a:1", "", "403 403 403 403"},
		{"GET", "/db", "", "200 200 200 200"},
		{"GET", "/db/a:1", "", "200 200 200 200"},
		{"GET", "/db/b:1", "", "200 200 404 404"},
		{"GET", "/db/b:1?open_revs=all", "", "200 200 404 404"},
		{"GET", "/db/b%3A1", "", "200 200 404 404"},
		{"PUT", "/db/a:x", `{"owner":"anna"}`, "403 201 409 409"},
		{"PUT", "/db/a:y", `{"owner":"ben"}`, "403 201 409 403"},
		{"PUT", "/db/b:x", `{"owner":"anna"}`, "403 201 403 409"},
		{"PUT", "/db/b:1?rev=1-abc", `{"owner":"anna"}`, "403 409 403 409"},
		{"POST", "/db", `{"_id":"b:p","owner":"ben"}`, "403 201 403 403"},
		{"PUT", "/db/b:1/att?rev=1-abc", "x", "403 409 409 409"},
		{"PUT", "/db/_local/c", `{}`, "403 201 201 201"},
		{"GET", "/db/_local/c", "", "200 200 200 200"},
		{"GET", "/db/_local_docs", "", "403 403 403 403"},
		{"PUT", "/db/_design/x", `{}`, "403 403 403 403"},
		{"PUT", "/db/_design%2Fx", `{}`, "403 403 403 403"},
		{"GET", "/db/_design/d", "", "200 200 403 403"},
		{"GET", "/db/_security", "", "200 200 403 403"},
		{"PUT", "/db/_security", `{}`, "403 403 403 403"},
		{"POST", "/db/_compact", `{}`, "403 403 403 403"},
		{"POST", "/db/_purge", `{}`, "403 403 403 403"},
		{"PUT", "/db/_revs_limit", `5`, "403 403 403 403"},
		{"POST", "/db/_index", `{"index":{"fields":["a"]}}`, "403 403 403 403"},
		{"POST", "/db/_revs_diff", `{}`, "200 200 200 200"},
		{"POST", "/db/_bulk_docs", `{"docs":[]}`, "403 201 201 201"},
		{"POST", "/db/_design/d/_update/f", `{}`, "403 403 403 403"},
		{"GET", "/db/_design/d/_rewrite/x", "", "403 403 403 403"},
		{"GET", "/db/_synchronizations", "", "403 403 403 403"},
		{"COPY", "/db/b:1", "", "403 400 400 400"},
	} {
		var got []string
		for _, kind := range []string{"r", "w", "p", "s"} {
			got = append(got, fmt.Sprint(call(s, c.method, c.path, c.body, "Authorization", tokens[kind]).Code))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s: %v, want %s", c.method, c.path, got, c.want)
		}
	}
	wants(t, call(s, "POST", "/db/_index", `{"index":{"fields":["owner"]},"ddoc":"owners"}`, "Admin", ""), 200, "created")
	for _, kind := range []string{"p", "s"} {
		for _, way := range []struct{ method, path, body string }{
			{"GET", "/db/_all_docs", ""},
			{"GET", "/db/_all_docs?include_docs=true", ""},
			{"POST", "/db/_all_docs", `{"keys":["b:1","b:p"]}`},
			{"POST", "/db/_all_docs/queries", `{"queries":[{}]}`},
			{"GET", "/db/_changes", ""},
			{"GET", "/db/_changes?style=all_docs&include_docs=true", ""},
			{"POST", "/db/_changes?filter=_selector", `{"selector":{}}`},
			{"POST", "/db/_changes?filter=_doc_ids", `{"doc_ids":["b:1","b:p"]}`},
			{"POST", "/db/_bulk_get", `{"docs":[{"id":"b:1"},{"id":"b:p"}]}`},
			{"POST", "/db/_find", `{"selector":{}}`},
			{"POST", "/db/_find", `{"selector":{"owner":{"$gt":null}},"fields":["owner"],"use_index":"owners"}`},
			{"POST", "/db/_find", `{"selector":{"owner":"ben"},"fields":["_id","owner"]}`},
		} {
			got := call(s, way.method, way.path, way.body, "Authorization", tokens[kind])
			if strings.HasSuffix(way.path, "_find") && kind == "p" && (strings.Contains(got.Body.String(), `"b:`) || strings.Count(got.Body.String(), `"owner":`) > 3) {
				t.Errorf("p %s %s: %s", way.path, way.body, got.Body)
			}
			if got.Code != 200 || kind == "s" && strings.Contains(got.Body.String(), `"owner":"ben"`) || strings.Contains(got.Body.String(), `"id":"b:p","key"`) ||
				strings.Contains(got.Body.String(), `"id":"b:1","changes"`) {
				t.Errorf("%s %s %s: %d %s", kind, way.method, way.path, got.Code, got.Body)
			}
		}
	}
	rows := call(s, "POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"b:1","_rev":"9-abc","owner":"anna"},{"_id":"a:n","_rev":"1-abc","owner":"anna"}]}`,
		"Authorization", tokens["s"]).Body.String()
	if !strings.Contains(rows, `"id":"b:1","rev":"9-abc","error":"forbidden"`) || strings.Contains(rows, "a:n") {
		t.Errorf("a change that would win over what is hidden: %s", rows)
	}
}

// A feed ends with its token: before the next row when it is revoked, and when it expires.
func TestFeedsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	s := openWithDB(t, Options{}, `{"_id":"a"}`)
	feed := func(token string) <-chan string {
		done := make(chan string, 1)
		go func() {
			done <- call(s, "GET", "/db/_changes?feed=continuous&heartbeat=50&since=now", "", "Authorization", token).Body.String()
		}()
		return done
	}
	ended := func(what string, done <-chan string) {
		t.Helper()
		select {
		case got := <-done:
			if strings.Contains(got, `"id":"late"`) || !strings.Contains(got, `"last_seq"`) {
				t.Errorf("%s: the feed ends with %s", what, got)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: the feed goes on", what)
		}
	}
	token, id := issue(t, s, "anna", `{"databases":["db"],"device":"x"}`)
	revoked := feed(token)
	wants(t, call(s, "DELETE", "/_session/tokens/"+id, "", "Authorization", as("anna")), 200, "")
	wants(t, call(s, "PUT", "/db/late", "{}", "Admin", ""), 201, "")
	select {
	case got := <-revoked: // the token may have gone before the feed began
		if strings.Contains(got, `"id":"late"`) {
			t.Errorf("a row after the token was revoked: %s", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("the feed goes on with a revoked token")
	}
	token, _ = issue(t, s, "anna", `{"databases":["db"],"device":"x","expires_in":2}`)
	ended("expired", feed(token))
}
