package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tododb/tododb/replicate"
)

// victimServer has a database that joe is only a member of, with a design document that
// has an attachment, and one that is joe's own; the replicator works on both.
func victimServer(t *testing.T) *Server {
	t.Helper()
	var replicator later
	s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1"), Replicator: &replicator})
	m, err := replicate.NewManager(t.Context(), replicate.Options{Store: s.Store, Open: s.Access().OpenFor})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	replicator.Replicator = m
	must(t, s, testAdmin, 201, "PUT", "/_users", "")
	must(t, s, testAdmin, 201, "PUT", "/_users/org.couchdb.user:joe", `{"name":"joe","password":"joe","roles":[],"type":"user"}`)
	must(t, s, testAdmin, 201, "PUT", "/victim", "")
	must(t, s, testAdmin, 200, "PUT", "/victim/_security", `{"members":{"names":["joe"]},"admins":{"names":["boss"]}}`)
	must(t, s, testAdmin, 201, "PUT", "/victim/_design/d", `{"updates":{
		"design":"function(doc, req) { return [JSON.parse(req.body), 'done'] }"},
		"rewrites":[{"from":"w","to":"../../_design/new"},{"from":"b","to":"../../_bulk_docs"}],
		"_attachments":{"a":{"content_type":"text/plain","data":"aGk="}}}`)
	must(t, s, testAdmin, 201, "PUT", "/mine", "")
	must(t, s, testAdmin, 200, "PUT", "/mine/_security", `{"members":{"names":["joe"]},"admins":{"names":["joe"]}}`)
	return s
}

// designState shows all design documents of a database, with every revision.
func designState(t *testing.T, s *Server, db string) string {
	t.Helper()
	rows, _, _ := strings.Cut(must(t, s, testAdmin, 200, "GET", "/"+db+"/_changes?filter=_design&style=all_docs&include_docs=true&attachments=true", ""), `"last_seq"`)
	return rows
}

// A member of a database cannot change its design documents in any way.
func TestNoWayInForDesignDocuments(t *testing.T) {
	t.Parallel()
	s := victimServer(t)
	must(t, s, testJoe, 201, "PUT", "/victim/plain", `{"x":1}`)
	rev := revOf(t, s, "/victim/_design/d")
	before := designState(t, s, "victim")
	gen, hash, _ := strings.Cut(rev, "-")
	tomb := fmt.Sprintf(`{"_id":"_design/d","_deleted":true,"_revisions":{"start":2,"ids":["00000000000000000000000000000000",%q]}}`, hash)
	if gen != "1" {
		t.Fatal(rev)
	}
	for _, c := range []struct {
		method, path, body, destination string
		status                          int
		want                            string
	}{
		{"PUT", "/victim/_design/new", `{}`, "", 403, "not a db or server admin"},
		{"PUT", "/victim/_design%2Fnew", `{}`, "", 403, "not a db or server admin"},
		{"PUT", "/victim/_design/new", `no JSON`, "", 403, "not a db or server admin"},
		{"PUT", "/victim/_design/new?new_edits=false", `{"_rev":"1-a"}`, "", 403, "not a db or server admin"},
		{"PUT", "/victim/_design/d?batch=ok&rev=" + rev, `{}`, "", 403, "not a db or server admin"},
		{"DELETE", "/victim/_design/d?rev=" + rev, "", "", 403, "not a db or server admin"},
		{"DELETE", "/victim/_design/none", "", "", 403, "not a db or server admin"},
		{"PUT", "/victim/_design/new/att", "x", "", 403, "not a db or server admin"},
		{"PUT", "/victim/_design/d/att?rev=" + rev, "x", "", 403, "not a db or server admin"},
		{"DELETE", "/victim/_design/d/a?rev=" + rev, "", "", 403, "not a db or server admin"},
		{"POST", "/victim", `{"_id":"_design/new"}`, "", 403, "not a db or server admin"},
		{"COPY", "/victim/plain", "", "_design/new", 403, "not a db or server admin"},
		{"COPY", "/victim/plain", "", "_design%2Fnew", 403, "not a db or server admin"},
		{"COPY", "/victim/_design/d", "", "_design/new", 403, "not a db or server admin"},
		{"POST", "/victim/_bulk_docs", `{"docs":[{"_id":"b"},{"_id":"_design/new"}]}`, "", 201, `"id":"_design/new","error":"forbidden","reason":"You are not a db or server admin."`},
		{"POST", "/victim/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"_design/new","_rev":"1-a"}]}`, "", 201, `"id":"_design/new","rev":"1-a","error":"forbidden"`},
		{"POST", "/victim/_bulk_docs", `{"new_edits":false,"docs":[` + tomb + `]}`, "", 201, `"error":"forbidden"`},
		{"POST", "/victim/_bulk_docs", `{"atomic":true,"docs":[{"_id":"c"},{"_id":"_design/new"}]}`, "", 403, `"refused":[{"id":"_design/new"`},
		{"POST", "/victim/_design/d/_update/design", `{"_id":"_design/new"}`, "", 403, "not a db or server admin"},
		{"POST", "/victim/_design/d/_update/design", `{"_id":"_design/d","_rev":"` + rev + `","_deleted":true}`, "", 403, "not a db or server admin"},
		{"PUT", "/victim/_design/d/_rewrite/w", `{}`, "", 403, "not a db or server admin"},
		{"POST", "/victim/_design/d/_rewrite/b", `{"docs":[{"_id":"_design/new"}]}`, "", 201, `"error":"forbidden"`},
		{"POST", "/victim/_index", `{"index":{"fields":["x"]}}`, "", 403, "not a db or server admin"},
		{"POST", "/victim/_purge", `{"_design/d":["` + rev + `"]}`, "", 401, "not a server admin"},
		{"PUT", "/victim/_security", `{"admins":{"names":["joe"]}}`, "", 403, "not a db or server admin"},
	} {
		headers := []string{"Authorization", basicAuth("joe", "joe")}
		if c.destination != "" {
			headers = append(headers, "Destination", c.destination)
		}
		w := call(s, c.method, c.path, c.body, headers...)
		got, answer := w.Code, w.Body.String()
		if got != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, got, answer, c.status, c.want)
		}
		if after := designState(t, s, "victim"); after != before {
			t.Fatalf("%s %s %s: the design documents were\n%s\nand are\n%s", c.method, c.path, c.body, before, after)
		}
	}
}

// A replication writes with the rights of the user who asked for it. Documents that the user may
// not write count as refused, and the rest arrives.
func TestReplicationBringsNoDesignDocuments(t *testing.T) {
	t.Parallel()
	s := victimServer(t)
	_, hash, _ := strings.Cut(revOf(t, s, "/victim/_design/d"), "-")
	before := designState(t, s, "victim")
	must(t, s, testJoe, 201, "PUT", "/mine/plain", `{"x":1}`)
	must(t, s, testJoe, 201, "PUT", "/mine/_design/pwn", `{"validate_doc_update":"function() { throw {forbidden: 'mine now'} }"}`)
	must(t, s, testJoe, 201, "PUT", "/mine/_design/attached", `{"_attachments":{"a":{"content_type":"text/plain","data":"aGk="}}}`)
	must(t, s, testJoe, 201, "POST", "/mine/_bulk_docs", fmt.Sprintf(
		`{"new_edits":false,"docs":[{"_id":"_design/d","_deleted":true,"_revisions":{"start":2,"ids":["00000000000000000000000000000000",%q]}}]}`, hash))
	answer := must(t, s, testJoe, 200, "POST", "/_replicate", `{"source":"mine","target":"victim"}`)
	for _, want := range []string{`"ok":true`, `"docs_written":1`, `"doc_write_failures":3`} {
		if !strings.Contains(answer, want) {
			t.Errorf("%s lacks %s", answer, want)
		}
	}
	if after := designState(t, s, "victim"); after != before {
		t.Errorf("the design documents were\n%s\nand are\n%s", before, after)
	}
	must(t, s, testJoe, 200, "GET", "/victim/plain", "")
	must(t, s, testJoe, 201, "PUT", "/victim/plain2", "{}")

	// An administrator of the target brings them.
	must(t, s, testAdmin, 200, "PUT", "/victim/_security", `{"members":{},"admins":{"names":["joe"]}}`)
	must(t, s, testJoe, 200, "POST", "/_replicate", `{"source":"mine","target":"victim","since_seq":0}`)
	must(t, s, testAdmin, 200, "GET", "/victim/_design/pwn", "")
}

// A user who may not see the design documents of a database, and asks for their functions before
// anybody else, does not switch validation off.
func TestHiddenValidationFunctionsHold(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1")})
	must(t, s, testAdmin, 201, "PUT", "/_users", "")
	set(t, s.Config, "couchdb/users_db_security_editable", "true")
	must(t, s, testAdmin, 200, "PUT", "/_users/_security", `{"admins":{},"members":{}}`)
	must(t, s, testAdmin, 201, "PUT", "/_users/_design/d", `{"shows":{"s":"function() { return 'shown' }"},"validate_doc_update":"function(n) { if (n.name === 'eve') throw {forbidden: 'not eve'} }"}`)
	if w := call(s, "GET", "/_users/_design/d/_show/s", ""); w.Code != 403 && w.Code != 404 {
		t.Errorf("a function of a hidden design document: %d %s", w.Code, w.Body)
	}
	if w := call(s, "PUT", "/_users/org.couchdb.user:eve", `{"name":"eve","password":"x","roles":[],"type":"user"}`); w.Code != 403 || !strings.Contains(w.Body.String(), "not eve") {
		t.Errorf("eve: %d %s", w.Code, w.Body)
	}
}
