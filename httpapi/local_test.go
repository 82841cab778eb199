package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

// CouchDB's replicator sends back in its checkpoints the _revisions that it got. A local document
// has no path. The first number in _revisions, which counts before _rev, is the one that the next
// revision follows. These are whole numbers of any size.
func TestRevisionsOfLocalDocuments(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	made := func(id, rev string) string { return `{"ok":true,"id":"_local/` + id + `","rev":"` + rev + `"}` }
	runDocSteps(t, s, []docStep{
		{"PUT", "/db/_local/a", `{"_revisions":{"start":0,"ids":["1"]},"v":1}`, 201, made("a", "0-2")},
		{"GET", "/db/_local/a?revs=true", "", 200, `{"_id":"_local/a","_rev":"0-2","v":1,"_revisions":{"start":0,"ids":["2"]}}`},
		{"PUT", "/db/_local/b", `{"_rev":"0-1","_revisions":{"start":0,"ids":["3"]}}`, 201, made("b", "0-4")},
		{"PUT", "/db/_local/c", `{"_revisions":{"start":0,"ids":[]}}`, 201, made("c", "0-1")},
		{"PUT", "/db/_local/d", `{"_rev":"0-99999999999999999999"}`, 201, made("d", "0-100000000000000000000")},
		{"GET", "/db/_local/d", "", 200, `{"_id":"_local/d","_rev":"0-100000000000000000000"}`},
		{"PUT", "/db/_local/d", `{"_rev":"0-100000000000000000000"}`, 201, made("d", "0-100000000000000000001")},
		{"PUT", "/db/_local/e", `{"_rev":"0--3"}`, 201, made("e", "0--2")},
		{"PUT", "/db/_local/f?new_edits=false", `{"_rev":"0-9"}`, 201, made("f", "0-9")},
		{"GET", "/db/_local/f", "", 200, `{"_id":"_local/f","_rev":"0-10"}`},
		{"GET", "/db/_local/f?rev=0-10", "", 404, `~missing`},
		{"PUT", "/db/_local/g", `{"_rev":"0-` + strings.Repeat("9", 5000) + `"}`, 201, made("g", "0-1")},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_revisions":{"start":0,"ids":["8"]},"_id":"_local/m"},{"_id":"_local/n","_revisions":{"start":0,"ids":["8"]}}]}`, 201,
			`[` + made("m", "0-9") + "," + made("n", "0-9") + `]`},
		{"PUT", "/db/_local/h", `{"_rev":"1-fake"}`, 400, `{"error":"bad_request","reason":"Invalid rev format"}`},
		{"PUT", "/db/_local/h?rev=0-fake", `{}`, 400, `~Invalid rev format`},
		{"PUT", "/db/_local/h", `{"_revisions":{"start":1,"ids":["1"]}}`, 400, `~Invalid rev format`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"_local/h","_rev":"1-5"},{"_id":"_local/n","_rev":"0-5"}]}`, 201,
			`[{"id":"_local/h","error":"bad_request","reason":"Invalid rev format"},` + made("n", "0-6") + `]`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"_local/h","_rev":"1-5"}]}`, 201,
			`[{"id":"_local/h","rev":"1-5","error":"bad_request","reason":"Invalid rev format"}]`},
		{"POST", "/db/_bulk_docs", `{"atomic":true,"docs":[{"_id":"_local/h","_rev":"1-5"},{"_id":"_local/o","v":1}]}`, 400, `~Invalid rev format`},
		{"GET", "/db/_local/h", "", 404, `~missing`},
		{"GET", "/db/_local/o", "", 404, `~missing`},
		// Other documents have a path.
		{"PUT", "/db/a", `{"_revisions":{"start":0,"ids":["1"]}}`, 400, `~more revisions than`},
		{"PUT", "/db/a?new_edits=false", `{"_id":"_local/a","_revisions":{"start":0,"ids":["1"]}}`, 400, `~more revisions than`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"b","_rev":"1-b"},{"_id":"a","_revisions":{"start":1,"ids":["b","a"]}}]}`, 400, `~more revisions than`},
		{"GET", "/db/_all_docs?limit=0", "", 200, `{"total_rows":0,"offset":0,"rows":[]}`},
	})
}

// The parts of a multipart answer are bytes as they are stored, so its JSON says how they
// are encoded. Plain JSON says so only on request.
func TestEncodingsAmongParts(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	gzipped := "\x1f\x8b not looked at"
	w := call(s, "PUT", "/db/a?new_edits=false", "--x\r\n\r\n"+`{"_rev":"1-a","_attachments":{"f":{"follows":true,"revpos":1,"content_type":"text/plain","length":50,"encoding":"gzip","encoded_length":16}}}`+
		"\r\n--x\r\n\r\n"+gzipped[:16]+"\r\n--x--", "Admin", "", "Content-Type", "multipart/related; boundary=x")
	if w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	const encoded = `"encoding":"gzip","encoded_length":16`
	for _, c := range []struct {
		method, path, body, accept string
		says                       bool
	}{
		{"GET", "/db/a?attachments=true", "", "multipart/related", true},
		{"GET", "/db/a?open_revs=all", "", "multipart/mixed", true},
		{"GET", `/db/a?open_revs=all&atts_since=["1-a"]`, "", "multipart/mixed", true},
		{"POST", "/db/_bulk_get", `{"docs":[{"id":"a"}]}`, "multipart/mixed", true},
		{"POST", "/db/_bulk_get", `{"docs":[{"id":"a"}]}`, "multipart/related", true},
		{"POST", "/db/_bulk_get", `{"docs":[{"id":"a"}]}`, "application/json", false},
		{"POST", "/db/_bulk_get?att_encoding_info=true", `{"docs":[{"id":"a"}]}`, "application/json", true},
		{"GET", "/db/a", "", "application/json", false},
		{"GET", "/db/a?open_revs=all", "", "application/json", false},
	} {
		w := call(s, c.method, c.path, c.body, "Admin", "", "Accept", c.accept)
		if w.Code != 200 || strings.Contains(w.Body.String(), encoded) != c.says || !strings.Contains(w.Body.String(), `"revpos":1`) {
			t.Errorf("%s %s as %s: %d %s", c.method, c.path, c.accept, w.Code, w.Body)
		}
	}
}

// An attachment's name may be any text. Every reader accepts the head of its part.
func TestNamesOfParts(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	for c := rune(0); c < 0xa0; c++ {
		name, _ := json.Marshal("f" + string(c))
		if w := call(s, "POST", "/db/_bulk_docs", fmt.Sprintf(`{"docs":[{"_id":"d%d","_attachments":{%s:{"data":"aGk="}}}]}`, c, name), "Admin", ""); w.Code != 201 {
			t.Fatalf("%q: %d %s", c, w.Code, w.Body)
		}
		w := call(s, "GET", fmt.Sprintf("/db/d%d?attachments=true", c), "", "Admin", "", "Accept", "multipart/related")
		_, params, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		parts := multipart.NewReader(w.Body, params["boundary"])
		for i := range 2 {
			part, err := parts.NextRawPart()
			if err != nil {
				t.Fatalf("%q: part %d: %v", c, i, err)
			}
			b, err := io.ReadAll(part)
			var doc struct {
				Attachments map[string]any `json:"_attachments"`
			}
			if i == 0 && (json.Unmarshal(b, &doc) != nil || doc.Attachments["f"+string(c)] == nil) || err != nil || i == 1 && string(b) != "hi" {
				t.Errorf("%q: part %d is %q, %v", c, i, b, err)
			}
		}
	}
}
