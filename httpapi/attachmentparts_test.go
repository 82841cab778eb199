package httpapi_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tododb/tododb/httpapi/attachments"
)

// The settings limit the size of a document without its attachments, however large they are and
// whichever way it comes.
func TestDocumentSizeIsWithoutAttachments(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "couchdb/max_document_size", "500")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	photo := strings.Repeat("enp6", 10000)
	doc := func(id string, size int) string {
		return fmt.Sprintf(`{%s"v":"%s", "_attachments":{"f":{"data":"%s"}}}`, id, strings.Repeat("x", size-len(`{"v":""}`)), photo)
	}
	for size, want := range map[int]int{500: 201, 501: 413} {
		word := map[int]string{201: "ok", 413: "document_too_large"}[want]
		wants(t, call(s, "PUT", fmt.Sprintf("/db/a%d", size), doc("", size), "Admin", ""), want, word)
		wants(t, call(s, "POST", "/db", doc("", size), "Admin", ""), want, word)
		wants(t, call(s, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"x`+fmt.Sprint(size)+`"},`+doc(`"_id":"b",`, size)+`]}`, "Admin", ""), want, word)
		wants(t, call(s, "POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[`+doc(`"_id":"c","_rev":"1-a",`, size)+`]}`, "Admin", ""), want, strings.TrimPrefix(word, "ok"))
		wants(t, call(s, "PUT", fmt.Sprintf("/db/_local/a%d", size), doc("", size), "Admin", ""), want, word)
		related := "--x\r\n\r\n" + doc("", size) + "\r\n--x--"
		wants(t, call(s, "PUT", fmt.Sprintf("/db/r%d", size), related, "Admin", "", "Content-Type", "multipart/related; boundary=x"), want, word)
	}
	wants(t, call(s, "GET", "/db/x501", "", "Admin", ""), 404, "missing")
	wants(t, call(s, "GET", "/db/a500/f", "", "Admin", ""), 200, strings.Repeat("z", 30000))
}

// The type of an attachment is text from its sender. It cannot add lines to the heads of parts.
func TestTypesStayInTheirLine(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	made := wants(t, call(s, "PUT", "/db/a", `{"_attachments":{"f":{"content_type":"text/plain\r\nX-Evil: yes\r\n\r\nevil","data":"aGVsbG8="}}}`, "Admin", ""), 201, "rev")
	rev := textOf(t, made, "rev")
	inner := func(w http.Header, body io.Reader) *multipart.Reader {
		_, params, err := mime.ParseMediaType(w.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		return multipart.NewReader(body, params["boundary"])
	}
	check := func(what string, parts *multipart.Reader, text string) {
		t.Helper()
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		body, err := io.ReadAll(part)
		if err != nil || string(body) != text || part.Header.Get("X-Evil") != "" || !strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %v %q %v", what, part.Header, body, err)
		}
	}
	w := call(s, "GET", "/db/a?attachments=true", "", "Admin", "", "Accept", "multipart/related")
	parts := inner(w.Result().Header, w.Body)
	if _, err := parts.NextRawPart(); err != nil {
		t.Fatal(err)
	}
	check("related", parts, "hello")
	w = call(s, "GET", "/db/a/f", "", "Admin", "", "Range", "bytes=0-0,2-3")
	check("ranges", inner(w.Result().Header, w.Body), "h")
	w = call(s, "GET", "/db/a?open_revs=[%22"+rev+"%22]&attachments=true", "", "Admin", "", "Accept", "multipart/mixed")
	outer, err := inner(w.Result().Header, w.Body).NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	parts = inner(http.Header(outer.Header), outer)
	if _, err := parts.NextRawPart(); err != nil {
		t.Fatal(err)
	}
	check("revisions", parts, "hello")
}

// A multipart message ends where its boundary closes it, whatever follows and in whatever pieces
// the bytes arrive.
func TestUntilClosed(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"--x\r\n\r\na\r\n--x--", "--x\r\n\r\na\r\n--x--"},
		{"--x\r\n\r\na\r\n--x--more\r\n--x\r\n", "--x\r\n\r\na\r\n--x--"},
		{"--x--more", "--x--"},
		{"--x\n\na\n--x-\n--x--\n--x--", "--x\n\na\n--x-\n--x--"},
		{"--x\r\n\r\na--x--\r\n", "--x\r\n\r\na--x--\r\n"},
		{"\n\n\n--x-\n--x-\n-", "\n\n\n--x-\n--x-\n-"},
		{"", ""},
	} {
		for name, in := range map[string]io.Reader{"whole": strings.NewReader(c[0]), "by byte": iotest.OneByteReader(strings.NewReader(c[0])), "by half": iotest.HalfReader(strings.NewReader(c[0]))} {
			got, err := io.ReadAll(attachments.NewUntilClosed(in, "x"))
			if err != nil || string(got) != c[1] {
				t.Errorf("%s %q: %q, %v", name, c[0], got, err)
			}
		}
	}
}

func TestContentCodingInAnyCase(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	for _, coding := range []string{"GZIP", "Gzip", " gzip ", "X-GZIP"} {
		wants(t, call(s, "POST", "/db", packed(t, `{"v":1}`), "Admin", "", "Content-Encoding", coding), 201, "ok")
	}
	wants(t, call(s, "PUT", "/db/a/f", packed(t, "hello"), "Admin", "", "Content-Encoding", "GZIP"), 201, "ok")
	wants(t, call(s, "GET", "/db/a/f", "", "Admin", ""), 200, "hello")
	wants(t, call(s, "POST", "/db", `{}`, "Admin", "", "Content-Encoding", "br"), 415, "bad_content_type")
}

// The bytes of a part are what the document says they are, or the document is refused.
func TestPartsHaveTheirDigest(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	put := func(id, digest string, status int, want string) {
		t.Helper()
		body := "--x\r\n\r\n{\"_attachments\":{\"f\":{\"follows\":true,\"length\":5,\"digest\":\"" + digest + "\"}}}\r\n--x\r\n\r\nhello\r\n--x--"
		wants(t, call(s, "PUT", "/db/"+id, body, "Admin", "", "Content-Type", "multipart/related; boundary=x"), status, want)
	}
	put("a", "md5-XUFAKrxLKna5cZ2REBfFkg==", 201, "ok")
	put("b", "sha1-qvTGHdzF6KLavt4PO0gs2a6pQ00=", 201, "ok")
	put("c", "md5-AAAAAAAAAAAAAAAAAAAAAA==", 400, "content_md5_mismatch")
	wants(t, call(s, "GET", "/db/c", "", "Admin", ""), 404, "missing")
}
