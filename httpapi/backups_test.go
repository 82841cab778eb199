package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

// backupOf takes a backup over HTTP, and returns it unpacked with its end point.
func backupOf(t *testing.T, s http.Handler, db, query string, headers ...string) ([]byte, string) {
	t.Helper()
	res := httpapitest.Call(s, "GET", "/"+db+"/_backup"+query, "", append(headers, "Admin", "")...).Result()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/vnd.tododb.backup" {
		t.Fatalf("status %d, %v", res.StatusCode, res.Header)
	}
	var in io.Reader = res.Body
	var err error
	switch res.Header.Get("Content-Encoding") {
	case "zstd":
		in, err = zstd.NewReader(in)
	case "gzip":
		in, err = gzip.NewReader(in)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	r := backup.NewReader(bytes.NewReader(b))
	for {
		if _, err = r.Next(); err != nil {
			break
		}
	}
	end, ended := r.End()
	if err != io.EOF || !ended {
		t.Fatalf("the stream ends with %v", err)
	}
	return b, end.Point.String()
}

func TestBackupAndRestore(t *testing.T) {
	s := httpapitest.OpenWithDB(t, httpapi.Options{}, `{"_id":"a","n":1},{"_id":"b","_attachments":{"f":{"data":"aGVsbG8=","content_type":"text/plain"}}}`)
	call := func(method, path, body string, headers ...string) httpapitest.Answer {
		return httpapitest.Call(s, method, path, body, append(headers, "Admin", "")...)
	}
	httpapitest.Wants(t, call("PUT", "/db/_local/app", `{"milestone":5}`), 201, `"ok"`)
	httpapitest.Wants(t, call("PUT", "/db/_local/session", `{"session_id":"s","history":[],"source_last_seq":"2"}`), 201, `"ok"`)
	whole, point := backupOf(t, s, "db", "", "Accept-Encoding", "gzip, zstd")
	httpapitest.Wants(t, call("PUT", "/db/c", `{}`), 201, `"ok"`)
	more, later := backupOf(t, s, "db", "?since="+point, "Accept-Encoding", "gzip")
	if len(more) >= len(whole) {
		t.Errorf("what continues has %d bytes, the whole one %d", len(more), len(whole))
	}
	if same, end := backupOf(t, s, "db", "?since="+later); end != later || len(same) > 500 {
		t.Errorf("with nothing new there are %d bytes up to %s", len(same), end)
	}
	both := string(whole) + string(more)
	httpapitest.Wants(t, call("PUT", "/copy/_restore", both), 201, `"docs":3`)
	httpapitest.Wants(t, call("GET", "/copy/_all_docs", ""), 200, `"total_rows":3`)
	httpapitest.Wants(t, call("GET", "/copy/b/f", ""), 200, "hello")
	httpapitest.Wants(t, call("GET", "/copy/_local/app", ""), 200, `"milestone":5`)
	httpapitest.Wants(t, call("GET", "/copy/_local/session", ""), 404, "not_found")

	// Over one that is there, only if that is wanted.
	httpapitest.Wants(t, call("PUT", "/db/_restore", both), 412, "file_exists")
	httpapitest.Wants(t, call("PUT", "/db/d", `{}`), 201, `"ok"`)
	before := httpapitest.Text(t, httpapitest.Wants(t, call("GET", "/db", ""), 200, ""), "update_seq")
	httpapitest.Wants(t, call("PUT", "/db/_restore?replace=true&dry_run=true", both), 200, `"docs":3`)
	httpapitest.Wants(t, call("GET", "/db/d", ""), 200, `"d"`)
	httpapitest.Wants(t, call("PUT", "/db/_restore?replace=true", string(whole)), 201, `"docs":2`)
	httpapitest.Wants(t, call("GET", "/db/d", ""), 404, "missing")
	// A client that was further gets everything since the last common point.
	httpapitest.Wants(t, call("PUT", "/db/e", `{}`), 201, `"ok"`)
	rows := httpapitest.Wants(t, call("GET", "/db/_changes?since="+before, ""), 200, `"e"`)
	if strings.Contains(rows, `"id":"a"`) {
		t.Errorf("what was common comes again: %s", rows)
	}
	httpapitest.Wants(t, call("GET", "/db/_backup?since="+later, ""), 409, "backup_not_continued")
	if _, end := backupOf(t, s, "db", "?since="+point); end == point {
		t.Error("the restored database is not continued from where it was restored")
	}
}

func TestBadRestoresChangeNothing(t *testing.T) {
	s := httpapitest.OpenWithDB(t, httpapi.Options{}, `{"_id":"a","n":1}`)
	whole, point := backupOf(t, s, "db", "")
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/db/b", `{}`, "Admin", ""), 201, "")
	more, _ := backupOf(t, s, "db", "?since="+point)
	listed, _ := backupOf(t, s, "db", "?attachments=list")
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 1
	for name, c := range map[string]struct {
		body, want string
		status     int
		headers    []string
	}{
		"empty":         {"", "bad_backup", 400, nil},
		"no backup":     {"hello", "bad_backup", 400, nil},
		"cut":           {string(whole[:len(whole)-5]), "it is cut", 400, nil},
		"damaged":       {string(damaged), "damaged", 400, nil},
		"without first": {string(more), "continues another one", 400, nil},
		"out of order":  {string(more) + string(whole), "bad_backup", 400, nil},
		"twice":         {string(whole) + string(whole), "does not continue", 400, nil},
		"coding":        {string(whole), "br is not", 415, []string{"Content-Encoding", "br"}},
		"no zstd":       {string(whole), "unpacked", 400, []string{"Content-Encoding", "zstd"}},
	} {
		for _, path := range []string{"/new/_restore", "/db/_restore?replace=true"} {
			w := httpapitest.Call(s, "PUT", path, c.body, append(c.headers, "Admin", "")...)
			if b := w.Body.String(); w.Code != c.status || !strings.Contains(b, c.want) {
				t.Errorf("%s: %d %s", name, w.Code, b)
			}
		}
	}
	httpapitest.Wants(t, httpapitest.Call(s, "GET", "/db/b", "", "Admin", ""), 200, `"b"`)
	httpapitest.Wants(t, httpapitest.Call(s, "GET", "/new", "", "Admin", ""), 404, "")
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/Bad/_restore", string(listed), "Admin", ""), 400, "illegal_database_name")
	for _, query := range []string{"since=x!", "attachments=no", "checkpoints=1"} {
		httpapitest.Wants(t, httpapitest.Call(s, "GET", "/db/_backup?"+query, "", "Admin", ""), 400, "")
	}
	httpapitest.Wants(t, httpapitest.Call(s, "GET", "/none/_backup", "", "Admin", ""), 404, "not_found")
}

// A repository has attachments once: it asks for those that it lacks, and puts them in again.
func TestContentsAreAskedFor(t *testing.T) {
	s := httpapitest.OpenWithDB(t, httpapi.Options{}, `{"_id":"b","_attachments":{"f":{"data":"aGVsbG8=","content_type":"text/plain"}}}`)
	listed, _ := backupOf(t, s, "db", "?attachments=list")
	var digests []string
	r := backup.NewReader(bytes.NewReader(listed))
	for {
		i, err := r.Next()
		if err != nil {
			break
		}
		if a, err := i.Attachment(); i.Kind == backup.KindAttachment && err == nil && !a.Content {
			digests = append(digests, a.Digest.String())
		}
	}
	if len(digests) != 1 {
		t.Fatalf("it lists %q", digests)
	}
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/new/_restore", string(listed), "Admin", ""), 400, "content of attachment")
	asked, _ := json.Marshal(map[string]any{"digests": append(digests, "md5-AAAAAAAAAAAAAAAAAAAAAA==")})
	w := httpapitest.Call(s, "POST", "/db/_backup", string(asked), "Admin", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "hello") {
		t.Errorf("contents: %d %q", w.Code, w.Body)
	}
	var filled bytes.Buffer
	err := backup.Fill(&filled, bytes.NewReader(listed), func(a backup.Attachment) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("hello")), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/new/_restore", filled.String(), "Admin", ""), 201, "")
	httpapitest.Wants(t, httpapitest.Call(s, "GET", "/new/b/f", "", "Admin", ""), 200, "hello")
	for _, bad := range []string{`{}`, `{"digests":["x"]}`, `[]`} {
		httpapitest.Wants(t, httpapitest.Call(s, "POST", "/db/_backup", bad, "Admin", ""), 400, "bad_request")
	}
}

// Users are those of the backup as soon as it is restored.
func TestRestoredUsersCount(t *testing.T) {
	s := httpapitest.OpenWithUsers(t, httpapi.Options{}, "ann")
	asks := func(login string) int {
		return httpapitest.Call(s, "GET", "/_session", "", "Authorization", login).Code
	}
	old, now := httpapitest.As("ann"), httpapitest.BasicAuth("ann", "changed")
	whole, _ := backupOf(t, s, "_users", "")
	if asks(old) != 200 {
		t.Fatal("she cannot log in")
	}
	path := "/_users/org.couchdb.user:ann"
	rev := httpapitest.RevOf(t, s, path)
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", path, fmt.Sprintf(`{"_rev":%q,"name":"ann","type":"user","roles":[],"password":"changed"}`, rev), "Admin", ""), 201, "")
	if asks(old) != 401 || asks(now) != 200 {
		t.Fatal("her password is not changed")
	}
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/_users/_restore?replace=true", string(whole), "Admin", ""), 201, "")
	if asks(old) != 200 || asks(now) != 401 {
		t.Errorf("after the restore her passwords answer %d and %d", asks(old), asks(now))
	}
}

// A feed on a database that is replaced ends as if it had been deleted.
func TestFeedsOfAReplacedDatabaseEnd(t *testing.T) {
	s := httpapitest.OpenWithDB(t, httpapi.Options{}, `{"_id":"a"}`)
	whole, _ := backupOf(t, s, "db", "")
	over := make(chan int)
	go func() {
		over <- httpapitest.Call(s, "GET", "/db/_changes?feed=continuous&since=now&heartbeat=true", "", "Admin", "").Code
	}()
	for end := time.Now().Add(time.Minute); s.Shared().Feeds() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the feed does not begin")
		}
	}
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/db/_restore?replace=true", string(whole), "Admin", ""), 201, "")
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Error("the feed goes on")
	}
}

func TestServerIsBackedUp(t *testing.T) {
	s := httpapitest.OpenWithDB(t, httpapi.Options{UUID: "first", Config: httpapitest.Settings(t, "couchdb/uuid", "first", "admins/admin", "secret", "vendor/name", "me")}, ``)
	admin := func(method, path, body string) httpapitest.Answer {
		return httpapitest.Call(s, method, path, body, "Admin", "")
	}
	saved := httpapitest.Wants(t, admin("GET", "/_backup", ""), 200, `"uuid":"first"`)
	if !strings.Contains(saved, `"vendor":{"name":"me"}`) {
		t.Errorf("it has %s", saved)
	}
	httpapitest.Wants(t, admin("PUT", "/_restore", `{"version":1,"uuid":"new"}`), 200, "ok")
	if now := httpapitest.Text(t, httpapitest.Wants(t, admin("GET", "/", ""), 200, ""), "uuid"); now == "first" || len(now) != 32 {
		t.Errorf("the uuid is %q", now)
	}
	httpapitest.Wants(t, admin("PUT", "/_restore", `{"version":1,"uuid":"first","settings":{"vendor":{"name":"you"}}}`), 200, "ok")
	httpapitest.Wants(t, admin("GET", "/", ""), 200, `"name":"you"`)
	for _, bad := range []string{`{}`, `{"version":9}`, `[]`, `{"version":1,"settings":{"vendor":{"name":"x"},"chttpd":{"port":"x"}}}`, `{"version":1,"settings":{"vendor":{"name":"x"},"admins":{"a":"plain"}}}`} {
		httpapitest.Wants(t, admin("PUT", "/_restore", bad), 400, "bad_request")
	}
	httpapitest.Wants(t, admin("GET", "/", ""), 200, `"name":"you"`)
}

// A server reads a plus in a path as a space, and dots as steps.
func TestBackupClientNamesWhatItMeans(t *testing.T) {
	s := httpapitest.Open(t, httpapi.Options{})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	c, err := client.New(strings.Replace(web.URL, "http://", "http://admin:secret@", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Create(t, "a/b+c")
	in, err := c.Stream(t.Context(), "a/b+c", backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Restore(t.Context(), "d+/e", in, backup.RestoreOptions{}), in.Close()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a+b", "..", "_design/x+y", "50%/é ?#"} {
		leaf := repository.Leaf{Path: []revtree.Rev{{Gen: 1, ID: strings.Repeat("a", 32)}}, JSON: []byte(`{"n":1}`)}
		if err := c.PutLeaf(t.Context(), repository.Writing{Database: "d+/e", ID: id, Leaf: &leaf}); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if now, err := c.Standing(t.Context(), "d+/e", id); err != nil || now.Rev != leaf.Path[0].String() {
			t.Errorf("%s stands at %+v, %v", id, now, err)
		}
	}
}
