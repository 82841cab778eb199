package httpapi_test

import (
	"strings"
	"testing"
)

func TestDatabaseLife(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	runSteps(t, s, []step{
		{"GET /db", "", "", 404, `{"error":"not_found","reason":"Database does not exist."}`, ""},
		{"PUT /db?q=2&n=1", "", "", 201, `{"ok":true}`, "Location: http://example.com/db"},
		{"PUT /db", "", "", 412, `~file_exists`, ""},
		{"PUT /db?q=0", "", "", 400, "~`q` value should be a positive integer", ""},
		{"PUT /db?partitioned=true", "", "", 412, ``, ""},
		{"PUT /p?partitioned=true", "", "", 201, `{"ok":true}`, ""},
		{"PUT /p?partitioned=x", "", "", 400, ``, ""},
		{"PUT /Bad", "", "", 400, `~illegal_database_name`, ""},
		{"PUT /" + strings.Repeat("x", 300), "", "", 400, `~database_name_too_long`, ""},
		{"PUT /a%2Fb%2Bc", "", "", 201, ``, "Location: http://example.com/a%2Fb%2Bc"},
		{"PUT /a%2Fb%2Bc/d", "{}", "", 201, ``, "Location: http://example.com/a%2Fb%2Bc/d"},
		{"GET /db", "", "", 200, `~^{"db_name":"db".*"doc_count":0`, ""},
		{"POST /db", `{"v":1}`, "", 201, `~^{"ok":true,"id":"[0-9a-f]{32}","rev":"` + revV1 + `"}$`, ""},
		{"POST /db", `{"_id":"a"}`, "", 201, ``, "Location: http://example.com/db/a"},
		{"POST /db", `{"_id":"a"}`, "", 409, conflict, ""},
		{"POST /db?batch=ok", `{"_id":"b"}`, "", 202, `{"ok":true,"id":"b"}`, ""},
		{"POST /db", `{}`, "Content-Type: text/plain", 415, `~bad_content_type`, ""},
		{"POST /db", `{"_id":""}`, "", 400, `~illegal_docid`, ""},
		{"GET /db", "", "", 200, `~"doc_count":3`, ""},
		{"POST /db/_compact", "{}", "", 202, `{"ok":true}`, ""},
		{"POST /db/_compact", "", "", 415, ``, ""},
		{"POST /db/_compact/none", "{}", "", 404, `~missing`, ""},
		{"POST /db/_ensure_full_commit", "{}", "", 201, `~^{"ok":true,"instance_start_time":"\d+"}$`, ""},
		{"DELETE /db?rev=1-x", "", "", 400, `~rev parameter`, ""},
		{"DELETE /db", "", "", 200, `{"ok":true}`, ""},
		{"DELETE /db", "", "", 404, ``, ""},
		{"DELETE /Bad", "", "", 404, ``, ""},
	})
}

func TestDatabaseSettings(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	runSteps(t, s, []step{
		{"PUT /db", "", "", 201, ``, ""},
		{"GET /db/_security", "", "", 200, `{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}`, ""},
		{"PUT /db/_security", `{"admins":{"names":[1]}}`, "", 400, `~list of strings`, ""},
		{"PUT /db/_security", `{"members":{"roles":"x"}}`, "", 400, `~list of strings`, ""},
		{"PUT /db/_security", `{"admins":[]}`, "", 400, `~must be a JSON object`, ""},
		{"PUT /db/_security", `[]`, "", 400, `~must be a JSON object`, ""},
		{"PUT /db/_security", `{`, "", 400, `~invalid UTF-8 JSON`, ""},
		{"PUT /db/_security", `{"members":{"names":["u"]},"more":[1]}`, "", 200, `{"ok":true}`, ""},
		{"GET /db/_security", "", "", 200, `{"members":{"names":["u"]},"more":[1]}`, ""},
		{"GET /db/_revs_limit", "", "", 200, `1000`, ""},
		{"PUT /db/_revs_limit", `2`, "", 200, `{"ok":true}`, ""},
		{"GET /db/_revs_limit", "", "", 200, `2`, ""},
		{"PUT /db/_revs_limit", `0`, "", 400, ``, ""},
		{"PUT /db/_revs_limit", `"2"`, "", 400, ``, ""},
		{"PUT /db/_revs_limit", `99999999999999999999`, "", 400, ``, ""},
		{"GET /db/_purged_infos_limit", "", "", 200, `1000`, ""},
		{"PUT /db/_purged_infos_limit", `-1`, "", 400, ``, ""},
		{"PUT /db/_purged_infos_limit", `5`, "", 200, `{"ok":true}`, ""},
		{"GET /db/_purged_infos_limit", "", "", 200, `5`, ""},
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	many := make([]string, 101)
	for i := range many {
		many[i] = `"` + strings.Repeat("x", i+1) + `":["1-a"]`
	}
	runSteps(t, s, []step{
		{"PUT /db", "", "", 201, ``, ""},
		{"PUT /db/a", `{"v":1}`, "", 201, ``, ""},
		{"PUT /db/a?new_edits=false", `{"_rev":"1-zz"}`, "", 201, ``, ""},
		{"POST /db/_purge", `{}`, "", 201, `{"purge_seq":null,"purged":{}}`, ""},
		{"GET /db", "", "", 200, `~"purge_seq":"0-.*"update_seq":"2-`, ""},
		{"POST /db/_purge", `{"a":["1-zz","` + revV1 + `","2-b"],"none":["1-a"],"e":[]}`, "", 201, `{"purge_seq":null,"purged":{"a":["1-zz","` + revV1 + `"],"none":[],"e":[]}}`, ""},
		{"GET /db/a", "", "", 404, `~missing`, ""},
		{"GET /db/_purged_infos", "", "", 200, `~"id":"a","revs":\["1-zz","` + revV1 + `","2-b"\]`, ""},
		{"POST /db/_purge", `[]`, "", 400, `~must be a JSON object`, ""},
		{"POST /db/_purge", `{"a":"1-a"}`, "", 400, ``, ""},
		{"POST /db/_purge", `{"a":["x"]}`, "", 400, `~Invalid rev format`, ""},
		{"POST /db/_purge", `{`, "", 400, `~invalid UTF-8 JSON`, ""},
		{"POST /db/_purge", `{` + strings.Join(many, ",") + `}`, "", 400, `~maximum number of documents`, ""},
	})
}

func TestDatabaseNeedsRights(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	runSteps(t, s, []step{{"PUT /db", "", "", 201, ``, ""}, {"PUT /open", "", "", 201, ``, ""}, {"PUT /open/_security", "{}", "", 200, ``, ""}})
	for _, c := range []struct {
		request string
		status  int
	}{
		{"PUT /new", 401}, {"DELETE /db", 401}, {"GET /db", 401}, {"GET /db/a", 401}, {"PUT /db/a", 401}, {"COPY /db/a", 401},
		{"GET /db/_security", 401}, {"PUT /db/_security", 401}, {"GET /db/_local/a", 401}, {"POST /db/_purge", 401}, {"GET /none", 404},
		{"PUT /open/a", 201}, {"PUT /open/_local/l", 201}, {"PUT /open/_design/d", 401}, {"PUT /open/_security", 401},
		{"PUT /open/_revs_limit", 401}, {"POST /open/_compact", 401}, {"POST /open/_purge", 401}, {"PUT /open/_design/d/f", 401}, {"GET /open/_revs_limit", 200},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		if w := call(s, method, path, "{}"); w.Code != c.status {
			t.Errorf("anonymous %s: %d %s, want %d", c.request, w.Code, w.Body, c.status)
		}
	}
	if w := call(s, "COPY", "/open/a", "", "Destination", "_design/d"); w.Code != 401 {
		t.Errorf("anonymous copy to a design document: %d", w.Code)
	}
	if w := call(s, "POST", "/open", `{"_id":"_design/d"}`); w.Code != 401 {
		t.Errorf("anonymous post of a design document: %d", w.Code)
	}
}
