package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/backup/schedule"
)

// shelf is a target of backups that a test fills.
type shelf struct {
	dir  string
	keys repository.Keys
}

func (s shelf) State() schedule.State                         { return schedule.State{Last: []schedule.Run{}} }
func (s shelf) Start(context.Context) error                   { return schedule.ErrOff }
func (s shelf) Shown(context.Context) (schedule.State, error) { return s.State(), nil }
func (s shelf) Look(ctx context.Context) (*repository.Repository, error) {
	return repository.Open(ctx, repository.NewFolder(s.dir), repository.Keys{})
}

// distantShelf is a target that does not answer.
type distantShelf struct {
	shelf
	looking chan struct{} // closed by who looks there
}

func (s distantShelf) Look(ctx context.Context) (*repository.Repository, error) {
	close(s.looking)
	<-ctx.Done()
	return nil, ctx.Err()
}

// Who asks for backups when the server stops is told so: that is not an error of the server's.
func TestOwnBackupsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	kept := distantShelf{looking: make(chan struct{})}
	s := httpapitest.Open(t, httpapi.Options{Keeper: kept})
	answered := make(chan httpapitest.Answer, 1)
	go func() { answered <- httpapitest.Call(s, "GET", "/_backups/_all", "", "Admin", "") }()
	<-kept.looking
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	httpapitest.Wants(t, <-answered, 503, "The server is shutting down.")
}

// fill makes a backup, and returns its id.
func (s shelf) fill(t *testing.T, server *httpapitest.Server) string {
	t.Helper()
	repo, err := repository.Create(t.Context(), repository.NewFolder(s.dir), s.keys)
	if err != nil {
		t.Fatal(err)
	}
	b, err := repo.Make(t.Context(), backup.Local{Store: server.Store}, repository.Making{Server: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	return b.ID
}

// restored waits for the end of a restore, and returns what is said of it.
func restored(t *testing.T, s *httpapitest.Server, started httpapitest.Answer) string {
	t.Helper()
	return endOf(t, s, httpapitest.Text(t, httpapitest.Wants(t, started, 202, `"ok":true`), "id"))
}

func endOf(t *testing.T, s *httpapitest.Server, id string) string {
	t.Helper()
	path := "/_backups/_restores/" + id
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		said := httpapitest.Wants(t, httpapitest.Call(s, "GET", path, "", "Admin", ""), 200, `"state"`)
		if !strings.Contains(said, `"state":"running"`) || time.Now().After(end) {
			return said
		}
	}
}

func TestOwnBackups(t *testing.T) {
	t.Parallel()
	kept := shelf{dir: filepath.Join(t.TempDir(), "backups")}
	s := httpapitest.OpenWithDB(t, httpapi.Options{Keeper: kept, Config: httpapitest.Settings(t, "couchdb/uuid", "mine", "admins/admin", "secret")},
		`{"_id":"a","n":1.50},{"_id":"b/é","_attachments":{"f":{"data":"aGVsbG8=","content_type":"text/plain"}}},{"_id":"c"},{"_id":"_design/x","language":"javascript"}`)
	call := func(method, path, body string, headers ...string) httpapitest.Answer {
		return httpapitest.Call(s, method, path, body, append(headers, "Admin", "")...)
	}
	httpapitest.Wants(t, call("GET", "/_backups/_all", ""), 200, `"backups":[]`)
	a := httpapitest.Text(t, httpapitest.Wants(t, call("GET", "/db/a", ""), 200, ""), "_rev")
	c := httpapitest.Text(t, httpapitest.Wants(t, call("GET", "/db/c", ""), 200, ""), "_rev")
	id := kept.fill(t, s)
	httpapitest.Wants(t, call("DELETE", "/db/c?rev="+c, ""), 200, "ok")
	httpapitest.Wants(t, call("PUT", "/db/a?rev="+a, `{"n":2}`), 201, "ok")
	later := kept.fill(t, s)

	// What there is.
	all := httpapitest.Wants(t, call("GET", "/_backups/_all", ""), 200, `"total":2`)
	if strings.Index(all, later) > strings.Index(all, id) || !strings.Contains(all, `"own":true`) {
		t.Errorf("not the newest first, or not of this server: %s", all)
	}
	if one := httpapitest.Wants(t, call("GET", "/_backups/_all?limit=1&skip=1", ""), 200, id); strings.Contains(one, later) {
		t.Error(one)
	}
	httpapitest.Wants(t, call("GET", "/_backups/"+id, ""), 200, `{"name":"db","documents":4,"deleted":0,"size_bytes":`)
	httpapitest.Wants(t, call("GET", "/_backups/"+later, ""), 200, `{"name":"db","documents":3,"deleted":1,"size_bytes":`)

	page := func(query string) (ids []string, next string) {
		t.Helper()
		var answer struct {
			Rows []struct{ ID string }
			Next string
		}
		if err := json.Unmarshal([]byte(httpapitest.Wants(t, call("GET", "/_backups/"+id+"/db"+query, ""), 200, `"rows"`)), &answer); err != nil {
			t.Fatal(err)
		}
		for _, row := range answer.Rows {
			ids = append(ids, row.ID)
		}
		return ids, answer.Next
	}
	if ids, next := page("?limit=2"); strings.Join(ids, " ") != "_design/x a" || next != "b/é" {
		t.Errorf("the first page is %q, then comes %q", ids, next)
	}
	if ids, next := page("?limit=2&startkey=" + url.QueryEscape(`"b/é"`)); strings.Join(ids, " ") != "b/é c" || next != "" {
		t.Errorf("the second page is %q, then comes %q", ids, next)
	}
	if ids, _ := page("?startkey=%22b%22&endkey=%22b%F4%8F%BF%BF%22"); strings.Join(ids, " ") != "b/é" {
		t.Errorf("those that begin with b are %q", ids)
	}
	httpapitest.Wants(t, call("GET", "/_backups/"+id+"/db/a", ""), 200, `{"_id":"a","_rev":"`+a+`","n":1.50}`)
	httpapitest.Wants(t, call("GET", "/_backups/"+id+"/db/b%2F%C3%A9", ""), 200, `"_attachments":{"f":{"content_type":"text/plain","revpos":1,"digest":"md5-XUFAKrxLKna5cZ2REBfFkg==","length":5,"stub":true}}`)
	httpapitest.Wants(t, call("GET", "/_backups/"+later+"/db/c", ""), 200, `"_deleted":true`)
	for _, path := range []string{"_design/x", "_design%2Fx"} {
		httpapitest.Wants(t, call("GET", "/_backups/"+id+"/db/"+path, ""), 200, `{"_id":"_design/x"`)
	}

	// A document comes back as it was, and one that is there only if it may be replaced.
	restore := func(body string) httpapitest.Answer {
		return call("POST", "/_backups/"+id+"/_restore", body, "Content-Type", "application/json")
	}
	said := restored(t, s, restore(`{"db":"db","doc_ids":["c","a"]}`))
	httpapitest.Wants(t, call("GET", "/db/c", ""), 404, "deleted")
	if !strings.Contains(said, `"state":"failed"`) || !strings.Contains(said, `document \"a\" is there`) {
		t.Error(said)
	}
	said = restored(t, s, restore(`{"db":"db","doc_ids":["c","a"],"replace":true,"dry_run":true}`))
	httpapitest.Wants(t, call("GET", "/db/c", ""), 404, "deleted")
	if !strings.Contains(said, `"state":"done"`) {
		t.Error(said)
	}
	said = restored(t, s, restore(`{"db":"db","doc_ids":["c","a"],"replace":true}`))
	if !strings.Contains(said, `"state":"done"`) || !strings.Contains(said, `"docs":2,"total_docs":2`) {
		t.Error(said)
	}
	httpapitest.Wants(t, call("GET", "/db/c", ""), 200, `"_rev":"3-`)
	httpapitest.Wants(t, call("GET", "/db/a", ""), 200, `"n":1.50`)
	httpapitest.Wants(t, call("PUT", "/empty", ""), 201, "ok")
	if said = restored(t, s, restore(`{"db":"db","as":"empty","doc_ids":["b/é"]}`)); !strings.Contains(said, `"state":"done"`) {
		t.Error(said)
	}
	httpapitest.Wants(t, call("GET", "/empty/b%2F%C3%A9/f", ""), 200, "hello")

	// So does a database.
	httpapitest.Wants(t, restore(`{"db":"db"}`), 412, "file_exists")
	httpapitest.Wants(t, call("PUT", "/db/d", `{}`), 201, "ok")
	if said = restored(t, s, restore(`{"db":"db","as":"beside"}`)); !strings.Contains(said, `"state":"done"`) {
		t.Error(said)
	}
	httpapitest.Wants(t, call("GET", "/beside/_all_docs", ""), 200, `"total_rows":4`)
	if said = restored(t, s, restore(`{"db":"db","replace":true,"dry_run":true}`)); !strings.Contains(said, `"state":"done"`) {
		t.Error(said)
	}
	httpapitest.Wants(t, call("GET", "/db/d", ""), 200, "")
	if said = restored(t, s, restore(`{"db":"db","replace":true}`)); !strings.Contains(said, `"state":"done"`) {
		t.Error(said)
	}
	httpapitest.Wants(t, call("GET", "/db/d", ""), 404, "missing")
	httpapitest.Wants(t, call("GET", "/_active_tasks", ""), 200, "[]")

	// What is asked for wrongly.
	httpapitest.Wants(t, call("GET", "/_backups/0123456789abcdef", ""), 404, "There is no such backup.")
	httpapitest.Wants(t, call("GET", "/_backups/"+id[:8], ""), 404, "There is no such backup.")
	httpapitest.Wants(t, call("GET", "/_backups/"+id+"/none", ""), 404, "The backup has no such database.")
	httpapitest.Wants(t, call("GET", "/_backups/"+id+"/db/none", ""), 404, "The backup has no such document.")
	httpapitest.Wants(t, call("GET", "/_backups/"+id+"/db/a?rev=9-a", ""), 404, "missing")
	httpapitest.Wants(t, call("GET", "/_backups/"+id+"/db?startkey=a", ""), 400, "JSON")
	httpapitest.Wants(t, call("GET", "/_backups/_restores/99", ""), 404, "There is no such restore.")
	httpapitest.Wants(t, restore(`{}`), 400, "db")
	httpapitest.Wants(t, restore(`{"db":"none"}`), 404, "The backup has no such database.")
	for _, path := range []string{"/_backups/_all", "/_backups/" + id, "/_backups/" + id + "/db", "/_backups/" + id + "/db/a", "/_backups/_restores"} {
		httpapitest.Wants(t, httpapitest.Call(s, "GET", path, ""), 401, "unauthorized")
	}
}

// Of encrypted backups the server sees how many and how large, and says why no more.
func TestOwnBackupsEncrypted(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	kept := shelf{filepath.Join(t.TempDir(), "backups"), repository.Keys{Recipients: []age.Recipient{identity.Recipient()}}}
	s := httpapitest.OpenWithDB(t, httpapi.Options{Keeper: kept}, `{"_id":"a"}`)
	id := kept.fill(t, s)
	httpapitest.Wants(t, httpapitest.Call(s, "GET", "/_backups/_all", "", "Admin", ""), 200, `"encrypted":true,"readable":false,"backups":[{"id":"`+id+`"`)
	for _, path := range []string{"", "/db", "/db/a"} {
		httpapitest.Wants(t, httpapitest.Call(s, "GET", "/_backups/"+id+path, "", "Admin", ""), 409, "backup_encrypted")
	}
	httpapitest.Wants(t, httpapitest.Call(s, "POST", "/_backups/"+id+"/_restore", `{"db":"db","as":"x"}`, "Admin", ""), 409, "backup_encrypted")
}

// A restore that is stopped, or whose server stops, changes nothing.
func TestRestoreStops(t *testing.T) {
	t.Parallel()
	kept := &blocked{shelf: shelf{dir: filepath.Join(t.TempDir(), "backups")}, stuck: make(chan struct{})}
	s := httpapitest.OpenWithDB(t, httpapi.Options{Keeper: kept}, `{"_id":"a"}`)
	id := kept.fill(t, s)
	start := func() httpapitest.Answer {
		return httpapitest.Call(s, "POST", "/_backups/"+id+"/_restore", `{"db":"db","as":"x"}`, "Admin", "")
	}
	number := httpapitest.Text(t, httpapitest.Wants(t, start(), 202, "ok"), "id")
	<-kept.stuck
	httpapitest.Wants(t, start(), 409, "Another restore is going on")
	httpapitest.Wants(t, httpapitest.Call(s, "GET", "/_active_tasks", "", "Admin", ""), 200, `"type":"restore_from_backup"`)
	httpapitest.Wants(t, httpapitest.Call(s, "DELETE", "/_backups/_restores/"+number, "", "Admin", ""), 202, "ok")
	if said := endOf(t, s, number); !strings.Contains(said, `"state":"stopped"`) {
		t.Error(said)
	}
	httpapitest.Wants(t, httpapitest.Call(s, "GET", "/x", "", "Admin", ""), 404, "not_found")

	// When the server closes, a restore ends too.
	kept.looks.Store(0)
	kept.stuck = make(chan struct{})
	httpapitest.Wants(t, start(), 202, "ok")
	<-kept.stuck
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// blocked is a target that never answers the second look at it, which is that of the first restore.
type blocked struct {
	shelf
	looks atomic.Int32
	stuck chan struct{}
}

func (b *blocked) Look(ctx context.Context) (*repository.Repository, error) {
	if b.looks.Add(1) == 2 {
		close(b.stuck)
		<-ctx.Done()
		return nil, errors.New("nobody answers")
	}
	return b.shelf.Look(ctx)
}
