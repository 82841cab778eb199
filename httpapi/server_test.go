package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/tododb/tododb/httpapi/wire"
)

func TestServerEndpoints(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{UUID: "00ff", Version: "0.1"})
	for _, name := range []string{"a", "b/c", "d"} {
		if err := s.Store.Create(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
	const noDB = `{"error":"not_found","reason":"Database does not exist."}`
	const notAdmin = `{"error":"unauthorized","reason":"You are not a server admin."}`
	for _, c := range []struct {
		method, path, body string
		admin              bool
		status             int
		want               string // the body, or a regular expression after a tilde
		headers            string // "Name: value", one
	}{
		{"GET", "/", "", false, 200, `{"couchdb":"Welcome","version":"3.5.0","git_sha":"tododb","uuid":"00ff","features":["partitioned","pluggable-storage-engines"],"vendor":{"name":"tododb","version":"0.1"}}`, "Server: CouchDB/3.5.0 (tododb/0.1)"},
		{"GET", "//", "", false, 200, `~Welcome`, ""},
		{"PUT", "/", "", false, 405, `{"error":"method_not_allowed","reason":"Only GET,HEAD allowed"}`, "Allow: GET,HEAD"},
		{"GET", "/_up", "", false, 200, `{"status":"ok","seeds":{}}`, "Cache-Control: must-revalidate"},
		{"GET", "/_up/x/", "", false, 200, `~ok`, ""},
		{"HEAD", "/_up", "", false, 200, ``, "Content-Length: 27"},
		{"GET", "/_all_dbs", "", false, 401, notAdmin, ""},
		{"GET", "/_all_dbs", "", true, 200, `["a","b/c","d"]`, ""},
		{"GET", "/_all_dbs/", "", true, 200, `["a","b/c","d"]`, ""},
		{"GET", `/_all_dbs?descending=true&limit=2`, "", true, 200, `["d","b/c"]`, ""},
		{"GET", `/_all_dbs?startkey=%22b%22`, "", true, 200, `["b/c","d"]`, ""},
		{"GET", `/_all_dbs?startkey=%22b/c%22&endkey=%22d%22&inclusive_end=false`, "", true, 200, `["b/c"]`, ""},
		{"GET", `/_all_dbs?startkey=%22c%22&descending=true&endkey=%22a%22&inclusive_end=false`, "", true, 200, `["b/c"]`, ""},
		{"GET", `/_all_dbs?key=%22d%22`, "", true, 200, `["d"]`, ""},
		{"GET", `/_all_dbs?key=%22dd%22`, "", true, 200, `[]`, ""},
		{"GET", `/_all_dbs?startkey=5`, "", true, 200, `["a","b/c","d"]`, ""},
		{"GET", `/_all_dbs?startkey={}`, "", true, 200, `[]`, ""},
		{"GET", `/_all_dbs?startkey=%22b%22&endkey=%22a%22`, "", true, 200, `[]`, ""},
		{"GET", `/_all_dbs?skip=1;limit=1`, "", true, 200, `["b/c"]`, ""},
		{"GET", `/_all_dbs?limit=x`, "", true, 400, `{"error":"query_parse_error","reason":"Invalid value for integer: \"x\""}`, ""},
		{"GET", `/_all_dbs?limit=`, "", true, 400, `{"error":"query_parse_error","reason":"Invalid value for integer: []"}`, ""},
		{"GET", `/_all_dbs?skip=-1`, "", true, 400, `{"error":"query_parse_error","reason":"Invalid value for positive integer: \"-1\""}`, ""},
		{"GET", `/_all_dbs?descending`, "", true, 400, `{"error":"query_parse_error","reason":"Invalid boolean parameter: []"}`, ""},
		{"GET", `/_all_dbs?key=x`, "", true, 400, `{"error":"bad_request","reason":"invalid UTF-8 JSON"}`, ""},
		{"GET", `/_all_dbs?key=%zz`, "", true, 400, `{"error":"bad_request","reason":"invalid_url_encoding"}`, ""},
		{"POST", "/_all_dbs", "{}", true, 405, `~Only GET,HEAD`, "Allow: GET,HEAD"},
		{"GET", "/_dbs_info?key=%22b/c%22", "", true, 200, `~^\[{"key":"b/c","info":{"db_name":"b/c",.*"update_seq":"0-.*"instance_start_time":"\d+"}}\]$`, ""},
		{"POST", "/_dbs_info", `{"keys":["d","nope","Bad Name",""]}`, true, 200, `~^\[{"key":"d","info":{.*}},{"key":"nope","error":"not_found"},{"key":"Bad Name","error":"not_found"},{"key":"","error":"not_found"}\]$`, ""},
		{"POST", "/_dbs_info", `{}`, true, 400, "{\"error\":\"bad_request\",\"reason\":\"`keys` member must exist.\"}", ""},
		{"POST", "/_dbs_info", `{"keys":null}`, true, 400, "~must be an array", ""},
		{"POST", "/_dbs_info", `[]`, true, 400, `{"error":"bad_request","reason":"Request body must be a JSON object"}`, ""},
		{"POST", "/_dbs_info", `{`, true, 400, `{"error":"bad_request","reason":"invalid UTF-8 JSON"}`, ""},
		{"GET", "/_uuids?count=2", "", false, 200, `~^{"uuids":\["[0-9a-f]{32}","[0-9a-f]{32}"\]}$`, "Cache-Control: no-cache"},
		{"GET", "/_uuids?count=0", "", false, 200, `{"uuids":[]}`, ""},
		{"GET", "/_uuids?count=%2B1&count=5", "", false, 200, `~^{"uuids":\["[0-9a-f]{32}"\]}$`, ""},
		{"GET", "/_uuids?count=1e2", "", false, 400, `{"error":"bad_request","reason":"count must be a positive integer"}`, ""},
		{"GET", "/_uuids?count=1001", "", false, 400, `{"error":"bad_request","reason":"count parameter too large"}`, ""},
		{"GET", "/_uuids?count=99999999999999999999", "", false, 400, `~too large`, ""},
		{"DELETE", "/_uuids", "", false, 405, `~Only GET allowed`, "Allow: GET"},
		{"GET", "/_active_tasks", "", true, 200, `[]`, ""},
		{"GET", "/_membership", "", true, 200, `{"all_nodes":["nonode@nohost"],"cluster_nodes":["nonode@nohost"]}`, ""},
		{"GET", "/_node/_local", "", true, 200, `{"name":"nonode@nohost"}`, ""},
		{"GET", "/_node/_local/_config", "", false, 401, notAdmin, ""},
		{"GET", "/_node/_local/_config", "", true, 200, `~"chttpd":`, ""},
		{"GET", "/_node/elsewhere/_config", "", true, 404, `~no such node`, ""},
		{"GET", "/favicon.ico", "", false, 204, ``, ""},
		{"GET", "/_utils", "", false, 301, ``, "Location: http://example.com/_utils/"},
		{"GET", "/_nope", "", true, 404, noDB, ""},
		{"PATCH", "/_nope/x", "", true, 404, noDB, ""},
		{"PUT", "/_nope", "", false, 401, notAdmin, ""},
		{"PUT", "/_nope", "", true, 400, `~illegal_database_name.*'_nope'`, ""},
		{"POST", "/_replicate", "{}", false, 401, `{"error":"unauthorized","reason":"You are not an authenticated user"}`, ""},
		{"GET", "/_replicate", "", true, 400, `{"error":"bad_request","reason":"Missing request body"}`, ""},
		{"PUT", "/_replicate", "", true, 400, `{"error":"bad_request","reason":"invalid UTF-8 JSON"}`, ""},
		{"POST", "/_replicate", "{}", true, 501, `~not_implemented`, ""},
		{"POST", "/_reload_query_servers", "{}", true, 200, `{"ok":true}`, ""},
		{"POST", "/_reload_query_servers", "{}", false, 401, `~unauthorized`, ""},
		{"GET", "/_session", "", false, 200, `{"ok":true,"userCtx":{"name":null,"roles":[]},"info":{"authentication_handlers":["cookie","default"]}}`, ""},
		{"GET", "/_session", "", true, 200, `{"ok":true,"userCtx":{"name":"admin","roles":["_admin"]},"info":{"authentication_handlers":["cookie","default"],"authenticated":"default"}}`, ""},
		{"GET", "/_session?basic=true", "", false, 401, `{"error":"unauthorized","reason":"Please login."}`, ""},
		{"PUT", "/_session", "{}", false, 405, `~Only GET,HEAD,POST,DELETE allowed`, "Allow: GET,HEAD,POST,DELETE"},
		{"POST", "/_session", `{"username":"admin","password":"secret"}`, false, 200, `{"ok":true,"name":"admin","roles":["_admin"]}`, ""},
		{"POST", "/_session", `{"name":"admin"}`, false, 401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`, ""},
		{"POST", "/_session", `{}`, false, 400, `{"error":"bad_request","reason":"request body must contain a username"}`, ""},
		{"POST", "/_session", `{"name":5}`, false, 400, `~must be strings`, ""},
		{"POST", "/_session", `{`, false, 400, `{"error":"bad_request","reason":"invalid UTF-8 JSON"}`, ""},
		{"POST", "/_session", ``, false, 415, `~bad_content_type`, ""},
		{"POST", "/_session?next=/x%3Fy", `{"name":"admin","password":"secret"}`, false, 302, `~ok`, "Location: http://example.com/x?y"},
		{"POST", "/_session?next=http://evil/", `{"name":"admin","password":"secret"}`, false, 400, `~path must begin with`, ""},
		{"POST", "/_session?fail=/oops", `{"name":"admin","password":"x"}`, false, 302, `~unauthorized`, "Location: http://example.com/oops"},
		{"DELETE", "/_session", ``, false, 200, `{"ok":true}`, ""},
		{"OPTIONS", "/a", "", true, 405, `~method_not_allowed`, ""},
		{"POST", "/a/_find", "{}", true, 400, `~Missing required key: selector`, ""},
		{"PUT", "/a/_find", "{}", true, 405, `~Only POST allowed`, "Allow: POST"},
		{"POST", "/nope/_find", "{}", true, 404, noDB, ""},
		{"POST", "/a/_find", "{}", false, 401, `{"error":"unauthorized","reason":"You are not authorized to access this db."}`, ""},
		{"GET", "/b%2Fc/_design%2Fd%2Ba?x=1", "", true, 301, ``, "Location: http://example.com/b%2Fc/_design/d%2Ba?x=1"},
		{"GET", "/a/_partition/p", "", true, 400, `{"error":"bad_request","reason":"database is not partitioned"}`, ""},
		{"GET", "/a/_temp_view", "", true, 410, `~gone`, ""},
	} {
		var headers []string
		if c.admin {
			headers = []string{"Admin", ""}
		}
		w := call(s, c.method, c.path, c.body, headers...)
		body := strings.TrimSuffix(w.Body.String(), "\n")
		ok := body == c.want
		if pattern, is := strings.CutPrefix(c.want, "~"); is {
			ok = regexp.MustCompile(pattern).MatchString(body)
		}
		if w.Code != c.status || !ok {
			t.Errorf("%s %s: %d %s\nwant %d %s", c.method, c.path, w.Code, body, c.status, c.want)
		}
		if name, value, is := strings.Cut(c.headers, ": "); is && w.Header().Get(name) != value {
			t.Errorf("%s %s: %s is %q, want %q", c.method, c.path, name, w.Header().Get(name), value)
		}
		if w.Code >= 400 && w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: the error is %q", c.method, c.path, w.Header().Get("Content-Type"))
		}
		if len(w.Header().Get("X-Couch-Request-Id")) != 10 || w.Header().Get("Server") == "" {
			t.Errorf("%s %s: headers %v", c.method, c.path, w.Header())
		}
	}
}

func TestMethodOverride(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	if w := call(s, "POST", "/_up", "{}", "X-HTTP-Method-Override", "GET"); w.Code != 200 {
		t.Errorf("GET in a POST: %d", w.Code)
	}
	if w := call(s, "POST", "/_up", "{}", "X-HTTP-Method-Override", "NONSENSE"); w.Code != 405 {
		t.Errorf("nonsense in a POST: %d", w.Code)
	}
	if w := call(s, "GET", "/_up", "", "X-HTTP-Method-Override", "DELETE"); w.Code != 200 {
		t.Errorf("DELETE in a GET: %d", w.Code)
	}
}

func TestCredentialsAreJudgedOnEveryPath(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	for _, path := range []string{"/", "/_up", "/_nope", "/x/y"} {
		r := httptest.NewRequest("GET", path, nil)
		r.SetBasicAuth("admin", "wrong")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 401 || !strings.Contains(w.Body.String(), "Name or password is incorrect.") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := call(s, "GET", "/", "", "Cookie", "AuthSession=bad"); w.Code != 400 || !strings.HasPrefix(w.Header().Get("Set-Cookie"), "AuthSession=; ") {
		t.Errorf("bad cookie: %d, Set-Cookie %q", w.Code, w.Header().Get("Set-Cookie"))
	}
	if w := call(s, "GET", "/", "", "Authorization", "Basic !!!"); w.Code != 400 {
		t.Errorf("bad base64: %d", w.Code)
	}
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	s := openServer(t, Options{Now: func() time.Time { return now }})
	w := call(s, "POST", "/_session", "name=admin&password=secret", "Content-Type", "application/x-www-form-urlencoded")
	cookie := w.Header().Get("Set-Cookie")
	if w.Code != 200 || !strings.HasPrefix(cookie, "AuthSession=") {
		t.Fatalf("%d %q", w.Code, cookie)
	}
	w = call(s, "GET", "/_all_dbs", "", "Cookie", cookie)
	if w.Code != 200 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("fresh: %d, %q", w.Code, w.Header().Get("Set-Cookie"))
	}
	now = now.Add(5 * time.Minute)
	w = call(s, "GET", "/_all_dbs", "", "Cookie", cookie)
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Set-Cookie"), "AuthSession=") {
		t.Errorf("used: %d, %q", w.Code, w.Header().Get("Set-Cookie"))
	}
	now = now.Add(6 * time.Minute)
	if w = call(s, "GET", "/_all_dbs", "", "Cookie", cookie); w.Code != 401 {
		t.Errorf("ended: %d", w.Code)
	}
	if w = call(s, "DELETE", "/_session", ""); !strings.HasPrefix(w.Header().Get("Set-Cookie"), "AuthSession=; ") {
		t.Errorf("logout: %q", w.Header().Get("Set-Cookie"))
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	if h := call(s, "GET", "/", "", "Origin", "http://app.example").Header(); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "" {
		t.Errorf("off: %v", h)
	}
	// Switched on while the server runs, as set-up programs do.
	set(t, s.Config, "cors/origins", "http://app.example, app://obsidian.md", "cors/credentials", "true", "cors/headers", "X-Mine", "chttpd/enable_cors", "true")
	for _, origin := range []string{"http://app.example", "app://obsidian.md"} {
		for _, path := range []string{"/", "/_all_dbs", "/nope", "/_nope"} {
			h := call(s, "GET", path, "", "Origin", origin).Header()
			if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "etag") {
				t.Errorf("%s %s: %v", origin, path, h)
			}
		}
	}
	w := call(s, "OPTIONS", "/db/doc", "", "Origin", "app://obsidian.md", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "Content-Type, authorization, x-mine, x-theirs")
	h := w.Header()
	if w.Code != 204 || h.Get("Access-Control-Allow-Headers") != "content-type, authorization, x-mine" || h.Get("Access-Control-Max-Age") != "600" ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") || h.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("preflight: %d %v", w.Code, h)
	}
	for _, origin := range []string{"http://evil.example", "http://app.example.evil", "null"} {
		w := call(s, "OPTIONS", "/db/doc", "", "Origin", origin, "Access-Control-Request-Method", "PUT")
		if w.Code == 204 || w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("Vary") == "" {
			t.Errorf("%s: %d %v", origin, w.Code, w.Header())
		}
	}
	set(t, s.Config, "cors/origins", "*")
	if got := call(s, "GET", "/", "", "Origin", "http://x").Header().Get("Access-Control-Allow-Origin"); got != "http://x" {
		t.Errorf("any origin: %q", got)
	}
	set(t, s.Config, "chttpd/enable_cors", "false")
	if h := call(s, "GET", "/", "", "Origin", "http://x").Header(); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "" {
		t.Errorf("off again: %v", h)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "chttpd/max_http_request_size", "100")})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, `{"keys":[]}`)
	z.Close()
	var bomb bytes.Buffer
	z = gzip.NewWriter(&bomb)
	z.Write(make([]byte, 1<<20))
	z.Close()
	for _, c := range []struct {
		name, body, coding string
		status             int
	}{
		{"plain", `{"keys":[]}`, "", 200},
		{"identity", `{"keys":[]}`, "identity", 200},
		{"gzip", zipped.String(), "gzip", 200},
		{"bad gzip", "nonsense", "gzip", 400},
		{"cut gzip", zipped.String()[:len(zipped.String())-9], "gzip", 400},
		{"large gzip", bomb.String(), "gzip", 413},
		{"unknown", "x", "br", 415},
		{"just fits", `{"keys":[]` + strings.Repeat(" ", 89) + "}", "", 200},
		{"too large", `{"keys":[]` + strings.Repeat(" ", 90) + "}", "", 413},
	} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest("POST", "/_dbs_info", strings.NewReader(c.body))
			r.SetBasicAuth("admin", "secret")
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			if c.coding != "" {
				r.Header.Set("Content-Encoding", c.coding)
			}
			if chunked {
				r.ContentLength = -1
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("%s, chunked %v: %d %s", c.name, chunked, w.Code, w.Body)
			}
		}
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	w := call(s, "GET", "/_uuids?count=100", "", "Accept-Encoding", "deflate, gzip;q=0.5")
	if w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Content-Length") != "" {
		t.Fatalf("%v", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ UUIDs []string }
	if err := json.NewDecoder(z).Decode(&got); err != nil || len(got.UUIDs) != 100 {
		t.Errorf("%v, %d", err, len(got.UUIDs))
	}
	for _, accept := range []string{"", "deflate", "gzip;q=0", "gzip;q=0.0", "x-gzip"} {
		if h := call(s, "GET", "/_uuids?count=100", "", "Accept-Encoding", accept).Header(); h.Get("Content-Encoding") != "" || h.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %v", accept, h)
		}
	}
	if h := call(s, "GET", "/", "", "Accept-Encoding", "gzip").Header(); h.Get("Content-Encoding") != "" {
		t.Error("a small answer was compressed")
	}
	if h := call(s, "HEAD", "/", "", "Accept-Encoding", "gzip").Header(); h.Get("Content-Length") == "" {
		t.Error("HEAD without a length")
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	fail := wire.Errorf(418, "teapot", "short and stout")
	s.Handle("/_t/whole", func(w http.ResponseWriter, r *http.Request) error {
		st := wire.NewStream(w, r, 200)
		defer st.Drop()
		st.Buf = append(st.Buf, "[]\n"...)
		return st.End()
	})
	s.Handle("/_t/long", func(w http.ResponseWriter, r *http.Request) error {
		st := wire.NewStream(w, r, 200)
		defer st.Drop()
		for range 1 << 16 {
			if st.Full() {
				if err := st.Flush(); err != nil {
					return err
				}
			}
			st.Buf = append(st.Buf, "0123456789abcde\n"...)
		}
		return st.End()
	})
	s.Handle("/_t/early", func(w http.ResponseWriter, r *http.Request) error {
		st := wire.NewStream(w, r, 200)
		defer st.Drop()
		w.Header().Set("Etag", `"x"`)
		st.Buf = append(st.Buf, "["...)
		return fail
	})
	s.Handle("/_t/late", func(w http.ResponseWriter, r *http.Request) error {
		st := wire.NewStream(w, r, 200)
		defer st.Drop()
		st.Buf = append(st.Buf, "["...)
		if err := st.Push(); err != nil {
			return err
		}
		return fail
	})
	s.Handle("/_t/panic", func(http.ResponseWriter, *http.Request) error { panic("no") })
	server := httptest.NewServer(s)
	defer server.Close()
	for _, compressed := range []bool{false, true} {
		client := &http.Client{Transport: &http.Transport{DisableCompression: !compressed}}
		get := func(path string) (*http.Response, string, error) {
			t.Helper()
			resp, err := client.Get(server.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return resp, string(body), err
		}
		if resp, body, err := get("/_t/whole"); err != nil || body != "[]\n" || resp.ContentLength != 3 {
			t.Errorf("whole: %v %q %v", resp, body, err)
		}
		if resp, body, err := get("/_t/long"); err != nil || len(body) != 1<<20 || resp.ContentLength != -1 {
			t.Errorf("long: %v %d %v", resp, len(body), err)
		}
		if resp, body, err := get("/_t/early"); err != nil || resp.StatusCode != 418 || body != `{"error":"teapot","reason":"short and stout"}`+"\n" || resp.Header.Get("Etag") != "" {
			t.Errorf("early: %v %q %v", resp, body, err)
		}
		if _, body, err := get("/_t/late"); err == nil {
			t.Errorf("late: a cut answer looks whole: %q", body)
		}
		if resp, body, err := get("/_t/panic"); err != nil || resp.StatusCode != 500 || !strings.Contains(body, "internal_server_error") {
			t.Errorf("panic: %v %q %v", resp, body, err)
		}
	}
	if resp, err := http.Head(server.URL + "/_t/long"); err != nil || resp.StatusCode != 200 {
		t.Errorf("HEAD: %v %v", resp, err)
	}
}

func TestCloseWaitsForRequests(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	inside, answered := make(chan struct{}), make(chan int, 1)
	s.Handle("/_t/feed", func(w http.ResponseWriter, r *http.Request) error {
		close(inside)
		<-s.Shared().Closing()
		return wire.WriteJSON(w, r, 200, []byte(`{}`))
	})
	go func() { answered <- call(s, "GET", "/_t/feed", "").Code }()
	<-inside
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != 200 {
		t.Errorf("the feed ended with %d", got)
	}
	if w := call(s, "GET", "/", ""); w.Code != 503 {
		t.Errorf("after the close: %d", w.Code)
	}
}

// How many databases there are between two names is told in a header, whatever part of them is listed.
func TestDatabasesAreCounted(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	for _, name := range []string{"a", "b", "c", "d"} {
		call(s, "PUT", "/"+name, "", "Admin", "")
	}
	for query, want := range map[string][2]string{
		`startkey="a"&endkey="c"&limit=0`:                         {"3", "[]"},
		`startkey="c"&endkey="a"&descending=true&limit=1`:         {"3", `["c"]`},
		`startkey="a"&endkey="c"&inclusive_end=false&skip=1`:      {"2", `["b"]`},
		`startkey="d"&endkey="a"`:                                 {"0", "[]"},
		`startkey={}&limit=0`:                                     {"0", "[]"},
		`startkey="a"&endkey="d"&skip=3&limit=5&descending=false`: {"4", `["d"]`},
	} {
		w := call(s, "GET", "/_all_dbs?count=true&"+strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D").Replace(query), "", "Admin", "")
		if got := [2]string{w.Header().Get("Total-Rows"), strings.TrimSpace(w.Body.String())}; w.Code != 200 || got != want {
			t.Errorf("%s: %d %v, want %v", query, w.Code, got, want)
		}
	}
	if w := call(s, "GET", "/_all_dbs", "", "Admin", ""); w.Header()["Total-Rows"] != nil {
		t.Errorf("counted without being asked: %v", w.Header())
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := openServer(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	w := call(s, "GET", "/_all_dbs?key=%22secret%22", "", "Admin", "")
	for _, part := range []string{"level=INFO", "request=" + w.Header().Get("X-Couch-Request-Id"), "user=admin", "method=GET", "path=/_all_dbs", "status=200", "bytes=3"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%q lacks %q", log.String(), part)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("a key or a password in %q", log.String())
	}
}

// The cost of a request before a handler sees it: no path has PATCH.
func BenchmarkOverhead(b *testing.B) {
	s := openServer(b, Options{})
	if err := s.Store.Create(context.Background(), "db"); err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{"/db/doc", "/db/_bulk_docs", "/_up"} {
		b.Run(path, func(b *testing.B) {
			r := httptest.NewRequest("PATCH", path, nil)
			r.SetBasicAuth("admin", "secret")
			b.ReportAllocs()
			for b.Loop() {
				s.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
