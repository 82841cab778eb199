package httpapi_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// No answer can show an id that is not UTF-8, and no replication can carry it. So it is refused
// wherever a document could get it, and reads find no document with it.
func TestIDsAreUTF8(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/src", "{}", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/_local/src", "{}", "Admin", ""), 201, "")
	const illegal, missing = "illegal_docid", "missing"
	for _, bad := range []string{"%FF", "%C0%AF", "a%80b", "%E2%82", "%F0%9F%98", "%ED%A0%80"} {
		for _, c := range []struct {
			request, to string
			status      int
			word        string
		}{
			{"PUT /db/" + bad, "", 400, illegal},
			{"PUT /db/_design/" + bad, "", 400, illegal},
			{"PUT /db/_local/" + bad, "", 400, illegal},
			{"PUT /db/" + bad + "/att", "", 400, illegal},
			{"PUT /db/_design/" + bad + "/att", "", 400, illegal},
			{"COPY /db/src", bad, 400, illegal},
			{"COPY /db/src", "_design/" + bad, 400, illegal},
			{"COPY /db/src", "_local/" + bad, 400, illegal},
			{"COPY /db/_local/src", bad, 400, illegal},
			{"PUT /db/new/" + bad, "", 400, "Attachment name is not UTF-8"},
			{"GET /db/" + bad, "", 404, missing},
			{"GET /db/_design/" + bad, "", 404, missing},
			{"GET /db/_local/" + bad, "", 404, missing},
			{"GET /db/" + bad + "/att", "", 404, missing},
			{"GET /db/src/" + bad, "", 404, "missing attachment"},
			{"DELETE /db/" + bad + "?rev=1-a", "", 404, missing},
			{"DELETE /db/_local/" + bad, "", 404, missing},
			{"DELETE /db/" + bad + "/att?rev=1-a", "", 404, missing},
			{"COPY /db/" + bad, "x", 404, missing},
			{"COPY /db/_local/" + bad, "x", 404, missing},
		} {
			method, path, _ := strings.Cut(c.request, " ")
			w := call(s, method, path, "{}", "Admin", "", "Destination", c.to)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.word) {
				t.Errorf("%s (%s): %d %s, want %d %s", c.request, c.to, w.Code, w.Body, c.status, c.word)
			}
		}
		raw, err := url.PathUnescape(bad)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range [][2]string{
			{"/db", `{"_id":"` + raw + `"}`},
			{"/db/_bulk_docs", `{"docs":[{"_id":"good"},{"_id":"` + raw + `"}]}`},
			{"/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"good","_rev":"1-a"},{"_id":"` + raw + `","_rev":"1-a"}]}`},
			{"/db/_bulk_docs", `{"docs":[{"_attachments":{"` + raw + `":{"data":""}}}]}`},
		} {
			w := call(s, "POST", c[0], c[1], "Admin", "")
			if w.Code != 400 {
				t.Errorf("POST %s %q: %d %s", c[0], c[1], w.Code, w.Body)
			}
		}
	}
	wants(t, call(s, "GET", "/db/_changes", "", "Admin", ""), 200, `"last_seq":"1-`)
}

// Whatever a path or a Destination contains, the written document is in the list of documents
// under the id in the answer, which is UTF-8.
func FuzzIDs(f *testing.F) {
	s := openServer(f, Options{})
	serveFuzz(s, "PUT", "/db", "", "")
	serveFuzz(s, "PUT", "/db/src", "{}", "")
	for _, seed := range []string{"a", "%FF", "a%2Fb", "_design/%FF", "_local/x", "%00", "a+b", "%F0%9F%98%80", "_%FF", "%ED%A0%80", "?rev=1-a"} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, id string, copied bool) {
		method, path, header := "PUT", "/db/"+id, ""
		if copied {
			method, path, header = "COPY", "/db/src", "Destination: "+id
		}
		w := serveFuzz(s, method, path, "{}", header)
		if w == nil {
			return // no URL
		}
		if w.Code >= 500 {
			t.Fatalf("%s %q: %d %s", method, id, w.Code, w.Body)
		}
		var made struct{ ID, Rev string }
		if w.Code >= 300 || json.Unmarshal(w.Body.Bytes(), &made) != nil || made.ID == "" {
			return
		}
		if !utf8.ValidString(made.ID) || strings.ContainsRune(made.ID, utf8.RuneError) && !strings.Contains(id, "%EF%BF%BD") && !strings.ContainsRune(id, utf8.RuneError) {
			t.Errorf("%s %q made %q", method, id, made.ID)
		}
		key, _ := json.Marshal([]string{made.ID})
		path = "/db/_all_docs"
		if strings.HasPrefix(made.ID, "_local/") {
			path = "/db/_local_docs"
		}
		if list := serveFuzz(s, "POST", path, `{"keys":`+string(key)+`}`, ""); !strings.Contains(list.Body.String(), made.Rev) {
			t.Errorf("%s %q made %q, which is not there: %s", method, id, made.ID, list.Body)
		}
	})
}
