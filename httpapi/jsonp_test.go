package httpapi_test

import (
	"strconv"
	"strings"
	"testing"
)

// If JSONP is allowed, all JSON is answered as a call of the function that the request names,
// even errors and streams. If it is not, the parameter means nothing.
func TestJSONP(t *testing.T) {
	t.Parallel()
	c := settings(t)
	s := openServer(t, Options{Config: c})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/a", `{"v":1,"_attachments":{"j":{"content_type":"application/json","data":"e30="}}}`, "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/_design/d", `{"shows":{"s":"function(){return {json:1}}"},"views":{"v":{"map":"function(d){emit(d._id)}"}},"lists":{"l":"function(){var r,o=[];while(r=getRow())o.push(r.id);return o.join()}"}}`, "Admin", ""), 201, "")
	plain := call(s, "GET", "/db/a?callback=f", "", "Admin", "")
	if got := plain.Body.String(); !strings.HasPrefix(got, "{") || plain.Header().Get("Content-Type") != "application/json" {
		t.Errorf("without the setting: %v %s", plain.Header(), got)
	}
	set(t, c, "chttpd/allow_jsonp", "true")
	for _, q := range []struct {
		method, path, body string
		status             int
		starts, ends       string
	}{
		{"GET", "/db/a?callback=f", "", 200, `f({"_id":"a",`, "});\n"},
		{"GET", "/db/a?callback=a.b[0]_C", "", 200, `a.b[0]_C({"_id"`, "});\n"},
		{"GET", "/db/none?callback=f", "", 404, `f({"error":"not_found","reason":"missing"`, "});\n"},
		{"GET", "/none?callback=f", "", 404, `f({"error":"not_found"`, "});\n"},
		{"PATCH", "/_all_dbs?callback=f", "", 405, `f({"error":"method_not_allowed"`, "});\n"},
		{"GET", "/?callback=f", "", 200, `f({"couchdb":"Welcome"`, "});\n"},
		{"GET", "/db/_revs_limit?callback=f", "", 200, `f(1000`, ");\n"},
		{"GET", "/db/_all_docs?callback=f", "", 200, `f({"total_rows":2,"offset":0,"rows":[` + "\r\n", "\r\n]});\n"},
		{"GET", "/db/_design/d/_view/v?callback=f", "", 200, `f({"total_rows":1,`, "\r\n]});\n"},
		{"GET", "/db/_changes?callback=f", "", 200, `f({"results":[`, "});\n"},
		{"GET", "/db/_changes?callback=f&feed=longpoll&timeout=1", "", 200, `f({"results":[`, "});\n"},
		{"GET", "/db/a?open_revs=all&callback=f", "", 200, `f([{"ok":{`, "]);\n"},
		{"GET", "/db/a?attachments=true&callback=f", "", 200, `f({"_id":"a"`, "});\n"},
		{"POST", "/db/_find?callback=f", `{"selector":{}}`, 200, `f({"docs":[`, "});\n"},
		{"POST", "/db/_bulk_docs?callback=f", `{"docs":[{"_id":"b"}]}`, 201, `f([{"ok":true`, "]);\n"},
		{"PUT", "/db/c?callback=f", `{}`, 201, `f({"ok":true,"id":"c"`, "});\n"},
		{"PUT", "/db/c?callback=f", `{}`, 409, `f({"error":"conflict"`, "});\n"},
		{"DELETE", "/db?rev=1&callback=f", "", 400, `f({"error":"bad_request"`, "});\n"},
	} {
		w := call(s, q.method, q.path, q.body, "Admin", "", "Accept", "application/json")
		got, h := w.Body.String(), w.Header()
		if w.Code != q.status || !strings.HasPrefix(got, "/* CouchDB */"+q.starts) || !strings.HasSuffix(got, q.ends) {
			t.Errorf("%s %s: %d %q", q.method, q.path, w.Code, got)
		}
		if h.Get("Content-Type") != "application/javascript" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %v", q.method, q.path, h)
		}
		if length := h.Get("Content-Length"); length != "" && length != strconv.Itoa(len(got)) {
			t.Errorf("%s %s: %s bytes announced of %d", q.method, q.path, length, len(got))
		}
		if q.method == "GET" {
			head := call(s, "HEAD", q.path, "", "Admin", "", "Accept", "application/json")
			if length := head.Header().Get("Content-Length"); head.Code != q.status || head.Header().Get("Content-Type") != "application/javascript" || length != "" && !strings.Contains(q.path, "_changes") && length != h.Get("Content-Length") {
				t.Errorf("HEAD %s: %d %v", q.path, head.Code, head.Header())
			}
		}
	}
	// Answers that are not JSON stay as they are.
	for path, want := range map[string]string{
		"/db/a/j?callback=f": "{}", "/db/_design/d/_show/s?callback=f": "1", "/db/_design/d/_list/l/v?callback=f": "a,b,c",
		"/db/a?callback=": `{"_id":"a"`, "/db/a?Callback=f": `{"_id":"a"`,
		"/db/a?attachments=true&callback=f": "\r\n", "/db/_changes?feed=eventsource&timeout=1&callback=f": "data: ",
	} {
		if w := call(s, "GET", path, "", "Admin", ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "f(") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// A name that is not valid is refused before anything is done.
func TestBadCallbacks(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "chttpd/allow_jsonp", "true")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	for _, name := range []string{"a%3Bb", "%22x", "a(b", "a%2Fb", "%3Cscript%3E", "a%20b", "%C3%BC", "a%0Ab", "a-b", "a=b", "$"} {
		w := call(s, "PUT", "/db/x?callback="+name, "{}", "Admin", "")
		if wants(t, w, 400, `"reason":"invalid_callback"`); w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", name, w.Header())
		}
	}
	wants(t, call(s, "GET", "/db/x", "", "Admin", ""), 404, "missing")
}
