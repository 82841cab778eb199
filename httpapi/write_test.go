package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// member reads a string member of a JSON answer.
func jsonString(t testing.TB, w *httptest.ResponseRecorder, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	text, _ := m[name].(string)
	return text
}

func expect(t testing.TB, w *httptest.ResponseRecorder, status int, pattern string) {
	t.Helper()
	if w.Code != status || !regexp.MustCompile(pattern).MatchString(w.Body.String()) {
		t.Errorf("got %d %s want %d %s", w.Code, w.Body, status, pattern)
	}
}

func TestAtomicBulk(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	bulk := func(body string, headers ...string) *httptest.ResponseRecorder {
		return call(s, "POST", "/db/_bulk_docs", body, append(headers, "Admin", "")...)
	}
	expect(t, bulk(`{"atomic":true,"docs":[{"_id":"a"},{"_id":"b"}]}`), 201, `^\[{"ok":true,"id":"a","rev":"1-967.*"},{"ok":true,"id":"b",.*\]\n$`)
	expect(t, bulk(`{"atomic":true,"docs":[{"_id":"c"},{"_id":"a"},{"_id":"b","_rev":"1-x"}]}`), 409,
		`^{"error":"conflict","reason":"Nothing was written: 2 of 3 documents were refused.","refused":\[{"id":"a","error":"conflict","reason":"Document update conflict."},{"id":"b","error":"conflict",.*"}\]}\n$`)
	expect(t, call(s, "GET", "/db/c", "", "Admin", ""), 404, `missing`)
	expect(t, bulk(`{"atomic":true,"new_edits":false,"docs":[{"_id":"b","_rev":"1-x"}]}`), 201, `^\[\]\n$`)
	expect(t, bulk(`{"atomic":true,"docs":[{"_id":"c"},{"_id":"a"}]}`, "Prefer", "return=representation"), 409,
		`"refused":\[{"id":"a","error":"conflict","reason":"Document update conflict.","conflict":{"id":"a","rev":null,"winner":{"rev":"1-967[^"]*","doc":{"_id":"a","_rev":"1-967[^"]*"}},"ancestor":null}}\]}`)
	expect(t, bulk(`{"atomic":true,"docs":[{"_id":"c"},{"_id":"`+strings.Repeat("x", 8_000_001)+`"}]}`), 400, `"error":"illegal_docid"`)
	expect(t, bulk(`{"atomic":"yes","docs":[]}`), 400, `atomic`)
	expect(t, bulk(`{"atomic":true,"docs":[]}`), 201, `^\[\]\n$`)
	expect(t, bulk(`{"atomic":true,"docs":[`+strings.Repeat(`{},`, 10_000)+`{}]}`), 413, `one transaction`)

	// Attachments come along, or the whole request is refused.
	const att = `{"_id":"%s","_attachments":{"f":{"data":"aGk="}}}`
	expect(t, bulk(`{"atomic":true,"docs":[`+fmt.Sprintf(att, "p")+`,`+fmt.Sprintf(att, "q")+`]}`), 201, `"id":"p".*"id":"q"`)
	expect(t, call(s, "GET", "/db/q/f", "", "Admin", ""), 200, `^hi$`)
	expect(t, bulk(`{"atomic":true,"docs":[`+fmt.Sprintf(att, "r")+`,{"_id":"s","_attachments":{"f":{"stub":true,"revpos":1}}}]}`), 412, `missing_stub`)
	expect(t, call(s, "GET", "/db/r", "", "Admin", ""), 404, `missing`)

	// Only administrators write design documents: for others nothing is written.
	call(s, "PUT", "/db/_security", `{"members":{},"admins":{}}`, "Admin", "")
	expect(t, call(s, "POST", "/db/_bulk_docs", `{"atomic":true,"docs":[{"_id":"n"},{"_id":"_design/d"}]}`), 401, `"refused":\[{"id":"_design/d","error":"unauthorized"`)
	expect(t, call(s, "GET", "/db/n", "", "Admin", ""), 404, `missing`)
}

func TestBulkIfUnchanged(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	bulk := func(body, match string) *httptest.ResponseRecorder {
		return call(s, "POST", "/db/_bulk_docs", body, "Admin", "", "If-Match", match)
	}
	const one = `{"atomic":true,"docs":[{}]}`
	expect(t, bulk(one, `"0"`), 201, `ok`)
	etag := call(s, "GET", "/db/_changes", "", "Admin", "").Header().Get("Etag")
	seq := jsonString(t, call(s, "GET", "/db", "", "Admin", ""), "update_seq")
	if etag != `"`+seq+`"` {
		t.Errorf("ETag %s, update_seq %s", etag, seq)
	}
	expect(t, bulk(one, `"0"`), 412, `^{"error":"precondition_failed","reason":"The database has changed: its update sequence is 1-`)
	expect(t, bulk(one, etag), 201, `ok`)
	expect(t, bulk(one, etag), 412, `2-`)
	expect(t, bulk(one, "*"), 201, `ok`)
	expect(t, bulk(one, `"3-another"`), 412, `3-`)
	expect(t, bulk(one, `"3"`), 400, `If-Match`)
	expect(t, bulk(`{"docs":[{}]}`, `"3-another"`), 400, `atomic`)
	expect(t, bulk(`{"atomic":true,"docs":[]}`, `"3-another"`), 412, `3-`)
}

func TestConflictIsExplained(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	const prefer, representation = "Prefer", "respond-async, Return = \"representation\""
	first := jsonString(t, call(s, "PUT", "/db/a", `{"v":1}`, "Admin", ""), "rev")
	second := jsonString(t, call(s, "PUT", "/db/a?rev="+first, `{"v":2}`, "Admin", ""), "rev")
	for _, c := range []struct {
		method, path, body, rev string
	}{
		{"PUT", "/db/a", `{"v":3}`, "null"},
		{"PUT", "/db/a?rev=" + first, `{"v":3}`, `"` + first + `"`},
		{"POST", "/db", `{"_id":"a","_rev":"` + first + `","v":3}`, `"` + first + `"`},
		{"DELETE", "/db/a", "", "null"},
		{"DELETE", "/db/a?rev=" + first, "", `"` + first + `"`},
		{"PUT", "/db/a/att?rev=" + first, "x", `"` + first + `"`},
		{"PUT", "/db/a/att", "x", `null`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"a","_rev":"` + first + `","v":3}]}`, `"` + first + `"`},
	} {
		plain := call(s, c.method, c.path, c.body, "Admin", "")
		if strings.Contains(plain.Body.String(), "winner") {
			t.Errorf("%s %s explains unasked: %s", c.method, c.path, plain.Body)
		}
		w := call(s, c.method, c.path, c.body, "Admin", "", prefer, representation)
		ancestor := "null"
		if c.rev != "null" {
			ancestor = fmt.Sprintf(`{"rev":%q,"doc":{"_id":"a","_rev":%q,"v":1}}`, first, first)
		}
		want := fmt.Sprintf(`"error":"conflict","reason":"Document update conflict.","conflict":{"id":"a","rev":%s,"winner":{"rev":%q,"doc":{"_id":"a","_rev":%q,"v":2}},"ancestor":%s}}`, c.rev, second, second, ancestor)
		if w.Code != plain.Code || !strings.Contains(w.Body.String(), want) || w.Code == 409 && w.Header().Get("Preference-Applied") != "return=representation" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s\nwant %s", c.method, c.path, w.Code, w.Body, want)
		}
	}
	// The ancestor is known after its body has gone.
	call(s, "POST", "/db/_compact", "", "Admin", "", "Content-Type", "application/json")
	waitUntil(t, func() bool {
		w := call(s, "PUT", "/db/a?rev="+first, `{"v":3}`, "Admin", "", prefer, representation)
		return strings.Contains(w.Body.String(), `"ancestor":{"rev":"`+first+`","doc":null}`)
	})
	// Branches that came by replication have an ancestor further back.
	call(s, "POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"b","_revisions":{"start":3,"ids":["c","b","a"]},"v":"c"},{"_id":"b","_revisions":{"start":3,"ids":["e","d","a"]},"v":"e"}]}`, "Admin", "")
	expect(t, call(s, "PUT", "/db/b?rev=2-b", `{}`, "Admin", "", prefer, representation), 409, `"winner":{"rev":"3-e","doc":{"_id":"b","_rev":"3-e","v":"e"}},"ancestor":{"rev":"1-a","doc":null}`)
	// A deleted winner, and a revision that nobody knows.
	expect(t, call(s, "DELETE", "/db/a?rev="+second, "", "Admin", ""), 200, `ok`)
	expect(t, call(s, "PUT", "/db/a?rev=7-abc", `{}`, "Admin", "", prefer, representation), 409, `"rev":"7-abc","winner":{"rev":"3-[^"]*","doc":{"_id":"a","_rev":"3-[^"]*","_deleted":true}},"ancestor":null`)
}

func waitUntil(t *testing.T, there func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !there(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	const name = "Idempotency-Key"
	for i, c := range []struct{ method, path, body, kind string }{
		{"POST", "/db", `{"v":1}`, ""},
		{"PUT", "/db/a", `{"v":1}`, ""},
		{"PUT", "/db/a", `{"v":2}`, ""}, // a conflict
		{"POST", "/db/_bulk_docs", `{"docs":[{"v":1},{"_id":"a"},{"_id":"b"}]}`, ""},
		{"POST", "/db/_bulk_docs", `{"atomic":true,"docs":[{"v":1},{"_id":"a"}]}`, ""},
		{"PUT", "/db/c/att", "some bytes", "text/plain"},
		{"PUT", "/db/d", "--x\r\n\r\n{\"_attachments\":{\"f\":{\"follows\":true,\"length\":2}}}\r\n--x\r\n\r\nhi\r\n--x--\r\nand more", "multipart/related; boundary=x"},
		{"DELETE", "/db/b?rev=1-967a00dff5e02add41819138abb3284d", "", ""},
		{"PUT", "/db/_local/x", `{"v":1}`, ""},
		{"PUT", "/db/_design/x", `{"v":1}`, ""},
	} {
		headers := []string{"Admin", "", name, fmt.Sprintf(`"key-%d"`, i)}
		if c.kind != "" {
			headers = append(headers, "Content-Type", c.kind)
		}
		first := call(s, c.method, c.path, c.body, headers...)
		if first.Code >= 500 || first.Code == 400 || first.Header().Get("Idempotency-Replayed") != "" {
			t.Fatalf("%s %s: %d %s", c.method, c.path, first.Code, first.Body)
		}
		before := jsonString(t, call(s, "GET", "/db", "", "Admin", ""), "update_seq")
		again := call(s, c.method, c.path, c.body, headers...)
		if again.Code != first.Code || again.Body.String() != first.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s %s: first %d %s, then %d %s", c.method, c.path, first.Code, first.Body, again.Code, again.Body)
		}
		for _, h := range []string{"Etag", "Location", "Content-Type", "Content-Length"} {
			if first.Header().Get(h) != again.Header().Get(h) {
				t.Errorf("%s %s: %s was %q, then %q", c.method, c.path, h, first.Header().Get(h), again.Header().Get(h))
			}
		}
		if after := jsonString(t, call(s, "GET", "/db", "", "Admin", ""), "update_seq"); after != before {
			t.Errorf("%s %s was done again", c.method, c.path)
		}
		if c.method != "DELETE" {
			expect(t, call(s, c.method, c.path, c.body+" ", headers...), 422, `^{"error":"idempotency_key_reused"`)
		}
		expect(t, call(s, c.method, c.path+queryMark(c.path)+"x=1", c.body, headers...), 422, `idempotency_key_reused`)
	}
	// Without the key, or with another path or key, it is another request.
	first := jsonString(t, call(s, "POST", "/db", `{}`, "Admin", "", name, "k"), "id")
	if other := jsonString(t, call(s, "POST", "/db", `{}`, "Admin", ""), "id"); other == first {
		t.Error("answered from another's key")
	}
	if other := jsonString(t, call(s, "POST", "/db", `{}`, "Admin", "", name, "l"), "id"); other == first {
		t.Error("answered from another key")
	}
	call(s, "PUT", "/db/_security", `{"members":{},"admins":{}}`, "Admin", "")
	if other := jsonString(t, call(s, "POST", "/db", `{}`, name, "k"), "id"); other == first || other == "" {
		t.Error("another user was answered")
	}
	call(s, "PUT", "/db/_security", `{"members":{"names":["x"]}}`, "Admin", "")
	expect(t, call(s, "POST", "/db", `{}`, name, "k"), 401, `not authorized`)
	for _, bad := range []string{"", "a b", "ü", strings.Repeat("x", 256)} {
		expect(t, call(s, "POST", "/db", `{}`, "Admin", "", name, bad), 400, `Idempotency-Key`)
	}
	expect(t, call(s, "GET", "/db/a", "", "Admin", "", name, "a b"), 200, `"_id":"a"`)
	// A request that fails before anything is tried is not remembered.
	expect(t, call(s, "PUT", "/db/late", `{`, "Admin", "", name, "late"), 400, `JSON`)
	expect(t, call(s, "PUT", "/db/late", `{}`, "Admin", "", name, "late"), 201, `ok`)
	expect(t, call(s, "PUT", "/none/late", `{}`, "Admin", "", name, "late"), 404, `Database does not exist`)
}

func queryMark(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// If several requests with one key come at the same time, only one is done.
func TestIdempotencyKeyRace(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	for round := range 10 {
		var wg sync.WaitGroup
		answers := make([]string, 6)
		for i := range answers {
			wg.Go(func() {
				w := call(s, "POST", "/db", `{"v":1}`, "Admin", "", "Idempotency-Key", fmt.Sprint("k", round))
				answers[i] = fmt.Sprint(w.Code, w.Body)
			})
		}
		wg.Wait()
		for _, a := range answers {
			if a != answers[0] || !strings.HasPrefix(a, "201") {
				t.Fatalf("answers differ: %q", answers)
			}
		}
	}
	expect(t, call(s, "GET", "/db", "", "Admin", ""), 200, `"doc_count":10,`)
}
