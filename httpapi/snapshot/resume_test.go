package snapshot_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/httpapi/snapshot"
	"github.com/tododb/tododb/store"
)

// site is a server whose snapshots are in a folder that the test knows.
type site struct {
	*httpapitest.Server
	files *snapshot.Files
	dir   string
	now   time.Time
	full  bool // the disk
}

func openSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), now: time.Now()}
	cfg := httpapitest.Settings(t)
	s.openFiles(t, cfg)
	s.Server = httpapitest.Open(t, httpapi.Options{Config: cfg, Snapshots: s.files})
	s.Create(t, "db")
	return s
}

func (s *site) openFiles(t *testing.T, cfg *config.Config) {
	t.Helper()
	var err error
	s.files, err = snapshot.OpenFiles(snapshot.FilesOptions{Dir: s.dir, Config: cfg, Now: func() time.Time { return s.now }, Full: func() bool { return s.full }})
	if err != nil {
		t.Fatal(err)
	}
}

// restart makes a server on the same databases and the same folder, as a new process would.
func (s *site) restart(t *testing.T) {
	t.Helper()
	s.openFiles(t, s.Config)
	s.Server = httpapitest.Open(t, httpapi.Options{Store: s.Store, Config: s.Config, Snapshots: s.files})
}

func (s *site) fill(t *testing.T, name string, documents int) {
	t.Helper()
	var b strings.Builder
	for i := range documents {
		fmt.Fprintf(&b, `,{"_id":"%s%05d","text":%q}`, name, i, strings.Repeat("text ", i%50))
	}
	httpapitest.Wants(t, ask(s, "POST", "/db/_bulk_docs", `{"docs":[`+b.String()[1:]+`]}`), http.StatusCreated, "")
}

func (s *site) get(t *testing.T, status int, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := ask(s, "GET", "/db/_snapshot", "", headers...)
	if w.Code != status {
		t.Fatalf("%v: %d %s", headers, w.Code, w.Body)
	}
	return w
}

// ondisk are the names of the files.
func (s *site) ondisk(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A cut download goes on with the next byte: in all codings, after others have had the
// database's changes added, and after a restart.
func TestRanges(t *testing.T) {
	for _, form := range forms {
		s := openSite(t)
		s.fill(t, "a", 3000)
		whole := s.get(t, http.StatusOK, form...)
		etag, body := whole.Header().Get("Etag"), whole.Body.Bytes()
		if whole.Header().Get("Content-Length") != strconv.Itoa(len(body)) || whole.Header().Get("Accept-Ranges") != "bytes" {
			t.Errorf("%v: headers %v for %d bytes", form, whole.Header(), len(body))
		}
		part := func(from int) {
			t.Helper()
			w := s.get(t, http.StatusPartialContent, append(form, "Range", fmt.Sprintf("bytes=%d-", from), "If-Range", etag)...)
			if !bytes.Equal(w.Body.Bytes(), body[from:]) || w.Header().Get("Etag") != etag {
				t.Errorf("%v: other bytes from %d of %d", form, from, len(body))
			}
		}
		for _, from := range []int{1, len(body) / 2, len(body) - 9, len(body) - 1} {
			part(from)
		}
		s.fill(t, "b", 50)
		more := s.get(t, http.StatusOK, form...)
		if more.Header().Get("Etag") == etag || more.Body.Len() <= len(body) {
			t.Errorf("%v: nothing was added", form)
		}
		part(len(body) / 3)
		s.restart(t)
		part(len(body) / 3)
		if again := s.get(t, http.StatusOK, form...); !bytes.Equal(again.Body.Bytes(), more.Body.Bytes()) {
			t.Errorf("%v: other bytes after a restart", form)
		}
		if names := s.ondisk(t); len(names) != 2 {
			t.Errorf("%v: the folder has %v", form, names)
		}

		other := s.get(t, http.StatusOK, append(form, "Range", "bytes=5-", "If-Range", `"1-x.y.gzip"`)...)
		if !bytes.Equal(other.Body.Bytes(), more.Body.Bytes()) {
			t.Errorf("%v: a range of another snapshot", form)
		}
		beyond := s.get(t, http.StatusRequestedRangeNotSatisfiable, append(form, "Range", "bytes=99999999-")...)
		if !strings.Contains(beyond.Body.String(), "requested_range_not_satisfiable") || beyond.Header().Get("Content-Encoding") != "" {
			t.Errorf("%v: %v %s", form, beyond.Header(), beyond.Body)
		}
	}
}

func TestHeadAndNotModified(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 10)
	head := ask(s, "HEAD", "/db/_snapshot", "", "Accept-Encoding", "gzip")
	got := s.get(t, http.StatusOK, "Accept-Encoding", "gzip")
	etag := got.Header().Get("Etag")
	if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Etag") != etag || head.Header().Get("Content-Length") != strconv.Itoa(got.Body.Len()) {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
	if !strings.HasPrefix(etag, `"10-`) {
		t.Errorf("the ETag %s does not begin with the sequence", etag)
	}
	if w := s.get(t, http.StatusNotModified, "Accept-Encoding", "gzip", "If-None-Match", etag); w.Body.Len() != 0 {
		t.Errorf("304 with %q", w.Body)
	}
	if file := s.get(t, http.StatusOK, "Accept", "application/gzip", "If-None-Match", etag); file.Header().Get("Etag") == etag {
		t.Error("another form has the same ETag")
	}
	s.fill(t, "b", 1)
	s.get(t, http.StatusOK, "Accept-Encoding", "gzip", "If-None-Match", etag)
}

// With steady writes the file is added to, and begun anew only when it has become much larger
// than what is in it.
func TestChangesAreAdded(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 3000)
	began := s.get(t, http.StatusOK).Body.Len()
	renewed, last := 0, began
	for i := range 60 {
		httpapitest.Wants(t, ask(s, "PUT", fmt.Sprintf("/db/b%d", i), fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 100_000))), http.StatusCreated, "")
		httpapitest.Wants(t, ask(s, "PUT", fmt.Sprintf("/db/b%d?rev=%s", i, httpapitest.RevOf(t, s, fmt.Sprintf("/db/b%d", i))), `{"_deleted":true}`), http.StatusOK, "")
		n := s.get(t, http.StatusOK).Body.Len()
		if n < last {
			renewed++
		}
		if last = n; n > began+began/2+1<<20+110_000 {
			t.Fatalf("a file of %d bytes grew to %d", began, n)
		}
	}
	if docs, _ := take(t, s, "/db/_snapshot"); len(docs) < 3000 {
		t.Errorf("%d documents", len(docs))
	}
	if renewed > 5 {
		t.Errorf("the file was begun anew %d times", renewed)
	}
}

// A client that goes away while a file is built leaves what he has done to the next one.
func TestWhoeverBuildsMayGoAway(t *testing.T) {
	s := openSite(t)
	for i := range 10 {
		s.fill(t, fmt.Sprintf("part%d-", i), 3000)
	}
	// None of them stays for long enough to build all of it.
	gone := 0
	for served := false; !served; {
		r := httptest.NewRequest("GET", "/db/_snapshot", nil).WithContext(&countdown{Context: t.Context(), left: 120})
		r.SetBasicAuth("admin", "secret")
		func() {
			defer func() {
				if recover() != nil { // the connection is cut
					gone++
				}
			}()
			s.ServeHTTP(httptest.NewRecorder(), r)
			served = true
		}()
		if gone > 100 {
			t.Fatal("nobody's work is of use to the next one")
		}
	}
	if gone < 3 {
		t.Errorf("only %d clients went away", gone)
	}
	docs, since := take(t, s, "/db/_snapshot")
	if len(docs) != 30_000 || !strings.HasPrefix(since, "30000-") {
		t.Errorf("%d documents up to %s", len(docs), since)
	}
	seen := map[string]bool{}
	for _, d := range docs {
		if seen[d] {
			t.Fatalf("twice: %s", d)
		}
		seen[d] = true
	}
}

// countdown is a context that ends when it has been looked at so many times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// All new devices together have one file built.
func TestOneFileForAll(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 5000)
	answers := make(chan string, 8)
	for range cap(answers) {
		go func() {
			w := ask(s, "GET", "/db/_snapshot", "", "Accept", "application/gzip")
			answers <- fmt.Sprint(w.Code, w.Header().Get("Etag"), w.Body.Len())
		}()
	}
	first := <-answers
	for range cap(answers) - 1 {
		if other := <-answers; other != first {
			t.Errorf("%s and %s", first, other)
		}
	}
	if names := s.ondisk(t); len(names) != 2 {
		t.Errorf("the folder has %v", names)
	}
}

// Files are removed when nobody has asked for long, when they take too much room, when their
// database is deleted, and when they are not whole.
func TestFilesGo(t *testing.T) {
	s := openSite(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.files.Run(ctx, s.Store) }()
	defer func() { stop(); <-ended }()
	s.fill(t, "a", 1000)
	s.get(t, http.StatusOK)
	s.get(t, http.StatusOK, "Accept-Encoding", "gzip")
	if s.files.Len() != 2 || len(s.ondisk(t)) != 4 || s.files.Size() < 1000 {
		t.Fatalf("%d files of %d bytes: %v", s.files.Len(), s.files.Size(), s.ondisk(t))
	}

	s.now = s.now.Add(time.Hour)
	s.get(t, http.StatusOK)
	httpapitest.Set(t, s.Config, "snapshots/max_size", strconv.FormatInt(s.files.Size()-1, 10))
	s.fill(t, "b", 1)
	s.get(t, http.StatusOK)
	if names := s.ondisk(t); len(names) != 2 || !strings.Contains(strings.Join(names, " "), ".ndjson") {
		t.Errorf("what was asked for last is not what is left: %v", names)
	}
	httpapitest.Set(t, s.Config, "snapshots/max_size", "1000")
	s.fill(t, "c", 1000)
	if w := s.get(t, http.StatusInsufficientStorage); !strings.Contains(w.Body.String(), "replicate instead") {
		t.Errorf("%s", w.Body)
	}
	if names := s.ondisk(t); len(names) != 0 || s.files.Size() != 0 {
		t.Errorf("left over: %v, %d bytes", names, s.files.Size())
	}

	httpapitest.Set(t, s.Config, "snapshots/max_size", "100000000")
	s.get(t, http.StatusOK)
	s.full = true
	s.get(t, http.StatusOK) // it is there
	s.files.Sweep()
	s.get(t, http.StatusInsufficientStorage)
	if names := s.ondisk(t); len(names) != 0 {
		t.Errorf("on a full disk: %v", names)
	}
	s.full = false
	s.get(t, http.StatusOK)
	httpapitest.Set(t, s.Config, "snapshots/keep", "3600")
	s.now = s.now.Add(59 * time.Minute)
	s.files.Sweep()
	if names := s.ondisk(t); len(names) != 2 {
		t.Errorf("before an hour was over: %v", names)
	}
	s.now = s.now.Add(2 * time.Minute)
	s.files.Sweep()
	if names := s.ondisk(t); len(names) != 0 {
		t.Errorf("after an hour: %v", names)
	}

	s.get(t, http.StatusOK)
	httpapitest.Wants(t, ask(s, "DELETE", "/db", ""), http.StatusOK, "")
	for deadline := time.Now().Add(time.Minute); len(s.ondisk(t)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after the database: %v", s.ondisk(t))
		}
	}
	httpapitest.Wants(t, ask(s, "GET", "/db/_snapshot", ""), http.StatusNotFound, "not_found")
}

// What a crash leaves is removed or cut off, and never sent.
func TestLitter(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 500)
	want := s.get(t, http.StatusOK, "Accept-Encoding", "gzip")
	var path string
	for _, name := range s.ondisk(t) {
		path = filepath.Join(s.dir, strings.TrimSuffix(strings.TrimSuffix(name, ".cuts"), ".gz"))
	}
	appendTo := func(name, text string) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(path+".gz", "half of a part")
	appendTo(path+".cuts", `{"n":501,"se`)
	appendTo(filepath.Join(s.dir, "1234.zst"), "begun and never ended")
	appendTo(filepath.Join(s.dir, "5678.cuts"), `{"version":1}`+"\n")
	s.restart(t)
	if names := s.ondisk(t); len(names) != 2 {
		t.Errorf("left over: %v", names)
	}
	got := s.get(t, http.StatusOK, "Accept-Encoding", "gzip")
	if got.Header().Get("Etag") != want.Header().Get("Etag") || !bytes.Equal(got.Body.Bytes(), want.Body.Bytes()) {
		t.Error("other bytes after a crash")
	}
	s.fill(t, "b", 5)
	if docs, _ := take(t, s, "/db/_snapshot", "Accept-Encoding", "gzip"); len(docs) != 505 {
		t.Errorf("%d documents", len(docs))
	}
	s.restart(t)
	if docs, _ := take(t, s, "/db/_snapshot", "Accept-Encoding", "gzip"); len(docs) != 505 {
		t.Errorf("%d documents after another restart", len(docs))
	}
	if err := os.Truncate(path+".gz", 100); err != nil {
		t.Fatal(err)
	}
	s.restart(t)
	if docs, _ := take(t, s, "/db/_snapshot", "Accept-Encoding", "gzip"); len(docs) != 505 || len(s.ondisk(t)) != 2 {
		t.Errorf("%d documents, and %v, when the file was short", len(docs), s.ondisk(t))
	}
}

// A database that was deleted and made again, with as many changes, is another one.
func TestAnotherDatabaseOfTheName(t *testing.T) {
	s := openSite(t)
	s.fill(t, "old", 5)
	s.get(t, http.StatusOK)
	httpapitest.Wants(t, ask(s, "DELETE", "/db", ""), http.StatusOK, "")
	s.Create(t, "db")
	s.fill(t, "new", 5)
	docs, _ := take(t, s, "/db/_snapshot")
	if len(docs) != 5 || strings.Contains(strings.Join(docs, ""), "old") {
		t.Errorf("%q", docs)
	}
	if names := s.ondisk(t); len(names) != 2 {
		t.Errorf("left over: %v", names)
	}
}

// Once a tombstone has ended, no file tells of the deletion: who was in the middle of one with the
// document begins anew.
func TestEndedTombstonesEndDownloads(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 100)
	httpapitest.Wants(t, ask(s, "PUT", "/db/gone", `{}`), http.StatusCreated, "")
	etag := s.get(t, http.StatusOK).Header().Get("Etag")
	httpapitest.Wants(t, ask(s, "DELETE", "/db/gone?rev="+httpapitest.RevOf(t, s, "/db/gone"), ""), http.StatusOK, "")
	db, err := s.Store.Bare(t.Context(), "db", store.ForUpkeep)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	if err := db.SetLifetime(t.Context(), func(l *store.Lifetime) { l.TTL = "1_sec" }); err != nil {
		t.Fatal(err)
	}
	for ended := 0; ended == 0; {
		done, err := db.Expire(t.Context(), store.ExpireOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ended = done.Ended
	}
	for _, headers := range [][]string{{"Range", "bytes=10-", "If-Range", etag}, nil} {
		w := s.get(t, http.StatusOK, headers...)
		if docs, _ := split(t, w.Body.Bytes()); len(docs) != 100 || strings.Contains(w.Body.String(), "gone") {
			t.Errorf("%d documents, of which one is dead", len(docs))
		}
	}
}

// What was purged is sent to nobody any more, neither to those who were in the middle of it.
func TestAPurgeEndsDownloads(t *testing.T) {
	s := openSite(t)
	s.fill(t, "a", 100)
	httpapitest.Wants(t, ask(s, "PUT", "/db/secret", `{}`), http.StatusCreated, "")
	etag := s.get(t, http.StatusOK).Header().Get("Etag")
	s.get(t, http.StatusOK, "Accept-Encoding", "gzip")
	httpapitest.Wants(t, ask(s, "POST", "/db/_purge", fmt.Sprintf(`{"secret":[%q]}`, httpapitest.RevOf(t, s, "/db/secret"))), http.StatusCreated, "")
	w := s.get(t, http.StatusOK, "Range", "bytes=10-", "If-Range", etag)
	if docs, _ := split(t, w.Body.Bytes()); len(docs) != 100 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d documents after the purge", len(docs))
	}
	if names := s.ondisk(t); len(names) != 2 {
		t.Errorf("left over: %v", names)
	}
}
