package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// formOf writes a form with the boundary x. A field is NAME=VALUE; a file is
// NAME;FILE;TYPE=VALUE.
func formOf(fields ...string) string {
	var b strings.Builder
	for _, field := range fields {
		head, value, _ := strings.Cut(field, "=")
		parts := strings.Split(head, ";")
		fmt.Fprintf(&b, "--x\r\nContent-Disposition: form-data; name=\"%s\"", parts[0])
		if len(parts) > 1 {
			fmt.Fprintf(&b, "; filename=\"%s\"", parts[1])
		}
		if len(parts) > 2 {
			b.WriteString("\r\nContent-Type: " + parts[2])
		}
		b.WriteString("\r\n\r\n" + value + "\r\n")
	}
	return b.String() + "--x--\r\n"
}

// sendForm uploads a form as a page of this server does.
func sendForm(s http.Handler, path, form string, headers ...string) *httptest.ResponseRecorder {
	return call(s, "POST", path, form, append([]string{"Admin", "", "Content-Type", "multipart/form-data; boundary=x", "Referer", "http://example.com/page"}, headers...)...)
}

// A form brings files to a document: to the revision that it names, or along with the
// document, in whatever order its fields come.
func TestFormUpload(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	rev := textOf(t, wants(t, call(s, "PUT", "/db/d", `{"v":1,"_attachments":{"old":{"data":"b2xk"},"f":{"data":"Zg=="}}}`, "Admin", ""), 201, ""), "rev")
	w := sendForm(s, "/db/d", formOf("other=ignored", "_attachments;f;text/plain; charset=utf-8=new", "_attachments;a b/ü.txt;=named", "_rev="+rev, "_attachments;;=", "picture;p.png=elsewhere"))
	rev = textOf(t, wants(t, w, 201, `"ok":true`), "rev")
	if h := w.Result().Header; h.Get("Etag") != `"`+rev+`"` || h.Get("Location") != "" {
		t.Errorf("ETag and Location: %v", h)
	}
	got := wants(t, call(s, "GET", "/db/d", "", "Admin", ""), 200, `"v":1`)
	for _, part := range []string{`"f":{"content_type":"text/plain","revpos":2,`, `"a b/ü.txt":{"content_type":"application/octet-stream","revpos":2,`, `"old":{"content_type":"application/octet-stream","revpos":1,`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
	if strings.Contains(got, "p.png") || strings.Index(got, `"f"`) > strings.Index(got, `"old"`) {
		t.Errorf("what the form brought: %s", got)
	}
	wants(t, call(s, "GET", "/db/d/a%20b/%C3%BC.txt", "", "Admin", ""), 200, "named")

	// _doc replaces all, and its stubs keep attachments.
	rev = textOf(t, wants(t, sendForm(s, "/db/d", formOf(`_doc={"w":2,"_rev":"`+rev+`","_attachments":{"old":{"stub":true},"f":{"data":"Zg=="}}}`, "_attachments;f=last", "_attachments;f=later")), 201, ""), "rev")
	got = wants(t, call(s, "GET", "/db/d?attachments=true", "", "Admin", "", "Accept", "application/json"), 200, `"w":2`)
	if strings.Contains(got, `"v"`) || strings.Contains(got, "a b") || !strings.Contains(got, `"data":"b2xk"`) || !strings.Contains(got, `"data":"bGF0ZXI="`) || strings.Count(got, `"f"`) != 1 {
		t.Errorf("_doc made %s", got)
	}
	wants(t, sendForm(s, "/db/d", formOf("_rev="+rev)), 201, `"rev":"4-`)
	wants(t, sendForm(s, "/db/new", formOf(`_doc={}`)), 201, `"rev":"1-`)
	wants(t, sendForm(s, "/db/_design/app", formOf(`_doc={"language":"javascript"}`, "_attachments;page;text/html=<p>")), 201, `"id":"_design/app"`)
	wants(t, call(s, "GET", "/db/_design/app/page", "", "Admin", ""), 200, "<p>")
	// The same key brings the same answer.
	for range 2 {
		wants(t, sendForm(s, "/db/once", formOf(`_doc={}`, "_attachments;f=1"), "Idempotency-Key", "k"), 201, `"rev":"1-`)
	}
}

// A form that is refused changes nothing.
func TestBadForms(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "couchdb/max_document_size", "1000", "couchdb/max_attachment_size", "100", "chttpd/max_http_request_size", "2000000")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/_design/v", `{"validate_doc_update":"function(d){if(d.no)throw({forbidden:'no'})}"}`, "Admin", ""), 201, "")
	rev := textOf(t, wants(t, call(s, "PUT", "/db/d", `{"v":1}`, "Admin", ""), 201, ""), "rev")
	before := wants(t, call(s, "GET", "/db/_changes?include_docs=true&attachments=true", "", "Admin", ""), 200, "")
	manyFiles := make([]string, 5000)
	for i := range manyFiles {
		manyFiles[i] = fmt.Sprintf("_attachments;f%d=", i)
	}
	for _, c := range []struct {
		path, form string
		headers    []string
		status     int
		want       string
	}{
		{"/db/d", formOf("_rev=" + rev), []string{"Referer", ""}, 400, "Referer header required."},
		{"/db/d", formOf("_rev=" + rev), []string{"Referer", "http://elsewhere.example/"}, 400, "Referer header must match host."},
		{"/db/d", formOf("_rev=" + rev), []string{"Referer", "http://example.com:81/"}, 400, "Referer header must match host."},
		{"/db/d", formOf("_rev=" + rev), []string{"Referer", "http://example.com/", "X-Forwarded-Host", "elsewhere.example", "Referer", "http://elsewhere.example"}, 400, "Referer header must match host."},
		{"/db/d", formOf("_rev=" + rev), []string{"Referer", "%"}, 400, "Referer header must match host."},
		{"/db/d", `{}`, []string{"Content-Type", "application/json"}, 415, "bad_content_type"},
		{"/db/d", `a=b`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "bad_content_type"},
		{"/db/d", formOf("_rev=" + rev), []string{"Content-Type", "multipart/form-data"}, 400, "boundary"},
		{"/db/d", formOf("_rev=bogus"), nil, 400, "Invalid rev format"},
		{"/db/d", formOf("_rev=9-a", "_attachments;f=1"), nil, 409, "missing_rev"},
		{"/db/none", formOf("_rev=1-a", "_attachments;f=1"), nil, 409, "missing_rev"},
		{"/db/none", formOf("_attachments;f=1"), nil, 400, "_rev"},
		{"/db/none", formOf(), nil, 400, "_rev"},
		{"/db/none", formOf("_doc=not json", "_attachments;f=1"), nil, 400, "invalid UTF-8 JSON"},
		{"/db/none", formOf("_doc=[]"), nil, 400, "bad_request"},
		{"/db/none", formOf(`_doc={"_what":1}`), nil, 400, "doc_validation"},
		{"/db/none", formOf(`_doc={"no":1}`, "_attachments;f=1"), nil, 403, "forbidden"},
		{"/db/none", formOf(`_doc={"a":"` + strings.Repeat("x", 1000) + `"}`), nil, 413, "document_too_large"},
		{"/db/none", formOf(`_doc={}`, "_attachments;f="+strings.Repeat("x", 101)), nil, 413, `"attachment_too_large","reason":"f"`},
		{"/db/none", formOf(`_doc={}`, "other="+strings.Repeat("x", 2000000)), nil, 413, "too_large"},
		{"/db/none", formOf(append(manyFiles, `_doc={}`)...), nil, 413, "too many files"},
		{"/db/none", formOf(`_doc={}`, "_attachments;_f=1"), nil, 400, "prohibited character"},
		{"/db/none", formOf(`_doc={}`, "_attachments;\xff=1"), nil, 400, "UTF-8"},
		{"/db/none", formOf(`_doc={}`, "_attachments;=nameless"), nil, 400, "has no name"},
		{"/db/none", formOf(`_doc={"_attachments":{"f":{"stub":true}}}`), nil, 412, "missing_stub"},
		{"/db/none", strings.TrimSuffix(formOf(`_doc={}`, "_attachments;f=1"), "--x--\r\n"), nil, 400, "cannot be read"},
		{"/db/none", strings.TrimSuffix(formOf(`_doc={}`, "_attachments;f=1"), "\r\n--x--\r\n"), nil, 400, "cannot be read"},
		{"/db/none", "--x\r\n\r\n{}\r\n--x--", nil, 400, "Content-Disposition"},
		{"/db/none", "--x\r\nContent-Disposition: attachment; name=_doc\r\n\r\n{}\r\n--x--", nil, 400, "Content-Disposition"},
		{"/db/none", "--x\r\nContent-Disposition: form-data; name=\"_doc\"\r\nX: " + strings.Repeat("x", 70000) + "\r\n\r\n{}\r\n--x--", nil, 400, "too long"},
		{"/db/none", "", nil, 400, "cannot be read"},
		{"/db/d", formOf(`_doc={"v":9}`), nil, 409, "conflict"},
		{"/db/_local/l", formOf(`_doc={"v":9}`), nil, 400, "_local documents do not accept attachments."},
		{"/db/_nothing", formOf(`_doc={"v":9}`), nil, 400, "illegal_docid"},
		{"/none/d", formOf(`_doc={}`), nil, 404, "Database does not exist."},
	} {
		if w := sendForm(s, c.path, c.form, c.headers...); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %.200q %v: %d %s, want %d with %s", c.path, c.form, c.headers, w.Code, w.Body, c.status, c.want)
		}
	}
	if after := wants(t, call(s, "GET", "/db/_changes?include_docs=true&attachments=true", "", "Admin", ""), 200, ""); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// Users who may not write a document cannot upload to it, and are told so before the form is
// read.
func TestFormsNeedRights(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	unread := &untouched{}
	for path, status := range map[string]int{"/db/d": 401, "/db/_design/d": 401} {
		r := httptest.NewRequest("POST", path, unread)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		r.Header.Set("Referer", "http://example.com/")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		wants(t, w, status, "unauthorized")
	}
	if unread.read {
		t.Error("the form has been read")
	}
}

// untouched is a body that notes whether it is read.
type untouched struct{ read bool }

func (u *untouched) Read([]byte) (int, error) {
	u.read = true
	return 0, io.EOF
}

// Any form gets an answer, and either makes the document or leaves nothing behind.
func FuzzForm(f *testing.F) {
	s := openServer(f, Options{})
	serveFuzz(s, "PUT", "/db", "", "")
	f.Add(formOf("_doc={}", "_attachments;f;text/plain=hi"))
	f.Add(formOf("_rev=1-967a00dff5e02add41819138abb3284d", "_attachments;f;text/plain=hi"))
	f.Add(formOf(`_doc={"_attachments":{"f":{"data":"aGk="},"g":{"follows":true}}}`, "_attachments;f=1", "_attachments;f=2"))
	f.Add("--x\r\ncontent-disposition: form-data; name=_attachments; filename*=utf-8''%e2%82%ac\r\n\r\nhi\r\n--x\r\ncontent-disposition:form-data;name=_doc\r\n\r\n{}\r\n--x--tail")
	n := 0
	f.Fuzz(func(t *testing.T, form string) {
		n++
		path := fmt.Sprintf("/db/d%d", n)
		r := httptest.NewRequest("POST", path, strings.NewReader(form))
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		r.Header.Set("Referer", "http://example.com/")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%q: %d %s", form, w.Code, w.Body)
		}
		read := serveFuzz(s, "GET", path+"?attachments=true&deleted=true", "", "")
		if made := w.Code < 300; made != (read.Code == http.StatusOK) {
			t.Errorf("%q: %d, and reading it %d %s", form, w.Code, read.Code, read.Body)
		}
	})
}
