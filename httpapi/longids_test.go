package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/storetest"
)

// Documents with ids far longer than any key of the storage work everywhere.
func TestLongIDs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{7000, 60_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := openServer(t, Options{})
			ask := func(method, path, body string, headers ...string) *httptest.ResponseRecorder {
				return call(s, method, path, body, append(headers, "Admin", "")...)
			}
			expect(t, ask("PUT", "/db", ""), 201, "ok")
			expect(t, ask("PUT", "/db/_design/d", `{"views":{"v":{"map":"function(d){emit(d.k,1)}","reduce":"_count"}}}`), 201, "ok")
			begin := strings.Repeat("é", (n-20)/2) // only the last bytes differ
			var ids []string
			for _, end := range []string{"a", "b", "c", "d"} {
				ids = append(ids, begin+"/+?"+end)
			}
			path := func(id string) string { return "/db/" + strings.ReplaceAll(url.PathEscape(id), "+", "%2B") }
			revs := map[string]string{}
			for i, id := range ids[:3] {
				w := ask("PUT", path(id), fmt.Sprintf(`{"k":%d}`, i/2))
				expect(t, w, 201, "")
				revs[id] = jsonString(t, w, "rev")
				if w.Header().Get("ETag") != `"`+revs[id]+`"` || jsonString(t, w, "id") != id {
					t.Errorf("%s %.100s", w.Header().Get("ETag"), w.Body)
				}
				at, err := url.Parse(w.Header().Get("Location"))
				if err != nil || at.Path != "/db/"+id {
					t.Errorf("Location %.100q, %v", w.Header().Get("Location"), err)
				}
				if got := jsonString(t, ask("GET", at.RequestURI(), ""), "_id"); got != id {
					t.Errorf("there is %.100q at its location", got)
				}
			}
			w := ask("POST", "/db/_bulk_docs", `{"docs":[{"_id":`+quoted(ids[3])+`,"k":1}]}`)
			expect(t, w, 201, `^\[{"ok":true`)

			rows := func(w *httptest.ResponseRecorder) (got []string, offset int) {
				t.Helper()
				var said struct {
					Rows   []struct{ ID string }
					Offset int
				}
				if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != 200 {
					t.Errorf("%d %.300s", w.Code, w.Body)
				}
				for _, r := range said.Rows {
					got = append(got, strings.TrimPrefix(r.ID, begin))
				}
				return got, said.Offset
			}
			for query, want := range map[string]struct {
				rows   string
				offset int
			}{
				"_all_docs": {"_design/d /+?a /+?b /+?c /+?d", 0},
				"_all_docs?startkey=" + asKey(ids[1]) + "&endkey=" + asKey(ids[2]):                    {"/+?b /+?c", 2},
				"_all_docs?descending=true&startkey=" + asKey(ids[2]) + "&limit=1&skip=1":             {"/+?b", 2},
				"_all_docs?inclusive_end=false&startkey=" + asKey(begin) + "&endkey=" + asKey(ids[1]): {"/+?a", 1},
				"_all_docs?keys=[" + asKey(ids[3]) + "," + asKey(ids[0]) + "]":                        {"/+?d /+?a", 0},
				"_design/d/_view/v?reduce=false":                                                      {"/+?a /+?b /+?c /+?d", 0},
				"_design/d/_view/v?reduce=false&descending=true":                                      {"/+?d /+?c /+?b /+?a", 0},
				"_design/d/_view/v?reduce=false&key=0&startkey_docid=" + url.QueryEscape(ids[1]):      {"/+?b", 1},
				"_design/d/_view/v?reduce=false&startkey=1&startkey_docid=" + url.QueryEscape(ids[3]): {"/+?d", 3},
			} {
				got, offset := rows(ask("GET", "/db/"+query, ""))
				if strings.Join(got, " ") != want.rows || offset != want.offset && !strings.Contains(query, "keys=") {
					t.Errorf("%.60s is %q at %d, want %q at %d", query, got, offset, want.rows, want.offset)
				}
			}
			expect(t, ask("GET", "/db/_design/d/_view/v?group=true", ""), 200, `(?s)"key":0,"value":2},.*"key":1,"value":2}`)

			var changes struct{ Results []struct{ ID string } }
			if err := json.Unmarshal(ask("GET", "/db/_changes", "").Body.Bytes(), &changes); err != nil || len(changes.Results) != 5 || changes.Results[1].ID != ids[0] {
				t.Errorf("%d changes, %v", len(changes.Results), err)
			}
			found := func(body string) (got []string, bookmark string) {
				t.Helper()
				w := ask("POST", "/db/_find", body)
				var said struct {
					Docs []struct {
						ID string `json:"_id"`
					}
					Bookmark string
				}
				if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != 200 {
					t.Fatalf("%d %.300s", w.Code, w.Body)
				}
				for _, d := range said.Docs {
					got = append(got, strings.TrimPrefix(d.ID, begin))
				}
				return got, said.Bookmark
			}
			expect(t, ask("POST", "/db/_index", `{"index":{"fields":["k"]}}`), 200, "created")
			for _, selector := range []string{`{"k":{"$gte":0}}`, `{"_id":{"$gte":` + quoted(begin) + `}}`} {
				first, bookmark := found(`{"selector":` + selector + `,"limit":3}`)
				second, _ := found(`{"selector":` + selector + `,"limit":3,"bookmark":"` + bookmark + `"}`)
				if got := strings.Join(slices.Concat(first, second), " "); got != "/+?a /+?b /+?c /+?d" {
					t.Errorf("%.30s finds %q", selector, got)
				}
			}

			expect(t, ask("PUT", path(ids[0])+"/f?rev="+revs[ids[0]], "bytes", "Content-Type", "a/b"), 201, "")
			expect(t, ask("GET", path(ids[0])+"/f", ""), 200, "^bytes$")
			expect(t, ask("GET", path(ids[0])+"?attachments=true", "", "Accept", "multipart/related"), 200, "(?s)stub|follows.*bytes")
			expect(t, ask("POST", "/db/_bulk_get?revs=true", `{"docs":[{"id":`+quoted(ids[1])+`}]}`), 200, `"ok":{"_id":"é+`)
			expect(t, ask("POST", "/db/_revs_diff", `{`+quoted(ids[1])+`:["1-x","`+revs[ids[1]]+`"]}`), 200, `"missing":\["1-x"\]`)
			expect(t, ask("COPY", path(ids[1]), "", "Destination", strings.TrimPrefix(path(ids[1]+"copy"), "/db/")), 201, "")
			expect(t, ask("GET", path(ids[1]+"copy"), ""), 200, `"k":0`)
			expect(t, ask("DELETE", path(ids[1])+"?rev="+revs[ids[1]], ""), 200, "")
			expect(t, ask("GET", path(ids[1]), ""), 404, "deleted")
			expect(t, ask("POST", "/db/_purge", `{`+quoted(ids[2])+`:["`+revs[ids[2]]+`"]}`), 201, revs[ids[2]])
			expect(t, ask("GET", path(ids[2]), ""), 404, "missing")
			if got, _ := rows(ask("GET", "/db/_design/d/_view/v?reduce=false", "")); strings.Join(got, " ") != "/+?a /+?bcopy /+?d" {
				t.Errorf("the view has %q", got)
			}
			local := "/db/_local/" + url.PathEscape(begin)
			expect(t, ask("PUT", local, `{"v":1}`), 201, `"id":"_local/é+"`)
			expect(t, ask("GET", local, ""), 200, `"v":1`)
			expect(t, ask("GET", "/db/_local_docs", ""), 200, `"id":"_local/é+"`)
			expect(t, ask("PUT", "/db/_design/"+url.PathEscape(begin), `{"views":{"w":{"map":"function(d){emit(1,1)}"}}}`), 201, `"id":"_design/é+"`)
			expect(t, ask("GET", "/db/_design/"+url.PathEscape(begin)+"/_view/w", ""), 200, `"total_rows":3`)
			expect(t, ask("POST", "/db/_compact", "{}"), 202, "")
			checkDatabase(t, s, "db")
		})
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func asKey(id string) string { return url.QueryEscape(quoted(id)) }

// checkDatabase fails the test if a check of a database finds anything.
func checkDatabase(t *testing.T, s *Server, name string) {
	t.Helper()
	db, err := storetest.OpenDB(t.Context(), s.Store, name)
	if err == nil {
		defer db.Release()
		err = db.Check(t.Context(), func(p string) { t.Errorf("check: %s", p) })
	}
	if err != nil {
		t.Error(err)
	}
}

// The limit counts the bytes of the whole id and refuses all documents of a request. Existing
// documents can still be read.
func TestIDLengthIsLimited(t *testing.T) {
	t.Parallel()
	c := settings(t)
	s := openServer(t, Options{Config: c})
	ask := func(method, path, body string, headers ...string) *httptest.ResponseRecorder {
		return call(s, method, path, body, append(headers, "Admin", "")...)
	}
	ask("PUT", "/db", "")
	ask("PUT", "/db/"+strings.Repeat("o", 30), `{}`)
	ask("PUT", "/db/_design/d", `{"updates":{"u":"function(doc,req){return [{_id:req.query.id},'made']}"}}`)
	set(t, c, "couchdb/max_document_id_length", "20")
	fits, long := strings.Repeat("ü", 10), strings.Repeat("ü", 10)+"x"
	for _, one := range []struct{ method, path, body, headers string }{
		{"PUT", "/db/ID", `{}`, ""},
		{"POST", "/db", `{"_id":"ID"}`, ""},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"neighbour"},{"_id":"ID"}]}`, ""},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"neighbour","_rev":"1-a"},{"_id":"ID","_rev":"1-a"}]}`, ""},
		{"PUT", "/db/ID/f", `x`, ""},
		{"COPY", "/db/_design%2Fd", ``, "ID"},
		{"POST", "/db/_design/d/_update/u?id=ID", ``, ""},
		{"PUT", "/db/_local/ID", `{}`, ""},
		{"PUT", "/db/_design/ID", `{}`, ""},
		{"POST", "/db/_index", `{"index":{"fields":["a"]},"ddoc":"ID"}`, ""},
	} {
		id := long
		if strings.Contains(one.path, "/_local/") {
			id = "xxxxxxxxxxxxxx"
		} else if strings.Contains(one.path, "/_design/ID") {
			id = "xxxxxxxxxxxxx"
		}
		fill := func(id string) *httptest.ResponseRecorder {
			path := strings.ReplaceAll(one.path, "ID", url.PathEscape(id))
			return ask(one.method, path, strings.ReplaceAll(one.body, "ID", id), "Destination", strings.ReplaceAll(one.headers, "ID", url.PathEscape(id)))
		}
		expect(t, fill(id), 400, `^{"error":"illegal_docid","reason":"Document id is too long"}\n$`)
	}
	expect(t, ask("GET", "/db/neighbour", ""), 404, "missing")
	expect(t, ask("PUT", "/db/"+url.PathEscape(fits), `{}`), 201, "ok")
	expect(t, ask("PUT", "/db/_local/xxxxxxxxxxxxx", `{}`), 201, "ok")
	expect(t, ask("PUT", "/db/_design/xxxxxxxxxxxx", `{}`), 201, "ok")
	expect(t, ask("GET", "/db/"+strings.Repeat("o", 30), ""), 200, `"_id":"o{30}"`)
	expect(t, ask("GET", "/db/"+strings.Repeat("p", 30), ""), 404, "missing")
	set(t, c, "couchdb/max_document_id_length", "infinity")
	expect(t, ask("PUT", "/db/"+url.PathEscape(long), `{}`), 201, "ok")
}

// An answer has a Location only if a request can use it: clients need not take a header of
// megabytes.
func TestLongIDsHaveNoLocation(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	expect(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "ok")
	for n, located := range map[int]bool{60_000: true, 100_000: false} {
		w := call(s, "POST", "/db", `{"_id":"`+strings.Repeat("i", n)+`"}`, "Admin", "")
		expect(t, w, 201, "ok")
		if got := w.Header().Get("Location"); (got != "") != located {
			t.Errorf("an id of %d bytes: Location has %d", n, len(got))
		}
	}
}
