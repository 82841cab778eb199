package httpapi_test

import (
	"strings"
	"testing"
)

// Revisions of {"v":1} and the edits after it.
const (
	revV1  = "1-7a7e4b29f3af401e69b6f86e4c26b727"
	revNil = "1-967a00dff5e02add41819138abb3284d" // of {}
)

const conflict = `{"error":"conflict","reason":"Document update conflict."}`

func TestDocumentLife(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	runSteps(t, s, []step{
		{"PUT /db", "", "", 201, `{"ok":true}`, "Location: http://example.com/db"},
		{"GET /db/a", "", "", 404, `{"error":"not_found","reason":"missing"}`, "Etag: "},
		{"PUT /db/a", `{"v":1}`, "", 201, `{"ok":true,"id":"a","rev":"` + revV1 + `"}`, "Location: http://example.com/db/a"},
		{"GET /db/a", "", "", 200, `{"_id":"a","_rev":"` + revV1 + `","v":1}`, `Etag: "` + revV1 + `"`},
		{"HEAD /db/a", "", "", 200, ``, `Content-Length: 62`},
		{"GET /db/a", "", `If-None-Match: W/"x", "` + revV1 + `"`, 304, ``, "Content-Type: "},
		{"GET /db/a", "", `If-None-Match: *`, 200, ``, ""},
		{"PUT /db/a", `{"v":2}`, "", 409, conflict, ""},
		{"PUT /db/a?rev=nonsense", `{"v":2}`, "", 400, `{"error":"bad_request","reason":"Invalid rev format"}`, ""},
		{"PUT /db/a?rev=" + revV1, `{"_rev":"1-x"}`, "", 400, `~different values`, ""},
		{"PUT /db/a", `{"_rev":"1-x"}`, `If-Match: "` + revV1 + `"`, 400, `~different values`, ""},
		{"PUT /db/a", `{"v":2}`, `If-Match: "` + revV1 + `"`, 201, `~"rev":"2-`, ""},
		{"GET /db/a?rev=" + revV1, "", "", 200, `{"_id":"a","_rev":"` + revV1 + `","v":1}`, ""},
		{"GET /db/a?rev=9-x", "", "", 404, `~missing`, ""},
		{"GET /db/a?revs=true", "", "", 200, `~"_revisions":{"start":2,"ids":\["[0-9a-f]{32}","7a7e4b29f3af401e69b6f86e4c26b727"\]}`, ""},
		{"GET /db/a?revs_info=true", "", "", 200, `~"_revs_info":\[{"rev":"2-[0-9a-f]{32}","status":"available"},{`, "Etag: "},
		{"GET /db/a?local_seq=true", "", "", 200, `~"_local_seq":`, "Etag: "},
		{"DELETE /db/a", "", "", 409, conflict, ""},
		{"PUT /db/d", `{"v":1}`, "", 201, ``, ""},
		{"DELETE /db/d?rev=" + revV1, "", "", 200, `~^{"ok":true,"id":"d","rev":"2-[0-9a-f]{32}"}$`, "Location: "},
		{"GET /db/d", "", "", 404, `{"error":"not_found","reason":"deleted"}`, ""},
		{"GET /db/d?deleted=true", "", "", 200, `~"_deleted":true`, ""},
		{"DELETE /db/d?rev=" + revV1, "", "", 404, `~deleted`, ""},
		{"DELETE /db/none?rev=" + revV1, "", "", 404, `~missing`, ""},
		{"PUT /db/t", `{"_deleted":true}`, "", 200, `~"rev":"1-`, "Location: http://example.com/db/t"},
		{"PUT /db/b?batch=ok", `{}`, "", 202, `{"ok":true,"id":"b"}`, "Etag: "},
		{"PUT /db/b?batch=ok", `{}`, "", 202, `{"ok":true,"id":"b"}`, ""},
		{"PUT /db/r?new_edits=false", `{"v":1}`, "", 400, `~_rev`, ""},
		{"PUT /db/r?new_edits=false", `{"_rev":"3-aa"}`, "", 201, `{"ok":true,"id":"r","rev":"3-aa"}`, ""},
		{"PUT /db/r?new_edits=false", `{"_rev":"3-aa"}`, "", 201, `{"ok":true,"id":"r","rev":"3-aa"}`, ""},
		{"PUT /db/_x", `{}`, "", 400, `~illegal_docid`, ""},
		{"PUT /db/x", `{"_x":1}`, "", 400, `~doc_validation`, ""},
		{"PUT /db/x", `[]`, "", 400, `~must be a JSON object`, ""},
		{"PUT /db/x", `{"a`, "", 400, `~invalid UTF-8 JSON`, ""},
		{"PUT /db/x%20%2F%5E%C3%BC", `{}`, "", 201, `{"ok":true,"id":"x /^ü","rev":"` + revNil + `"}`, "Location: http://example.com/db/x%20%2F%5E%C3%BC"},
		{"PUT /db/_design/d", `{}`, "", 201, ``, "Location: http://example.com/db/_design%2Fd"},
		{"PUT /none/a", `{}`, "", 404, `~Database does not exist`, ""},
		{"POST /db/a", "", "", 400, `~Referer`, ""},
	})
}

func TestCopy(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	runSteps(t, s, []step{
		{"PUT /db", "", "", 201, ``, ""},
		{"PUT /db/a", `{"v":1}`, "", 201, ``, ""},
		{"COPY /db/a", "", "", 400, `~Destination header is mandatory`, ""},
		{"COPY /db/a", "", "Destination: b%2Fc", 201, `{"ok":true,"id":"b/c","rev":"` + revV1 + `"}`, "Location: http://example.com/db/b%2Fc"},
		{"COPY /db/a", "", "Destination: b%2Fc", 409, conflict, ""},
		{"COPY /db/a", "", "Destination: b%2Fc?rev=" + revV1, 201, `~"rev":"2-`, ""},
		{"COPY /db/a", "", "Destination: b?x", 400, `~Invalid rev`, ""},
		{"COPY /db/a", "", "Destination: http://x/y", 400, `~must be relative`, ""},
		{"COPY /db/a", "", "Destination: _x", 400, `~illegal_docid`, ""},
		{"COPY /db/a?rev=1-x", "", "Destination: c", 404, `~missing`, ""},
		{"COPY /db/none", "", "Destination: c", 404, `~missing`, ""},
		{"COPY /db/a", "", "Destination: _local/l", 201, `{"ok":true,"id":"_local/l","rev":"0-1"}`, ""},
		{"COPY /db/_local/l", "", "Destination: d", 201, `{"ok":true,"id":"d","rev":"` + revV1 + `"}`, ""},
	})
}

func TestConflictsAndOpenRevs(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	runSteps(t, s, []step{
		{"PUT /db", "", "", 201, ``, ""},
		{"PUT /db/a?new_edits=false", `{"_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"v":"b"}`, "", 201, ``, ""},
		{"PUT /db/a?new_edits=false", `{"_rev":"2-c","_revisions":{"start":2,"ids":["c","a"]},"v":"c"}`, "", 201, ``, ""},
		{"PUT /db/a?new_edits=false", `{"_rev":"2-d","_revisions":{"start":2,"ids":["d","a"]},"_deleted":true}`, "", 200, ``, ""},
		{"GET /db/a?conflicts=true&deleted_conflicts=true", "", "", 200, `{"_id":"a","_rev":"2-c","v":"c","_conflicts":["2-b"],"_deleted_conflicts":["2-d"]}`, "Etag: "},
		{"GET /db/a?rev=2-b&conflicts=true", "", "", 200, `{"_id":"a","_rev":"2-b","v":"b"}`, `Etag: "2-b"`},
		{"GET /db/a?open_revs=all", "", "", 200, `[{"ok":{"_id":"a","_rev":"2-b","v":"b"}},{"ok":{"_id":"a","_rev":"2-c","v":"c"}},{"ok":{"_id":"a","_rev":"2-d","_deleted":true}}]`, "Content-Type: application/json"},
		{"GET /db/a?open_revs=%5B%222-b%22,%227-z%22%5D", "", "", 200, `[{"ok":{"_id":"a","_rev":"2-b","v":"b"}},{"missing":"7-z"}]`, ""},
		{"GET /db/a?open_revs=%5B%221-a%22%5D&latest=true", "", "", 200, `~"2-b".*"2-c".*"2-d"`, ""},
		{"GET /db/a?open_revs=%5B%222-b%22%5D&revs=true", "", "", 200, `~"_revisions":{"start":2,"ids":\["b","a"\]}`, ""},
		{"GET /db/a?open_revs=%5B%5D", "", "", 200, `~"2-c"`, ""},
		{"GET /db/a?open_revs=%22all%22", "", "", 400, ``, ""},
		{"GET /db/a?open_revs=", "", "", 400, `{"error":"bad_request","reason":"invalid UTF-8 JSON"}`, ""},
		{"GET /db/a?open_revs=%5B1%5D", "", "", 400, ``, ""},
		{"GET /db/none?open_revs=all", "", "", 404, `~missing`, ""},
		{"GET /db/none?open_revs=%5B%221-a%22%5D", "", "", 200, `[{"missing":"1-a"}]`, ""},
		{"DELETE /db/a?rev=2-c", "", "", 200, ``, ""},
		{"GET /db/a", "", "", 200, `{"_id":"a","_rev":"2-b","v":"b"}`, ""},
	})
	for accept, parts := range map[string]bool{
		"multipart/mixed": true, "*/*": true, "multipart/*": true, "application/json": false, "text/html": false, "application/json, */*": false,
	} {
		w := call(s, "GET", `/db/a?open_revs=%5B%222-b%22,%229-x%22%5D`, "", "Admin", "", "Accept", accept)
		kind := w.Header().Get("Content-Type")
		if strings.HasPrefix(kind, "multipart/mixed; boundary=") != parts {
			t.Errorf("Accept %q is answered with %s", accept, kind)
		}
		if !parts {
			continue
		}
		_, boundary, _ := strings.Cut(kind, "boundary=")
		boundary = strings.Trim(boundary, `"`)
		want := "\r\n--" + boundary + "\r\nContent-Type: application/json\r\n\r\n" + `{"_id":"a","_rev":"2-b","v":"b"}` +
			"\r\n--" + boundary + "\r\nContent-Type: application/json; error=\"true\"\r\n\r\n" + `{"missing":"9-x"}` +
			"\r\n--" + boundary + "--"
		if got := strings.TrimSuffix(w.Body.String(), "\n"); got != want {
			t.Errorf("Accept %q:\n%q\nwant\n%q", accept, got, want)
		}
	}
}

func TestLocalDocuments(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	runSteps(t, s, []step{
		{"PUT /db", "", "", 201, ``, ""},
		{"PUT /db/_local/a", `{"v":1}`, "", 201, `{"ok":true,"id":"_local/a","rev":"0-1"}`, "Location: http://example.com/db/_local%2Fa"},
		{"PUT /db/_local/a", `{"v":2,"_attachments":{"f":{"data":""}}}`, "", 201, `~"0-1"`, ""},
		{"PUT /db/_local/a", `{"_rev":"0-7","v":3}`, "", 201, `~"0-8"`, ""},
		{"GET /db/_local/a", "", "", 200, `{"_id":"_local/a","_rev":"0-8","v":3}`, `Etag: "0-8"`},
		{"GET /db/_local/a?rev=0-1", "", "", 404, ``, ""},
		{"GET /db/_local/a?open_revs=all", "", "", 404, ``, ""},
		{"POST /db", `{"_id":"_local/b","_attachments":{"f":{"data":""}}}`, "", 201, `~"0-1"`, ""},
		{"PUT /db/_local/a/f", `{}`, "", 400, `~do not accept attachments`, ""},
		{"PUT /db/_local/a%2Ff", `{}`, "", 201, ``, ""},
		{"DELETE /db/_local/a", "", "", 200, `{"ok":true,"id":"_local/a","rev":"0-0"}`, ""},
		{"DELETE /db/_local/a", "", "", 404, `~missing`, ""},
		{"GET /db/_local/a", "", "", 404, `~missing`, ""},
	})
}

func TestAttachmentsOfNone(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	const none = `{"error":"not_found","reason":"Document is missing attachment"}`
	runSteps(t, s, []step{
		{"PUT /db", "", "", 201, ``, ""},
		{"PUT /db/a", `{"_attachments":{}}`, "", 201, ``, ""},
		{"PUT /db/_design/d", `{}`, "", 201, ``, ""},
		{"GET /db/a?attachments=true", "", "", 200, `{"_id":"a","_rev":"` + revNil + `"}`, "Content-Type: application/json"},
		{"GET /db/a?atts_since=%5B%221-a%22%5D", "", "", 200, ``, "Content-Type: application/json"},
		{"GET /db/a?atts_since=x", "", "", 400, ``, ""},
		{"GET /db/a/f", "", "", 404, none, ""},
		{"GET /db/_design/d/f/g", "", "", 404, none, ""},
		{"GET /db/x/f", "", "", 404, `~missing`, ""},
		{"DELETE /db/a/f", "", "", 404, none, ""},
		{"DELETE /db/a/f?rev=1-x", "", "", 409, `{"error":"not_found","reason":"missing_rev"}`, ""},
		{"PUT /db/a/f", "x", "", 409, conflict, ""},
		{"PUT /db/a/_f?rev=" + revNil, "x", "", 400, `~prohibited character`, ""},
		{"PUT /db/b", `{}`, "Content-Type: multipart/related", 400, `~boundary`, ""},
		{"GET /db/b", "", "", 404, ``, ""},
		{"GET /db/_design/d/_view/v", "", "", 404, `~missing_named_view`, ""},
		{"POST /db/a/f", "x", "", 405, ``, "Allow: DELETE,GET,HEAD,PUT"},
	})
}
