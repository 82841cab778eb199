package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	for _, path := range []string{"/db", "/db/a", "/db/b"} {
		if w := call(s, "PUT", path, strings.Repeat("{}", strings.Count(path, "/")-1), "Admin", ""); w.Code != 201 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	call(s, "POST", "/db/_bulk_docs", `{"docs":[]}`, "Admin", "")
	call(s, "BREW", "/db/a", "", "Admin", "")
	call(s, "GET", "/db/none", "", "Admin", "")

	text := call(s, "GET", "/_node/_local/_prometheus", "", "Admin", "")
	if got := text.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("type %q", got)
	}
	for _, line := range []string{
		"# TYPE couchdb_httpd_requests_total counter", "couchdb_httpd_requests_total 6",
		`couchdb_httpd_request_methods{method="PUT"} 3`, `couchdb_httpd_request_methods{method="other"} 1`, `couchdb_httpd_request_methods{method="COPY"} 0`,
		`couchdb_httpd_status_codes{code="201"} 4`, `couchdb_httpd_status_codes{code="404"} 1`, `couchdb_httpd_status_codes{code="405"} 1`,
		"couchdb_httpd_bulk_requests_total 1", "couchdb_request_time_seconds_count 6", "couchdb_open_databases_total 1", "couchdb_httpd_clients_requesting_changes 0",
	} {
		if !strings.Contains(text.Body.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, text.Body)
		}
	}
	type leaf struct {
		Value any
		Type  string
	}
	for path, want := range map[string]leaf{
		"/couchdb/httpd/requests": {7.0, "counter"}, "/couchdb/httpd_request_methods/PUT": {3.0, "counter"},
		"/couchdb/httpd_status_codes/404": {1.0, "counter"}, "/couchdb/open_databases": {1.0, "gauge"},
	} {
		// Each request is counted when it is over, so asking for the count makes it grow.
		var got leaf
		w := call(s, "GET", "/_node/_local/_stats"+path, "", "Admin", "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Type != want.Type || got.Value.(float64) < want.Value.(float64) {
			t.Errorf("%s: %s, want %v", path, w.Body, want)
		}
	}
	var all struct {
		Couchdb struct {
			RequestTime struct {
				Value struct {
					N    int     `json:"n"`
					Mean float64 `json:"arithmetic_mean"`
				} `json:"value"`
			} `json:"request_time"`
		} `json:"couchdb"`
	}
	w := call(s, "GET", "/_node/nonode@nohost/_stats", "", "Admin", "")
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || all.Couchdb.RequestTime.Value.N < 7 || all.Couchdb.RequestTime.Value.Mean <= 0 {
		t.Errorf("%v\n%s", err, w.Body)
	}
	if w := call(s, "GET", "/_node/_local/_stats/couchdb/nothing", "", "Admin", ""); w.Code != 404 {
		t.Errorf("an unknown figure: %d", w.Code)
	}
	var system struct {
		Processes int               `json:"process_count"`
		Memory    map[string]uint64 `json:"memory"`
	}
	w = call(s, "GET", "/_node/_local/_system", "", "Admin", "")
	if err := json.Unmarshal(w.Body.Bytes(), &system); err != nil || system.Processes == 0 || system.Memory["binary"] == 0 {
		t.Errorf("%v\n%s", err, w.Body)
	}
	for _, path := range []string{"_stats", "_system", "_prometheus"} {
		if w := call(s, "GET", "/_node/_local/"+path, ""); w.Code != 401 || !strings.Contains(w.Body.String(), "metrics user") {
			t.Errorf("%s by nobody: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestFiguresOfPasswords(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	figure := func(name string) float64 {
		t.Helper()
		var leaf struct{ Value float64 }
		if err := json.Unmarshal(call(s, "GET", "/_node/_local/_stats/couchdb/password_hashing_"+name, "", "Admin", "").Body.Bytes(), &leaf); err != nil {
			t.Fatal(err)
		}
		return leaf.Value
	}
	for _, c := range []struct {
		password   string
		slow, fast float64
	}{
		{"wrong", 1, 0}, {"wrong", 1, 0}, {"annapw", 1, 1}, {"annapw", 0, 1},
	} {
		slow, fast := figure("slow"), figure("fast")
		call(s, "POST", "/_session", `{"name":"anna","password":"`+c.password+`"}`)
		slow, fast = figure("slow")-slow, figure("fast")-fast-2 // the administrator asked twice
		if slow != c.slow || fast != c.fast {
			t.Errorf("%s: %v slow and %v fast, want %v and %v", c.password, slow, fast, c.slow, c.fast)
		}
	}
}
