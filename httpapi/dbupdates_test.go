package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type updatesAnswer struct {
	Results []struct {
		DB   string `json:"db_name"`
		Type string
		Seq  string
	}
	Last string `json:"last_seq"`
}

func (a updatesAnswer) String() string {
	var words []string
	for _, row := range a.Results {
		words = append(words, row.DB+" "+row.Type)
	}
	return strings.Join(words, ", ")
}

func updates(t *testing.T, s *Server, query string) updatesAnswer {
	t.Helper()
	w := call(s, "GET", "/_db_updates"+query, "", "Admin", "")
	var a updatesAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
		t.Fatalf("%s: %d %s %v", query, w.Code, w.Body, err)
	}
	return a
}

func TestDBUpdates(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	create := func(name string) {
		t.Helper()
		if err := s.Store.Create(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
	create("a")
	create("b")
	if a := updates(t, s, "?since=now"); len(a.Results) != 0 || a.Last == "" {
		t.Errorf("now: %v %q", a, a.Last)
	}
	all := updates(t, s, "")
	if got := all.String(); got != "a created, b created" {
		t.Errorf("everything: %s", got)
	}
	if a := updates(t, s, "?since=7-another"); a.String() != all.String() {
		t.Errorf("of another history: %s", a)
	}
	// In pages of one, nothing is missed and nothing comes twice.
	var rows []string
	for since := "0"; len(rows) < 9; {
		a := updates(t, s, "?limit=1&since="+since)
		if len(a.Results) == 0 {
			break
		}
		rows, since = append(rows, a.String()), a.Last
	}
	if got := strings.Join(rows, ", "); got != all.String() {
		t.Errorf("in pages: %s", got)
	}
	if err := s.Store.Drop(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	if a := updates(t, s, "?since="+all.Last); a.String() != "a deleted" {
		t.Errorf("after that: %s", a)
	}
	if a := updates(t, s, "?feed=longpoll&timeout=1&since=now"); len(a.Results) != 0 {
		t.Errorf("timeout: %s", a)
	}
	for _, query := range []string{"?since=x", "?since=1", "?feed=x", "?limit=-1", "?heartbeat=x", "?timeout=x"} {
		if w := call(s, "GET", "/_db_updates"+query, "", "Admin", ""); w.Code != 400 {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	if w := call(s, "GET", "/_db_updates", ""); w.Code != 401 {
		t.Errorf("anonymous: %d", w.Code)
	}
}

func TestDBUpdatesFeeds(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	server := httptest.NewServer(s)
	defer server.Close()
	ask := func(query string) *bufio.Reader {
		t.Helper()
		r, _ := http.NewRequest("GET", server.URL+"/_db_updates"+query, nil)
		r.SetBasicAuth("admin", "secret")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return bufio.NewReader(resp.Body)
	}
	line := func(r *bufio.Reader) string {
		t.Helper()
		text, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%q %v", text, err)
		}
		return text
	}
	continuous := ask("?feed=continuous&since=now&heartbeat=20")
	longpoll := ask("?feed=longpoll&since=now")
	events := ask("?feed=eventsource&since=now&timeout=60000")
	if got := line(continuous); got != "\n" {
		t.Errorf("heartbeat: %q", got)
	}
	for i := range 2 {
		if err := s.Store.Create(context.Background(), fmt.Sprintf("db%d", i)); err != nil {
			t.Fatal(err)
		}
		if i == 0 { // a slow one would be told of the next one too
			var a updatesAnswer
			if err := json.NewDecoder(longpoll).Decode(&a); err != nil || a.String() != "db0 created" {
				t.Errorf("longpoll: %v %v", a, err)
			}
		}
		row := ""
		for row == "" {
			row = strings.TrimSpace(line(continuous))
		}
		if want := fmt.Sprintf(`{"db_name":"db%d","type":"created","seq":"%d-`, i, i+1); !strings.HasPrefix(row, want) {
			t.Errorf("continuous: %q", row)
		}
		if got := line(events); !strings.HasPrefix(got, fmt.Sprintf(`data: {"db_name":"db%d"`, i)) {
			t.Errorf("eventsource: %q", got)
		}
		if got := line(events); !strings.HasPrefix(got, fmt.Sprintf(`id: %d-`, i+1)) || line(events) != "\n" {
			t.Errorf("eventsource: %q", got)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	last := ""
	for !strings.HasPrefix(last, "{") {
		last = line(continuous)
	}
	if !strings.HasPrefix(last, `{"last_seq":"2-`) {
		t.Errorf("the end: %q", last)
	}
}
