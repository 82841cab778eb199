package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestBulkDocs(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	const empty = "1-967a00dff5e02add41819138abb3284d"
	runDocSteps(t, s, []docStep{
		{"POST", "/nope/_bulk_docs", `{"docs":[]}`, 404, `~Database does not exist`},
		{"POST", "anonymous:/db/_bulk_docs", `{"docs":[]}`, 401, `~unauthorized`},
		{"POST", "/db/_bulk_docs", `{"docs":[]}`, 201, `[]`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"b"},{"_id":"a"}]}`, 201,
			`[{"ok":true,"id":"b","rev":"` + empty + `"},{"ok":true,"id":"a","rev":"` + empty + `"}]`},
		{"GET", "/db/_changes", "", 200, `~^{"results":\[{"seq":"1-\w+","id":"a",.*{"seq":"2-\w+","id":"b",`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"a"},{}]}`, 201,
			`~^\[{"id":"a","error":"conflict","reason":"Document update conflict."},{"ok":true,"id":"[0-9a-f]{32}","rev":"` + empty + `"}\]$`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"new"},{"_id":"a","_rev":"x"}]}`, 400, `{"error":"bad_request","reason":"Invalid rev format"}`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"new"},{"_id":"_x"}]}`, 400, `~illegal_docid`},
		{"POST", "/db/_bulk_docs", `{"docs":[`, 400, `{"error":"bad_request","reason":"invalid UTF-8 JSON"}`},
		{"POST", "/db/_bulk_docs", `{}`, 400, "~must include `docs`"},
		{"POST", "/db/_bulk_docs", ``, 415, `~bad_content_type`},
		{"GET", "/db/new", "", 404, `~missing`},
		{"POST", "/db/_bulk_docs", `{"all_or_nothing":true,"docs":[{"_id":"a"}]}`, 417, `~^\[{"id":"a","rev":".*","error":"not_implemented"`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"r","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]}},{"_id":"r","_rev":"2-c"}]}`, 201, `[]`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"` + strings.Repeat("x", 1100) + `","_rev":"1-a"}]}`, 201, `[]`},
		{"POST", "/db/_bulk_docs", `{"new_edits":"no","docs":[{"_id":"s","_rev":"1-a"}]}`, 400, `~.new_edits. parameter must be a boolean`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"s","_rev":"1-a"}],"new_edits":null}`, 400, `~.new_edits. parameter must be a boolean`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"q"}]}`, 400, `~needs .*_rev.* or .*_revisions`},
		{"POST", "/db/_revs_diff", `{"r":["2-b","2-c","3-d","1-a"],"none":["1-x"],"a":["` + empty + `"]}`, 200,
			`{"r":{"missing":["3-d"],"possible_ancestors":["2-c","2-b"]},"none":{"missing":["1-x"]}}`},
		{"POST", "/db/_missing_revs", `{"r":["2-b","3-d"]}`, 200, `{"missing_revs":{"r":["3-d"]}}`},
		{"POST", "/db/_revs_diff", `{"r":"2-b"}`, 400, `~Invalid rev format`},
		{"POST", "/db/_revs_diff", `[]`, 400, `~must be a JSON object`},
		{"POST", "/db/_revs_diff", `{"r":`, 400, `~invalid UTF-8`},
	})
}

func TestBulkDocsDesignNeedsAdmin(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	runDocSteps(t, s, []docStep{
		{"PUT", "/db/_security", `{"admins":{"roles":["_admin"]},"members":{"names":[],"roles":[]}}`, 200, `{"ok":true}`},
		{"POST", "anonymous:/db/_bulk_docs", `{"docs":[{"_id":"_design/x"},{"_id":"a"},{"_id":"_design/y"}]}`, 201,
			`~^\[{"id":"_design/x","error":"unauthorized","reason":"[^"]*"},{"ok":true,"id":"a",.*},{"id":"_design/y","error":"unauthorized",`},
		{"GET", "/db/_design/x", "", 404, `~missing`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"_design/x"}]}`, 201, `~"ok":true`},
	})
}

func TestBulkGet(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	runDocSteps(t, s, []docStep{
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"v":1},{"_id":"a","_rev":"2-c","_revisions":{"start":2,"ids":["c","a"]}}]}`, 201, `[]`},
		{"POST", "/db/_bulk_get", `{"docs":[]}`, 200, `{"results":[]}`},
		{"POST", "/db/_bulk_get", `{"docs":[{"id":"none"},{"id":"a"},{"id":"a","rev":"2-b"}]}`, 200,
			`{"results":[{"id":"none","docs":[{"error":{"id":"none","rev":"undefined","error":"not_found","reason":"missing"}}]},` +
				`{"id":"a","docs":[{"ok":{"_id":"a","_rev":"2-b","v":1}},{"ok":{"_id":"a","_rev":"2-c"}}]},` +
				`{"id":"a","docs":[{"ok":{"_id":"a","_rev":"2-b","v":1}}]}]}`},
		{"POST", "/db/_bulk_get?latest=true&revs=true", `{"docs":[{"id":"a","rev":"1-a"},{"id":"a","rev":"7-z"}]}`, 200,
			`~^{"results":\[{"id":"a","docs":\[{"ok":{.*"_revisions":{"start":2,"ids":\["b","a"\]}}},{"ok":.*}\]},{"id":"a","docs":\[{"error":{"id":"a","rev":"7-z","error":"not_found","reason":"missing"}}\]}\]}$`},
		{"POST", "/db/_bulk_get", `{"docs":[5,{"rev":"1-a"},{"id":7},{"id":"_x"},{"id":"a","rev":"bad"},{"id":"a","atts_since":["bad"]}]}`, 200,
			`~^{"results":\[({"id":[^,]*,"docs":\[{"error":{"id":[^,]*,"rev":(null|"bad"),"error":"(bad_request|illegal_docid)","reason":"[^"]*"}}\]},?){6}\]}$`},
		{"POST", "/db/_bulk_get?open_revs=all", `{"docs":[]}`, 400, `~not acceptable`},
		{"POST", "/db/_bulk_get", `{"docs":{}}`, 400, `~Missing JSON list`},
		{"POST", "/db/_bulk_get", `{"docs":[}`, 400, `~invalid UTF-8`},
	})
	w := call(s, "POST", "/db/_bulk_get", `{"docs":[{"id":"a","rev":"2-c"},{"id":"a","rev":"9-x"},{"id":"no"}]}`, "Admin", "", "Accept", "multipart/mixed")
	kind := w.Header().Get("Content-Type")
	boundary := regexp.MustCompile(`^multipart/mixed; boundary="(\w+)"$`).FindStringSubmatch(kind)
	if w.Code != 200 || boundary == nil {
		t.Fatalf("%d %s %s", w.Code, kind, w.Body)
	}
	want := "\r\n--B\r\nContent-Type: application/json\r\n\r\n" + `{"_id":"a","_rev":"2-c"}` +
		"\r\n--B\r\nContent-Type: application/json; error=true\r\n\r\n" + `{"rev":"9-x","error":"not_found","reason":"missing"}` +
		"\r\n--B\r\nContent-Type: application/json; error=true\r\n\r\n" + `{"id":"no","rev":"undefined","error":"not_found","reason":"missing"}` + "\r\n--B--"
	if got := w.Body.String(); got != strings.ReplaceAll(want, "B", boundary[1]) {
		t.Errorf("multipart:\n%s", got)
	}
}

func TestAllDocs(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	row := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"key":%[1]q,"value":{"rev":"1-a"}}`, id)
	}
	rows := func(total, offset string, ids ...string) string {
		var all []string
		for _, id := range ids {
			all = append(all, row(id))
		}
		return `{"total_rows":` + total + `,"offset":` + offset + `,"rows":[` + strings.Join(all, ",") + `]}`
	}
	notFound := func(key string) string { return `{"key":` + key + `,"error":"not_found"}` }
	runDocSteps(t, s, []docStep{
		{"GET", "/db/_all_docs", "", 200, rows("0", "0")},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"1-a","v":1},{"_id":"b","_rev":"1-a"},{"_id":"d","_rev":"1-a"},{"_id":"c","_rev":"1-c","_deleted":true},{"_id":"_design/x","_rev":"1-a"}]}`, 201, `[]`},
		{"PUT", "/db/_local/l", `{}`, 201, `~0-1`},
		{"GET", "/db/_all_docs", "", 200, rows("4", "0", "_design/x", "a", "b", "d")},
		{"HEAD", "/db/_all_docs", "", 200, ``},
		{"GET", "/db/_all_docs?startkey=%22a%22&endkey=%22b%22", "", 200, rows("4", "1", "a", "b")},
		{"GET", "/db/_all_docs?startkey=%22a%22&endkey=%22b%22&inclusive_end=false", "", 200, rows("4", "1", "a")},
		{"GET", "/db/_all_docs?descending=true&limit=1&skip=1", "", 200, rows("4", "1", "b")},
		{"GET", "/db/_all_docs?key=1", "", 200, rows("4", "0")},
		{"GET", "/db/_all_docs?startkey_docid=d", "", 200, rows("4", "3", "d")},
		{"GET", "/db/_all_docs?key=%22a%22&include_docs=true&update_seq=true", "", 200, `~^{"total_rows":4,"offset":1,"update_seq":"5-\w+","rows":\[{"id":"a",.*,"doc":{"_id":"a","_rev":"1-a","v":1}}\]}$`},
		{"POST", "/db/_all_docs?limit=1", `{"limit":3,"startkey":"a"}`, 200, rows("4", "1", "a")},
		{"POST", "/db/_all_docs?include_docs=true", `{"keys":["c","no",5]}`, 200,
			`{"total_rows":4,"offset":null,"rows":[{"id":"c","key":"c","value":{"rev":"1-c","deleted":true},"doc":null},` + notFound(`"no"`) + "," + notFound("5") + `]}`},
		{"GET", `/db/_all_docs?keys=["d","a"]&descending=true&limit=1`, "", 200, rows("4", "null", "a")},
		{"POST", "/db/_all_docs/queries", `{"queries":[{"limit":1},{"keys":["a"]},{"keys":["a","_design/x"]}]}`, 200, `{"results":[` + rows("4", "0", "_design/x") + "," + rows("4", "1", "a") + "," + rows("4", "null", "a", "_design/x") + `]}`},
		{"POST", "/db/_all_docs/queries", `{"queries":[5]}`, 400, `~must be a JSON object`},
		{"GET", "/db/_design_docs", "", 200, rows("1", "0", "_design/x")},
		{"POST", "/db/_design_docs", `{"keys":["a","_design/x","_design/y"]}`, 200, `{"total_rows":1,"offset":null,"rows":[` + row("_design/x") + "," + notFound(`"_design/y"`) + `]}`},
		{"GET", "/db/_local_docs?include_docs=true", "", 200, `{"total_rows":null,"offset":null,"rows":[{"id":"_local/l","key":"_local/l","value":{"rev":"0-1"},"doc":{"_id":"_local/l","_rev":"0-1"}}]}`},
		{"POST", "/db/_local_docs", `{"keys":["_local/l","a"]}`, 200, `{"total_rows":null,"offset":null,"rows":[{"id":"_local/l","key":"_local/l","value":{"rev":"0-1"}},` + notFound(`"a"`) + `]}`},
		{"GET", "/db/_all_docs?limit=-1", "", 400, `{"error":"query_parse_error","reason":"Invalid value for positive integer: \"-1\""}`},
		{"GET", "/db/_all_docs?include_docs=1", "", 400, `~Invalid boolean`},
		{"GET", "/db/_all_docs?startkey=x", "", 400, `~invalid UTF-8 JSON`},
		{"GET", "/db/_all_docs?keys=5", "", 400, `~must be an array of strings`},
		{"GET", "/db/_all_docs?reduce=true", "", 400, `~Reduce is invalid`},
		{"GET", "/db/_all_docs?group=true", "", 400, `~Invalid use of grouping`},
		{"GET", "/db/_all_docs?stale=x", "", 400, `~stale`},
		{"POST", "/db/_all_docs", `{"keys":5}`, 400, `~must be an array`},
		{"POST", "/db/_all_docs?key=%22a%22", `{"keys":[]}`, 400, `~incompatible`},
	})
}

// A range that does not fit into one piece is the same as one that does.
func TestAllDocsInPieces(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	const n = 3000
	var body strings.Builder
	body.WriteString(`{"docs":[`)
	var keys []string
	for i := range n {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"_id":"%05d","text":"%s"}`, i, strings.Repeat("x", 100))
		keys = append(keys, fmt.Sprintf("%05d", i))
	}
	body.WriteString(`]}`)
	if w := call(s, "POST", "/db/_bulk_docs", body.String(), "Admin", ""); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	list, _ := json.Marshal(map[string]any{"keys": keys})
	check := func(w *httptest.ResponseRecorder) {
		t.Helper()
		var answer struct {
			Total int `json:"total_rows"`
			Rows  []struct {
				ID  string
				Doc struct{ Text string }
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Total != n || len(answer.Rows) != n {
			t.Fatalf("%v, %d of %d rows", err, len(answer.Rows), answer.Total)
		}
		for i, row := range answer.Rows {
			if row.ID != keys[i] || len(row.Doc.Text) != 100 {
				t.Fatalf("row %d: %+v", i, row)
			}
		}
	}
	check(call(s, "GET", "/db/_all_docs?include_docs=true", "", "Admin", ""))
	check(call(s, "POST", "/db/_all_docs?include_docs=true", string(list), "Admin", ""))
}
