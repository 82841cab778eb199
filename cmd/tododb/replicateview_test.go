package main

import (
	"fmt"
	"strings"
	"testing"
)

// A replication from this server or another one brings the documents that a view has under a key,
// and their deletions.
func TestReplicateByView(t *testing.T) {
	t.Parallel()
	server := startServer(t, t.TempDir(), "")
	server.do(201, "PUT", "/all", "")
	server.do(201, "PUT", "/all/_design/d", `{"options":{"changes":true},"views":{"owner":{"map":"function(doc){ emit(doc.owner) }"}}}`)
	var docs []string
	for i := range 300 {
		docs = append(docs, fmt.Sprintf(`{"_id":"doc%03d","owner":"user%d"}`, i, i%10))
	}
	server.do(201, "POST", "/all/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	for target, source := range map[string]string{"local": `"all"`, "remote": fmt.Sprintf(`{"url":"%s/all","auth":{"basic":{"username":%q,"password":%q}}}`, server.base, testUser, testPassword)} {
		request := fmt.Sprintf(`{"source":%s,"target":%q,"create_target":true,"filter":"_view","query_params":{"view":"d/owner","key":"\"user7\""}}`, source, target)
		answer := server.do(200, "POST", "/_replicate", request)
		if !strings.Contains(answer, `"docs_written":30`) {
			t.Fatalf("%s: %s", target, answer)
		}
		if got := server.do(200, "GET", "/"+target+"/_all_docs", ""); strings.Count(got, `"id"`) != 30 || !strings.Contains(got, "doc007") {
			t.Errorf("%s: %s", target, got)
		}
	}
	rev := server.do(200, "GET", "/all/doc007", "")
	rev = strings.Split(strings.Split(rev, `"_rev":"`)[1], `"`)[0]
	server.do(200, "DELETE", "/all/doc007?rev="+rev, "")
	server.do(200, "POST", "/_replicate", `{"source":"all","target":"local","filter":"_view","query_params":{"view":"d/owner","key":"\"user7\""}}`)
	server.do(404, "GET", "/local/doc007", "")
	server.stop()
}
