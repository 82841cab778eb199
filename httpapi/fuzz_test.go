package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// No request of any kind makes the server fail, and every error is JSON.
func FuzzRequest(f *testing.F) {
	s := openServer(f, Options{})
	for _, setUp := range []struct{ method, path, body string }{
		{"PUT", "/db", ""}, {"PUT", "/db/a", `{"v":1}`}, {"PUT", "/db/_design/d", `{"views":{}}`}, {"PUT", "/db/_local/x", `{}`},
		{"PUT", "/db/b", `{"_attachments":{"f":{"data":"aGk="}}}`},
	} {
		serveFuzz(s, setUp.method, setUp.path, setUp.body, "")
	}
	for _, seed := range []struct{ method, path, body, header string }{
		{"GET", "/db/a?rev=1-x&revs=true&open_revs=[]", "", ""},
		{"GET", "/db/b/f", "", "Range: bytes=0-0,-1"},
		{"PUT", "/db/b/g?rev=1-x", "x", "Content-Encoding: gzip"},
		{"PUT", "/db/c", "--x\r\n\r\n{}\r\n--x--", "Content-Type: multipart/related; boundary=x"},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"q","_revisions":{"start":2,"ids":["a","b"]}}],"new_edits":false}`, ""},
		{"POST", "/db/_bulk_get?revs=true&latest=true", `{"docs":[{"id":"a","rev":"1-x","atts_since":["1-a"]}]}`, ""},
		{"POST", "/db/_revs_diff", `{"a":["1-x","2-y"]}`, ""},
		{"GET", "/db/_changes?since=0&limit=1&style=all_docs&heartbeat=1&timeout=1", "", ""},
		{"GET", "/db/_changes?since=Thu,%2029%20Feb%202024%2023:59:30%20GMT&meta=true&limit=1", "", ""},
		{"GET", "/db/_changes?since=2024-02-29T23:59:30%2B01:00", "", ""},
		{"POST", "/db/_bulk_docs", `{"atomic":true,"docs":[{"_id":"a"},{"_id":"n"}]}`, "Prefer: return=representation"},
		{"POST", "/db/_bulk_docs", `{"atomic":true,"docs":[{"_id":"n"}]}`, `If-Match: "0"`},
		{"PUT", "/db/a?rev=1-x", `{"v":2}`, "Prefer: respond-async, return=\"representation\""},
		{"POST", "/db", `{"v":2}`, "Idempotency-Key: k"},
		{"POST", "/db/_changes?filter=_selector", `{"selector":{"a":{"$in":[1]}}}`, ""},
		{"GET", `/db/_all_docs?startkey="a"&endkey="b"&descending=true&skip=1`, "", ""},
		{"POST", "/db/_all_docs/queries", `{"queries":[{"keys":["a"]}]}`, ""},
		{"POST", "/db/_purge", `{"a":["1-x"]}`, ""},
		{"PUT", "/db/_security", `{"admins":{"names":["a"]}}`, ""},
		{"PUT", "/db/_revs_limit", "7", ""},
		{"COPY", "/db/a", "", "Destination: c?rev=1-x"},
		{"GET", "/_all_dbs?limit=1", "", ""},
		{"GET", "/_uuids?count=3", "", ""},
		{"POST", "/_session", `{"name":"a","password":"b"}`, ""},
	} {
		f.Add(seed.method, seed.path, seed.body, seed.header)
	}
	f.Fuzz(func(t *testing.T, method, path, body, header string) {
		if strings.Contains(path, "feed=") || strings.HasPrefix(path, "/_db_updates") || method == http.MethodDelete && strings.Count(path, "/") < 2 {
			return // feeds wait, and the database is needed
		}
		answer := serveFuzz(s, method, path, body, header)
		if answer == nil {
			return
		}
		if answer.Code >= 500 && answer.Code != http.StatusNotImplemented {
			t.Errorf("%s %q %q %q: %d %s", method, path, body, header, answer.Code, answer.Body)
		}
		if answer.Code >= 400 && method != http.MethodHead && !strings.HasPrefix(answer.Body.String(), "{") && !strings.HasPrefix(answer.Body.String(), "[") {
			t.Errorf("%s %q: %d %q", method, path, answer.Code, answer.Body)
		}
	})
}

// serveFuzz makes a request as the administrator, if net/http would let it through.
func serveFuzz(s http.Handler, method, path, body, header string) *httptest.ResponseRecorder {
	u, err := url.ParseRequestURI(path)
	if err != nil || !strings.HasPrefix(path, "/") {
		return nil
	}
	r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
	r.Method, r.URL, r.RequestURI = method, u, path
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if name, value, ok := strings.Cut(header, ":"); ok {
		r.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	r.SetBasicAuth("admin", "secret")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
