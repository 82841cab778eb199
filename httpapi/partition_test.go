package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
)

// partitionServer makes a server with a partitioned database db: documents with k, and the design
// documents d, whose views are partitioned, and g, whose views are not.
func partitionServer(t testing.TB) *Server {
	t.Helper()
	s := openServer(t, Options{})
	const views = `"views":{
		"k":{"map":"function(doc){emit(doc.k,doc._id)}"},
		"n":{"map":"function(doc){emit([doc.k%2,doc.k],doc.k)}","reduce":"_sum"},
		"own":{"map":"function(doc){emit(doc.k,1)}","reduce":"function(k,v,r){return sum(v)}"},
		"links":{"map":"function(doc){emit(doc.k,{_id:doc.link})}"}},
		"lists":{"ids":"function(){var r,ids=[];while(r=getRow())ids.push(r.id);return JSON.stringify(ids.join(' '))}"},
		"shows":{"id":"function(doc,req){return JSON.stringify(doc?doc._id:'none')}"}`
	wants(t, call(s, "PUT", "/db?partitioned=true", "", "Admin", ""), 201, "")
	wants(t, call(s, "POST", "/db/_bulk_docs", `{"docs":[
		{"_id":"b:1","k":1,"link":"a:1"},{"_id":"a:1","k":1,"link":"b:1"},{"_id":"a:2","k":2,"link":"plain"},{"_id":"a:3","k":3,"link":"a:none"},{"_id":"aa:1","k":9},
		{"_id":"_design/d",`+views+`},{"_id":"_design/g","options":{"partitioned":false},`+views+`}]}`, "Admin", ""), 201, "")
	return s
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	s := partitionServer(t)
	rows := func(total, offset int, rows ...string) string {
		return fmt.Sprintf(`{"total_rows":%d,"offset":%d,"rows":[%s]}`, total, offset, strings.Join(rows, ","))
	}
	row := func(key int, id string) string { return fmt.Sprintf(`{"id":%q,"key":%d,"value":%q}`, id, key, id) }
	linked := func(key int, id, link, doc string) string {
		return fmt.Sprintf(`{"id":%q,"key":%d,"value":{"_id":%q},"doc":%s}`, id, key, link, doc)
	}
	const (
		in      = "/db/_partition/a"
		k       = in + "/_design/d/_view/k"
		n       = in + "/_design/d/_view/n"
		needed  = "~query_parse_error.*is mandatory for queries to this view"
		useless = "~query_parse_error.*not supported in this design doc"
	)
	runDocSteps(t, s, []docStep{
		{"GET", in, "", 200, `~^{"db_name":"db","sizes":{"active":\d+,"external":\d+},"partition":"a","doc_count":3,"doc_del_count":0}$`},
		{"GET", "/db/_partition/none", "", 200, `{"db_name":"db","sizes":{"active":0,"external":0},"partition":"none","doc_count":0,"doc_del_count":0}`},
		{"GET", "/db/_partition/%C3%BC%20+", "", 200, `~"partition":"ü  "`},
		{"GET", "anonymous:" + in, "", 401, "~unauthorized"},
		{"GET", "anonymous:/db/_partition/_x", "", 401, "~unauthorized"},
		{"GET", "anonymous:/db/_partition", "", 401, "~unauthorized"},
		{"GET", "/nodb/_partition/_x", "", 404, "~Database does not exist"},
		{"GET", "/db/_partition/%FF", "", 400, "~illegal_partition.*valid UTF-8"},
		{"GET", "/db/_partition//_all_docs", "", 400, "~illegal_partition.*underscore"},
		{"GET", "/db/_partition/_x/_nothing", "", 400, "~illegal_partition"},
		{"GET", in + "/_changes", "", 404, "~missing"},
		{"GET", in + "/a:1", "", 404, "~missing"},
		{"POST", in, "{}", 405, "~Only GET allowed"},

		{"GET", in + "/_all_docs?limit=1", "", 200, `~^{"total_rows":7,"offset":2,"rows":\[{"id":"a:1","key":"a:1"`},
		{"GET", in + "/_all_docs?startkey=5&descending=true", "", 200, rows(7, 2)},
		{"GET", in + "/_all_docs?endkey=5", "", 200, rows(7, 2)},
		{"GET", in + "/_all_docs?partition=", "", 400, "~Conflicting value"},
		{"GET", "/db/_all_docs?partition=", "", 400, "~illegal_partition.*must not be empty"},
		{"GET", "/db/_all_docs?partition=_x", "", 400, "~illegal_partition"},
		{"POST", "/db/_all_docs", `{"partition":"b"}`, 200, `~^{"total_rows":7,"offset":6,"rows":\[{"id":"b:1"[^\]]*\]}$`},
		{"POST", in + "/_all_docs", `{"partition":"_x"}`, 400, "~illegal_partition"},
		{"POST", in + "/_all_docs", `{"partition":"b","limit":0}`, 200, rows(7, 2)},
		{"POST", in + "/_all_docs/queries", `{"queries":[{"keys":["b:1"]},{"partition":"b"}]}`, 200, `~^{"results":\[{"total_rows":7,"offset":6,"rows":\[\]},{"total_rows":7,"offset":6,"rows":\[{"id":"b:1"`},
		{"POST", "/db/_all_docs", `{"keys":["a:1",5]}`, 400, "~illegal_docid"},
		{"GET", "/db/_design_docs?partition=a", "", 200, rows(2, 2)},

		{"GET", k, "", 200, rows(5, 0, row(1, "a:1"), row(2, "a:2"), row(3, "a:3"))},
		{"GET", k + "?descending=true&limit=1", "", 200, rows(5, 2, row(3, "a:3"))},
		{"GET", k + "?skip=2", "", 200, rows(5, 2, row(3, "a:3"))},
		{"GET", k + "?skip=7", "", 200, rows(5, 3)},
		{"GET", k + "?startkey=2&startkey_docid=a:2&endkey=3&inclusive_end=false", "", 200, rows(5, 1, row(2, "a:2"))},
		{"POST", k, `{"keys":[3,9,1]}`, 200, rows(5, 2, row(3, "a:3"), row(1, "a:1"))},
		{"GET", k + "?keys=[9]", "", 200, rows(5, 3)},
		{"GET", "/db/_partition/none/_design/d/_view/k", "", 200, rows(5, 5)},
		{"GET", "/db/_design/d/_view/k?partition=b", "", 200, rows(5, 4, row(1, "b:1"))},
		{"POST", "/db/_design/d/_view/k", `{"partition":"b"}`, 200, rows(5, 4, row(1, "b:1"))},
		{"GET", "/db/_design/d/_view/k", "", 400, needed},
		{"GET", "/db/_design/d/_view/k?partition=_x", "", 400, "~illegal_partition"},
		{"POST", "/db/_design/d/_view/k/queries", `{"queries":[{"partition":"a"},{}]}`, 400, needed},
		{"POST", k + "/queries", `{"queries":[{"limit":1},{"partition":"b"}]}`, 200, `{"results":[` + rows(5, 0, row(1, "a:1")) + "," + rows(5, 4, row(1, "b:1")) + "]}"},
		{"GET", "/db/_design/g/_view/k?limit=1", "", 200, rows(5, 0, row(1, "a:1"))},
		{"GET", "/db/_design/g/_view/k?partition=a", "", 400, useless},
		{"GET", in + "/_design/g/_view/k", "", 400, useless},
		{"GET", n, "", 200, `{"rows":[{"key":null,"value":6}]}`},
		{"GET", n + "?group_level=1", "", 200, `{"rows":[{"key":[0],"value":2},{"key":[1],"value":4}]}`},
		{"GET", n + "?startkey=[1]&group=true&descending=false", "", 200, `{"rows":[{"key":[1,1],"value":1},{"key":[1,3],"value":3}]}`},
		{"GET", "/db/_partition/none/_design/d/_view/n", "", 200, `{"rows":[]}`},
		{"GET", in + "/_design/d/_view/own", "", 200, `{"rows":[{"key":null,"value":3}]}`},
		{"GET", in + "/_design/d/_view/links?include_docs=true", "", 200, rows(5, 0, linked(1, "a:1", "b:1", `{"_id":"b:1","_rev":"1-dc3c5c587b69c758524d3986f71124b9","k":1,"link":"a:1"}`), linked(2, "a:2", "plain", "null"), linked(3, "a:3", "a:none", "null"))},

		{"GET", in + "/_design/d/_list/ids/k", "", 200, `"a:1 a:2 a:3"`},
		{"GET", "/db/_design/d/_list/ids/k?partition=b", "", 200, `"b:1"`},
		{"GET", "/db/_design/d/_list/ids/k", "", 400, needed},
		{"GET", in + "/_design/g/_list/ids/k", "", 400, useless},
		{"GET", in + "/_design/d/_list/ids/_all_docs", "", 200, `"a:1 a:2 a:3"`},
		{"GET", in + "/_design/d/_show/id/b:1", "", 200, `"b:1"`},
		{"GET", "/db/_design/d/_show/id/plain", "", 400, "~illegal_docid"},
		{"GET", in + "/_design/d/_info", "", 200, `~^{"name":"d"`},
		{"GET", in + "/_design/d", "", 404, "~missing"},

		{"GET", "/db/_shards/plain", "", 400, "~illegal_docid"},
		{"POST", "/db/_revs_diff", `{"_x":["1-a"],"x:_y":["1-a"],":z":["1-a"]}`, 200, `~"_x".*"x:_y".*":z"`},
		{"POST", "/db/_missing_revs", `{"plain":["1-a"]}`, 400, "~illegal_docid"},
		{"DELETE", "/db/:x?rev=1-a", "", 404, "~missing"},
		{"PUT", "/db/plain/att", "x", 400, "~illegal_docid"},
		{"PUT", "/db/:x/att", "x", 400, "~illegal_partition"},
		{"POST", "/db?batch=ok", `{"v":1}`, 202, `~^{"ok":true,"id":"[0-9a-f]{32}"}$`},
		{"POST", "/db?batch=ok", `{"_id":"plain"}`, 400, "~illegal_docid"},
		{"GET", "/db", "", 200, `~"props":{"partitioned":true}.*"doc_count":7`},
		{"POST", "/_dbs_info", `{"keys":["db"]}`, 200, `~"props":{"partitioned":true}`},
	})
}

// A fault in one id refuses a whole request, even a long one whose first documents could have
// been written by then.
func TestOneBadIDRefusesAllDocuments(t *testing.T) {
	t.Parallel()
	s := partitionServer(t)
	var docs strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&docs, `{"_id":"long:%d"},`, i)
	}
	for _, bad := range []string{`{"_id":"plain"}`, `{"v":1}`, `{"_id":":x"}`, `{"_id":"_design/x","_deleted":true},{"_id":"long:_x"}`} {
		for _, more := range []string{"", `"new_edits":false,`} {
			w := call(s, "POST", "/db/_bulk_docs", `{`+more+`"docs":[`+docs.String()+bad+`]}`, "Admin", "")
			if w.Code != 400 || !strings.Contains(w.Body.String(), `"illegal_`) && more == "" {
				t.Errorf("%s%s: %d %.200s", more, bad, w.Code, w.Body)
			}
		}
	}
	wants(t, call(s, "GET", "/db/_partition/long", "", "Admin", ""), 200, `"doc_count":0,"doc_del_count":0`)
}

// The rows of queries are limited, by one setting for partitions and one for other views.
func TestQueryLimits(t *testing.T) {
	t.Parallel()
	s := partitionServer(t)
	const part, whole = "/db/_partition/a/_design/d/_view/k", "/db/_design/g/_view/k"
	two := `~"rows":\[{[^{}]*},{[^{}]*}\]}$`
	large := "~query_parse_error.*Limit is too large, must not exceed 2"
	runDocSteps(t, s, []docStep{
		{"PUT", "/_node/_local/_config/query_server_config/partition_query_limit", `"2"`, 200, `""`},
		{"GET", part, "", 200, two},
		{"GET", part + "?limit=3", "", 400, large},
		{"GET", part + "?limit=2", "", 200, two},
		{"POST", part + "/queries", `{"queries":[{"limit":3}]}`, 400, large},
		{"GET", "/db/_partition/a/_all_docs?limit=3", "", 400, large},
		{"GET", "/db/_all_docs?limit=3&partition=a", "", 400, large},
		{"GET", "/db/_all_docs?limit=3", "", 200, `~a:1`},
		{"GET", whole + "?limit=3", "", 200, `~a:2`},
		{"PUT", "/_node/_local/_config/query_server_config/query_limit", `"2"`, 200, `""`},
		{"GET", whole + "?limit=3", "", 400, large},
		{"GET", whole, "", 200, two},
		{"DELETE", "/_node/_local/_config/query_server_config/partition_query_limit", "", 200, `"2"`},
		{"GET", part + "?limit=3", "", 200, `~a:3`},
	})
}

// The option of design documents is a boolean, and true only where there are partitions.
func TestPartitionedOption(t *testing.T) {
	t.Parallel()
	s := partitionServer(t)
	wants(t, call(s, "PUT", "/plain", "", "Admin", ""), 201, "")
	runDocSteps(t, s, []docStep{
		{"PUT", "/db/_design/x", `{"options":{"partitioned":"yes"}}`, 400, "~invalid_design_doc.*must have boolean type"},
		{"PUT", "/plain/_design/x", `{"options":{"partitioned":1}}`, 400, "~invalid_design_doc.*must have boolean type"},
		{"PUT", "/plain/_design/x", `{"options":{"partitioned":true},"views":{}}`, 400, "~invalid_design_doc.*non-partitioned database"},
		{"PUT", "/plain/_design/x", `{"options":{"partitioned":false},"views":{"k":{"map":"function(d){emit(1)}"}}}`, 201, "~ok"},
		{"GET", "/plain/_design/x/_view/k?partition=a", "", 400, "~not supported in this design doc"},
		{"GET", "/plain/_all_docs?partition=a", "", 400, "~not supported on this db"},
		{"GET", "/plain/_partition/a/_all_docs", "", 400, "~database is not partitioned"},
		{"GET", "/plain/_partition/_a", "", 400, "~illegal_partition"},
		{"PUT", "/db/_design/x", `{"options":{"include_design":true},"views":{"k":{"map":"function(d){emit(d._id)}"}}}`, 201, "~ok"},
		{"GET", "/db/_partition/b/_design/x/_view/k", "", 200, `{"total_rows":5,"offset":4,"rows":[{"id":"b:1","key":"b:1","value":null}]}`},
		{"PUT", "/db/_design/y", `{"options":{"changes":true},"views":{"k":{"map":"function(d){emit(d.k)}"}}}`, 201, "~ok"},
		{"GET", "/db/_changes?filter=_view&view=y/k&limit=1", "", 200, `~"id":"a:1"`},
		{"GET", "/db/_changes?filter=_view&view=y/k&key=1", "", 400, "~is mandatory for queries to this view"},
		{"PUT", "/a%2F_users?partitioned=true", "", 400, "~bad_request.*Cannot partition a system database"},
		{"PUT", "/_replicator?partitioned=true", "", 400, "~Cannot partition a system database"},
	})
}
