package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
)

// leaver is a client that goes away as soon as it has seen a part of the answer.
type leaver struct {
	*httptest.ResponseRecorder
	after int
	leave context.CancelFunc
}

func (l *leaver) Write(b []byte) (int, error) {
	n, err := l.ResponseRecorder.Write(b)
	if l.Body.Len() > l.after {
		l.leave()
	}
	return n, err
}

// ask runs a request whose client leaves after so many bytes, or after a time. It returns the
// part of the answer that came, and how long the server went on working.
func ask(s *Server, method, path, body string, bytes int, at time.Duration) (answer string, after time.Duration) {
	ctx, leave := context.WithCancel(context.Background())
	var left time.Time
	gone := func() {
		if left.IsZero() {
			left = time.Now()
		}
		leave()
	}
	w := &leaver{httptest.NewRecorder(), bytes, gone}
	if at > 0 {
		timer := time.AfterFunc(at, gone)
		defer timer.Stop()
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(ctx)
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("Content-Type", "application/json")
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
		answer = w.Body.String()
		if !left.IsZero() {
			after = time.Since(left)
		}
	}()
	s.ServeHTTP(w, r)
	return
}

// All work for a client stops when the client has gone.
func TestWorkStopsWithItsClient(t *testing.T) {
	s := openServer(t, Options{})
	mustCall := func(want int, method, path, body string) {
		t.Helper()
		if w := call(s, method, path, body, "Admin", ""); w.Code != want {
			t.Fatalf("%s %s: %d %.300s", method, path, w.Code, w.Body)
		}
	}
	mustCall(201, "PUT", "/many", "")
	const docs = 8000
	for from := 0; from < docs; from += 2000 {
		var all []string
		for i := range 2000 {
			all = append(all, fmt.Sprintf(`{"_id":"d%05d","n":%d,"l":[%s0]}`, from+i, from+i, strings.Repeat("1,", 200)))
		}
		mustCall(201, "POST", "/many/_bulk_docs", `{"docs":[`+strings.Join(all, ",")+`]}`)
	}
	mustCall(201, "PUT", "/many/_design/v", `{"views":{"n":{"map":"function(doc){emit(doc.n,1)}","reduce":"_sum"},"t":{"map":"function(doc){emit(doc.n,1)}","reduce":"function(k,v,r){return sum(v)}"}}}`)
	mustCall(200, "GET", "/many/_design/v/_view/n", "")
	mustCall(200, "POST", "/many/_index", `{"index":{"fields":["n"]},"ddoc":"i"}`)
	conditions := make([]string, 15000)
	for i := range conditions {
		conditions[i] = fmt.Sprintf(`{"n":{"$lt":"a%d"},"none%d":1}`, i, i)
	}
	slow := `{"selector":{"$or":[` + strings.Join(conditions[:9000], ",") + `]},"limit":100000}`

	for name, c := range map[string]struct {
		method, path, body string
		bytes              int           // the client goes after these
		at                 time.Duration // or at this time
	}{
		"a big _all_docs":         {"GET", "/many/_all_docs?include_docs=true", "", 1, 0},
		"a view":                  {"GET", "/many/_design/v/_view/n?reduce=false", "", 1, 0},
		"groups of a view":        {"GET", "/many/_design/v/_view/n?group=true", "", 1, 0},
		"groups of a function":    {"GET", "/many/_design/v/_view/t?group=true", "", 1, 0},
		"an unindexed _find":      {"POST", "/many/_find", slow, 1 << 30, 300 * time.Millisecond},
		"an indexed _find":        {"POST", "/many/_find", strings.Replace(slow, `{"$or"`, `{"n":{"$gt":null},"$or"`, 1), 1 << 30, 300 * time.Millisecond},
		"_changes by selector":    {"POST", "/many/_changes?filter=_selector", slow, 1 << 30, 300 * time.Millisecond},
		"_changes with documents": {"GET", "/many/_changes?include_docs=true", "", 1, 0},
		"many queries":            {"POST", "/many/_design/v/_view/n/queries", `{"queries":[` + strings.TrimSuffix(strings.Repeat(`{"group":true},`, 500), ",") + `]}`, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			answer, after := ask(s, c.method, c.path, c.body, c.bytes, c.at)
			if json.Valid([]byte(answer)) {
				t.Errorf("the answer was whole, %d bytes: the test shows nothing, or the work went on", len(answer))
			}
			if after > 20*time.Second { // to the end it takes minutes, or the answer is whole
				t.Errorf("the server was at work for %v after the client had gone", after)
			}
		})
	}
	if want := wire.NewTurns().Free(); s.Shared().Turns().Free() != want || s.Shared().Turns().Waiting() > 0 {
		t.Errorf("%d turns are free afterwards, want %d", s.Shared().Turns().Free(), want)
	}
	if w := call(s, "GET", "/many/_all_docs", "", "Admin", ""); w.Code != 200 || strings.Count(w.Body.String(), `"key"`) != docs+2 {
		t.Errorf("afterwards: %d, %d rows", w.Code, strings.Count(w.Body.String(), `"key"`))
	}
}

// The number of queries in one request is limited.
func TestManyQueries(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	if w := call(s, "PUT", "/many", "", "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code)
	}
	for n, want := range map[int]int{10_000: 200, 10_001: 400} {
		body := `{"queries":[` + strings.TrimSuffix(strings.Repeat(`{"limit":0},`, n), ",") + `]}`
		if w := call(s, "POST", "/many/_all_docs/queries", body, "Admin", ""); w.Code != want {
			t.Errorf("%d queries: %d %.200s", n, w.Code, w.Body)
		}
	}
}

// If the client has gone by the time a query is read, it is neither planned nor run.
func TestNothingIsPlannedForWhoHasGone(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/a", `{"n":1}`, "Admin", ""), 201, "")
	wants(t, call(s, "POST", "/db/_index", `{"index":{"fields":["n"]},"ddoc":"i"}`, "Admin", ""), 200, "")
	const query = `{"selector":{"n":{"$gt":0}}}`
	for _, path := range []string{"/db/_explain", "/db/_find"} {
		wants(t, call(s, "POST", path, query, "Admin", ""), 200, `"n"`)
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", path, &leavesAtTheEnd{strings.NewReader(query), leave})
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		func() {
			defer func() {
				if p := recover(); p != nil && p != http.ErrAbortHandler {
					panic(p)
				}
			}()
			s.ServeHTTP(w, r)
		}()
		if w.Body.Len() > 0 && w.Code == 200 {
			t.Errorf("%s is answered: %s", path, w.Body)
		}
	}
}

// leavesAtTheEnd is a body whose client goes when it has sent it.
type leavesAtTheEnd struct {
	*strings.Reader
	leave context.CancelFunc
}

func (l *leavesAtTheEnd) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	if err != nil {
		l.leave()
	}
	return n, err
}
