package httpapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// many makes enough documents that they are written in parts.
func many(n int, doc func(i int) string) string {
	docs := make([]string, n)
	for i := range docs {
		docs[i] = doc(i)
	}
	return strings.Join(docs, ",")
}

// A request with many documents or many bytes is answered like a short one: each document has its
// own row, in the order of the request.
func TestBulkInParts(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/taken", "{}", "Admin", ""), 201, "")
	for name, doc := range map[string]func(i int) string{
		"many": func(i int) string { return fmt.Sprintf(`{"_id":"many%05d","n":%d}`, 9999-i, i) },
		"long": func(i int) string {
			return fmt.Sprintf(`{"_id":"long%05d","n":%d,"v":%q,"_attachments":{"f":{"data":"aGVs\/w=="}}}`, 9999-i, i, strings.Repeat("x", 4000))
		},
	} {
		const n = 2500
		body := `{"new_edits":true,"docs":[` + many(n, func(i int) string {
			switch i {
			case 100:
				return `{"_id":"taken"}`
			case 2000:
				return `{"_id":"` + name + `noid-given","_deleted":true}`
			case 2400:
				return doc(2300) // again
			}
			return doc(i)
		}) + `]}`
		var rows []struct {
			ID, Rev, Error string
			OK             bool
		}
		if err := json.Unmarshal([]byte(wants(t, call(s, "POST", "/db/_bulk_docs", body, "Admin", ""), 201, "ok")), &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != n {
			t.Fatalf("%s: %d rows", name, len(rows))
		}
		for i, row := range rows {
			want := fmt.Sprintf("%s%05d", name, 9999-i)
			switch i {
			case 100:
				want = "taken"
			case 2000:
				want = name + "noid-given"
			case 2400:
				want = fmt.Sprintf("%s%05d", name, 9999-2300)
			}
			if refused := i == 100 || i == 2400; row.ID != want || row.OK == refused || refused != (row.Error == "conflict") {
				t.Fatalf("%s: row %d is %+v, want %s", name, i, row, want)
			}
		}
		wants(t, call(s, "GET", "/db/"+fmt.Sprintf("%s%05d", name, 9999-2499), "", "Admin", ""), 200, `"n":2499`)
	}
	wants(t, call(s, "GET", "/db/long09999/f", "", "Admin", ""), 200, "hel\xff")
}

// If anything is wrong anywhere in a request, nothing of it is written.
func TestBulkInPartsIsJudgedWhole(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "couchdb/max_document_size", "100000", "couchdb/max_attachment_size", "2999")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	docs := many(3000, func(i int) string { return fmt.Sprintf(`{"_id":"d%d","_rev":"1-a"}`, i) })
	for _, c := range []struct {
		body   string
		status int
		word   string
	}{
		{`{"docs":[` + docs + `]`, 400, "bad_request"},
		{`{"docs":[` + docs + `]}x`, 400, "bad_request"},
		{`{"docs":[` + docs + `,{"_id":"_x"}]}`, 400, "illegal_docid"},
		{`{"docs":[` + docs + `,{"_odd":1}]}`, 400, "doc_validation"},
		{`{"docs":[` + docs + `,7]}`, 400, "bad_request"},
		{`{"docs":[` + docs + `,{"_id":"big","v":"` + strings.Repeat("x", 100000) + `"}]}`, 413, "document_too_large"},
		{`{"docs":[` + docs + `,{"_id":"big","v":"` + strings.Repeat("x", 3000000) + `"}]}`, 413, "document_too_large"},
		{`{"docs":[` + docs + `,{"_id":"a","_attachments":{"f":{"data":"!"}}}]}`, 400, "bad_request"},
		{`{"docs":[` + docs + `,{"_id":"a","_attachments":{"f":{"stub":true}}}]}`, 412, "missing_stub"},
		{`{"docs":[` + docs + `,{"_id":"a","_attachments":{"f":{"follows":true}}}]}`, 400, "follows"},
		{`{"docs":[` + docs + `,{"_id":"a","_attachments":{"f":{"data":"` + strings.Repeat("QUJD", 1000) + `"}}}]}`, 413, `"attachment_too_large","reason":"f"`},
		{`{"docs":[` + docs + `,{"_id":"a"}],"new_edits":false}`, 400, "_revisions"},
		{`{"docs":[` + docs + `],"atomic":7}`, 400, "atomic"},
		{`{"docs":[` + docs + `,{"_id":"d7"}],"atomic":true}`, 409, "conflict"},
		{`{"docs":[` + docs + `],"all_or_nothing":true}`, 417, "all_or_nothing"},
		{`{"docs":[` + docs + `],"docs":7}`, 400, "array"},
	} {
		w := call(s, "POST", "/db/_bulk_docs", c.body, "Admin", "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.word) {
			t.Errorf("…%.60s: %d %.200s, want %d %s", c.body[len(c.body)-min(60, len(c.body)):], w.Code, w.Body, c.status, c.word)
		}
	}
	wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, `"doc_count":0`)
	// If the list comes twice, the last one counts. new_edits counts wherever it is.
	wants(t, call(s, "POST", "/db/_bulk_docs", `{"docs":[`+docs+`],"docs":[`+docs+`],"new_edits":false}`, "Admin", ""), 201, "[]")
	wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, `"doc_count":3000`)
	wants(t, call(s, "GET", "/db/d2999", "", "Admin", ""), 200, `"_rev":"1-a"`)
	key := []string{"Admin", "", "Idempotency-Key", "k"}
	first := call(s, "POST", "/db/_bulk_docs", `{"docs":[`+strings.ReplaceAll(docs, `,"_rev":"1-a"`, "")+`]}`, key...)
	again := call(s, "POST", "/db/_bulk_docs", `{"docs":[`+strings.ReplaceAll(docs, `,"_rev":"1-a"`, "")+`]}`, key...)
	if first.Code != 201 || again.Code != 201 || strings.TrimSpace(first.Body.String()) != strings.TrimSpace(again.Body.String()) || again.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("a key: %d, then %d %v", first.Code, again.Code, again.Header())
	}
}

// A request that gets no memory in the time that it may wait is told when to come again, and
// changes nothing.
func TestNoMemoryForARequest(t *testing.T) {
	widetest.Only(t)
	s := openServer(t, Options{Config: settings(t, "limits/body_memory", "16777216", "limits/body_wait", "1")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	budget := s.Shared().Settings().Budget
	for _, bytes := range []int64{4 << 20, 1 << 30} { // all the memory of each kind
		if _, err := budget.Work(t.Context(), bytes); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for _, r := range [][2]string{
		{"PUT", `{"v":"` + strings.Repeat("x", 500_000) + `"}`},
		{"PUT", `{"v":"` + strings.Repeat("x", 5_000_000) + `"}`},
		{"PUT", `{"v":"` + strings.Repeat("x", 5_000_000)}, // it has no end, which the server does not know yet
		{"POST", `{"\u0064oc\u0073":[{"v":"` + strings.Repeat("x", 5_000_000) + `"}]}`},
		{"POST", `{"docs":[{"v":"` + strings.Repeat("x", 5_000_000)},
	} {
		path := map[string]string{"PUT": "/db/d", "POST": "/db/_bulk_docs"}[r[0]]
		w := call(s, r[0], path, r[1], "Admin", "")
		wants(t, w, 503, "service_unavailable")
		if w.Header().Get("Retry-After") == "" {
			t.Error("without Retry-After")
		}
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("refused after %v", took)
	}
	wants(t, call(s, "PUT", "/db/small", `{}`, "Admin", ""), 201, "ok")
	wants(t, call(s, "GET", "/db/d", "", "Admin", ""), 404, "missing")
}

// A short request with many documents never holds its memory twice.
func TestManyDocumentsWaitForNobody(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "limits/body_memory", "16777216", "limits/body_wait", "60")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	body := `{"docs":[` + many(2500, func(i int) string { return fmt.Sprintf(`{"_id":"%d","v":%q}`, i, strings.Repeat("x", 370)) }) + `]}`
	wants(t, call(s, "POST", "/db/_bulk_docs", body, "Admin", ""), 201, `"ok":true`)
}

// A client that does not read the answer to many documents keeps nobody from writing.
func TestSlowReaderOfBulkAnswer(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "limits/body_memory", "16777216", "limits/body_wait", "60")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	const docs = 16000
	body := `{"docs":[` + many(docs, func(i int) string { return fmt.Sprintf(`{"_id":"%s%05d"}`, strings.Repeat("x", 800), i) }) + `]}`
	server := httptest.NewServer(s)
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := http.NewRequest("POST", server.URL+"/db/_bulk_docs", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("admin", "secret")
	if err := r.Write(c); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(call(s, "GET", "/db", "", "Admin", "").Body.String(), fmt.Sprintf(`"doc_count":%d`, docs)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the documents are not written")
		}
	}
	wants(t, call(s, "PUT", "/db/d", `{"v":"`+strings.Repeat("x", 3<<20)+`"}`, "Admin", ""), 201, "ok")
	answer, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var rows []struct {
		ID string
		OK bool
	}
	if err := json.NewDecoder(answer.Body).Decode(&rows); err != nil || len(rows) != docs {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for i, row := range rows {
		if !row.OK || !strings.HasSuffix(row.ID, fmt.Sprintf("x%05d", i)) {
			t.Fatalf("row %d: %+v", i, row)
		}
	}
}

// Inline data is read by the rules of JSON and base64, completely or not at all.
func TestInlineData(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	for i, c := range [][2]string{
		{`aGVsbG8=`, "hello"}, {`aG Vs\tbG8=`, "hello"}, {`aGVs\r\nbG8=`, "hello"}, {`a\u0047Vsb\/8=`, "helo\xff"}, {`QUJDRA\u003d\u003d`, "ABCD"},
		{``, ""}, {` `, ""}, {strings.Repeat("QUJD\\n", 100000), strings.Repeat("ABC", 100000)},
	} {
		path := fmt.Sprintf("/db/d%d", i)
		wants(t, call(s, "PUT", path, `{"_attachments":{"f":{"data":"`+c[0]+`"}}}`, "Admin", ""), 201, "ok")
		if got := call(s, "GET", path+"/f", "", "Admin", "").Body.String(); got != c[1] {
			t.Errorf("%.40s: %.40q", c[0], got)
		}
	}
	for _, bad := range []string{`aGVsbG8`, `aGVsbG8=\u0000`, `aGVsbG8=x`, `\ud83d\ude00`, `a=b=`, `é`, `aGVsbG9=`} {
		wants(t, call(s, "PUT", "/db/bad", `{"_attachments":{"f":{"data":"`+bad+`"}}}`, "Admin", ""), 400, "Invalid attachment data")
	}
	names := slices.Repeat([]string{`"same":{"data":"aGVsbG8="}`}, 3)
	wants(t, call(s, "PUT", "/db/same", `{"_attachments":{"other":{"data":""},`+strings.Join(names, ",")+`}}`, "Admin", ""), 201, "ok")
}

// One _bulk_docs may have as many documents as the settings say. With one more, nothing is
// written, whether the request is long, has many documents or few.
func TestSoManyDocumentsAtOnce(t *testing.T) {
	t.Parallel()
	for _, most := range []int{3, 5000} {
		for name, size := range map[string]int{"short": 1, "long": 2 << 20 / most} {
			s := openServer(t, Options{Config: settings(t, "limits/bulk_docs", strconv.Itoa(most))})
			wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
			docs := func(n int) string {
				return `{"docs":[` + many(n, func(i int) string { return fmt.Sprintf(`{"_id":"d%d","v":%q}`, i, strings.Repeat("x", size)) }) + `]}`
			}
			w := call(s, "POST", "/db/_bulk_docs", docs(most+1), "Admin", "")
			if w.Code != 413 || !strings.Contains(w.Body.String(), fmt.Sprintf(`"too_large","reason":"One request may have %d documents`, most)) {
				t.Errorf("%s, one more than %d: %d %.200s", name, most, w.Code, w.Body)
			}
			wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, `"doc_count":0`)
			wants(t, call(s, "POST", "/db/_bulk_docs", docs(most), "Admin", ""), 201, "")
			wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, fmt.Sprintf(`"doc_count":%d`, most))
		}
	}
}

// The server says so before the request has come to its end.
func TestTooManyDocumentsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "limits/bulk_docs", "100000")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	read := 0
	body := io.TeeReader(io.MultiReader(strings.NewReader(`{"docs":[`), &forever{text: "{},"}), counter{&read})
	r := httptest.NewRequest("POST", "/db/_bulk_docs", body)
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("admin", "secret")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 413 || read > 4<<20 {
		t.Errorf("%d %.200s after %d bytes", w.Code, w.Body, read)
	}
}

// forever is a text again and again.
type forever struct {
	text string
	at   int
}

func (e *forever) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.text[e.at]
		e.at = (e.at + 1) % len(e.text)
	}
	return len(b), nil
}

type counter struct{ n *int }

func (c counter) Write(b []byte) (int, error) { *c.n += len(b); return len(b), nil }

// Whether documents may name unknown parents is decided once for a whole request, even if it is
// written in parts. All of its documents count, and the database as it was before.
func TestUnknownParentsInParts(t *testing.T) {
	t.Parallel()
	const n = 2500
	for name, c := range map[string]struct {
		first string // a document that is written before; "" if none is
		last  string // the last document of the request
		want  int    // how many of those with unknown parents become conflicts
	}{
		"new database": {"", `{"_id":"z"}`, n - 1}, "used database": {`{"_id":"0"}`, `{"_id":"z"}`, 0},
		"a design document": {`{"_id":"0"}`, `{"_id":"_design/z"}`, n - 1}, "an attachment": {`{"_id":"0"}`, `{"_id":"z","_attachments":{"f":{"data":""}}}`, n - 1},
	} {
		s := openServer(t, Options{})
		wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
		if c.first != "" {
			wants(t, call(s, "POST", "/db", c.first, "Admin", ""), 201, "")
		}
		body := `{"docs":[` + many(n-1, func(i int) string { return fmt.Sprintf(`{"_id":"many%05d","_rev":"1-x"}`, i) }) + "," + c.last + `]}`
		answer := wants(t, call(s, "POST", "/db/_bulk_docs", body, "Admin", ""), 201, "")
		if got := strings.Count(answer, `"conflict"`); got != c.want {
			t.Errorf("%s: %d conflicts, want %d", name, got, c.want)
		}
	}
}
