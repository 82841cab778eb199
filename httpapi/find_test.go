package httpapi_test

import "testing"

func TestFind(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	const docs = `{"docs":[{"_id":"a","n":1,"t":["x"]},{"_id":"b","n":2},{"_id":"c","n":2,"t":["y","x"]},{"_id":"d"}]}`
	if w := call(s, "POST", "/db/_bulk_docs", docs, "Admin", ""); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	const noIndex = `"warning":"No matching index found, create an index to optimize query time."`
	runDocSteps(t, s, []docStep{
		{"POST", "/db/_find", `{"selector":{"n":2},"fields":["_id"]}`, 200, `~^{"docs":\[\s*{"_id":"b"},\s*{"_id":"c"}\s*\],\s*"bookmark":"\w+",\s*` + noIndex + `}`},
		{"POST", "/db/_find", `{"selector":{"n":2},"sort":["n"]}`, 400, `{"error":"no_usable_index","reason":"No index exists for this sort, try indexing by the sort fields."}`},
		{"POST", "/db/_find", `{"selector":{"n":2},"allow_fallback":false}`, 400, `{"error":"no_usable_index","reason":"There is no index available for this selector."}`},
		{"POST", "/db/_index", `{"index":{"fields":["n","_id"]},"name":"n","ddoc":"n"}`, 200, `{"result":"created","id":"_design/n","name":"n"}`},
		{"POST", "/db/_index", `{"index":{"fields":["n","_id"]},"name":"n","ddoc":"n"}`, 200, `{"result":"exists","id":"_design/n","name":"n"}`},
		{"POST", "/db/_find", `{"selector":{"n":{"$in":[2,1]}},"sort":[{"n":"desc"}],"fields":["_id","n"],"execution_stats":true}`, 200, `~"_id":"c","n":2.*"_id":"b","n":2.*"_id":"a","n":1.*"total_keys_examined":3,"total_docs_examined":0,`},
		{"POST", "/db/_find", `{"selector":{"n":{"$gt":0}},"use_index":"other","fields":["_id"]}`, 200, `~"warning":"_design/other was not used because it does not contain a valid index for this query."`},
		{"POST", "/db/_find", `{"selector":{"n":{"$gt":5,"$lt":3}}}`, 200, `~^{"docs":\[\s*\]}$`},
		{"POST", "/db/_explain", `{"selector":{"n":{"$gt":1,"$lte":2}},"fields":["n"]}`, 200, `~"mrargs":.*"start_key":\[1\],"end_key":\[2,"<MAX>"\],"direction":"fwd",.*},"covering":true}$`},
		{"GET", "/db/_index?limit=0", "", 400, `~invalid_list_index_params`},
		{"DELETE", "/db/_index/n/json/other", "", 404, `~missing`},
		{"DELETE", "/db/_index/n/text/n", "", 404, `~missing`},
		{"GET", "/db/_index/n/json/n", "", 405, `~Only DELETE allowed`},
		{"DELETE", "/db/_index/_design/n/json/n", "", 200, `{"ok":true}`},
		{"POST", "/db/_index/_bulk_delete", `{"docids":["n"]}`, 200, `{"success":[],"fail":[{"id":"_design/n","error":"not_found"}]}`},
		{"POST", "/db/_index/_bulk_delete", `{"docids":[1]}`, 400, `~invalid_bulk_docs`},
	})
}

// A selector finds the same changes with and without an index that finds them.
func TestChangesBySelectorIndex(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	const docs = `{"docs":[{"_id":"a","n":1},{"_id":"b","n":2},{"_id":"c","n":1},{"_id":"d","n":1,"_deleted":true}]}`
	if w := call(s, "POST", "/db/_bulk_docs", docs, "Admin", ""); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	feed := func() string {
		return call(s, "POST", "/db/_changes?filter=_selector&since=0&limit=3", `{"selector":{"n":1}}`, "Admin", "").Body.String()
	}
	before := feed()
	if w := call(s, "POST", "/db/_index", `{"index":{"fields":["n"]},"options":{"changes":true}}`, "Admin", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := call(s, "GET", "/db/_index", "", "Admin", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	// The design document itself is one more change that is left.
	runDocSteps(t, s, []docStep{{"POST", "/db/_changes?filter=_selector&limit=3", `{"selector":{"n":1}}`, 200, `~"id":"a".*"id":"c".*"id":"d".*"pending":1`}})
	if len(before) == 0 || len(feed()) != len(before) {
		t.Errorf("with the index %s\nwithout %s", feed(), before)
	}
}
