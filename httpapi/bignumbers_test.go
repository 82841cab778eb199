package httpapi_test

import "testing"

// A whole number may be of any size where CouchDB takes any. One that is too large to matter
// means the same as the largest.
func TestNumbersOfAnySize(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/a", "{}", "Admin", ""), 201, "")
	const huge = "99999999999999999999999"
	for path, want := range map[string]string{
		"/db/_changes?limit=" + huge:                 `"id":"a"`,
		"/db/_changes?limit=-" + huge:                `"id":"a"`,
		"/db/_changes?heartbeat=" + huge:             `"id":"a"`,
		"/db/_changes?feed=longpoll&timeout=" + huge: `"id":"a"`,
		"/db/_changes?seq_interval=" + huge:          `"seq":null`,
		"/_all_dbs?limit=" + huge:                    `"db"`,
		"/_all_dbs?skip=" + huge:                     `[]`,
		"/_all_dbs?skip=1&limit=" + huge:             `[]`,
		"/_db_updates?limit=" + huge:                 `"db_name":"db"`,
		"/db/_index?limit=" + huge:                   `"_all_docs"`,
		"/db/_index?skip=" + huge:                    `"indexes":[]`,
	} {
		wants(t, call(s, "GET", path, "", "Admin", ""), 200, want)
	}
	for _, path := range []string{"/db/_changes?timeout=-" + huge, "/_all_dbs?limit=-" + huge, "/db/_changes?limit=1e3", "/_all_dbs?skip=0x1"} {
		wants(t, call(s, "GET", path, "", "Admin", ""), 400, "error")
	}
}
