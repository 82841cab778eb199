package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/move"
	"github.com/tododb/tododb/store/widetest"
)

// furnish gives a server databases with something of every kind.
func furnish(p *process) {
	p.t.Helper()
	long := strings.Repeat("long", 900)
	p.do(201, "PUT", "/_users/org.couchdb.user:jan", `{"name":"jan","password":"janpw","roles":["r"],"type":"user"}`)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/parts/", "")
	p.do(200, "DELETE", "/parts/", "")
	p.do(201, "PUT", "/parts?partitioned=true", "")
	p.do(200, "PUT", "/notes/_security", `{"members":{"names":["jan"]},"admins":{}}`)
	for i := range 40 {
		p.do(201, "PUT", fmt.Sprintf("/notes/doc%02d", i), fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", i*100)))
		p.do(201, "PUT", fmt.Sprintf("/parts/p%d:d%d", i%3, i), `{}`)
	}
	p.do(201, "PUT", "/notes/"+long, `{"n":-1}`)
	p.do(201, "PUT", "/notes/withatt", `{"_attachments":{"a.txt":{"content_type":"text/plain","data":"`+strings.Repeat("aGVsbG8g", 20000)+`"}}}`)
	p.do(201, "POST", "/notes/_bulk_docs", `{"new_edits":false,"docs":[
		{"_id":"torn","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"v":1},
		{"_id":"torn","_rev":"2-c","_revisions":{"start":2,"ids":["c","a"]},"v":2},
		{"_id":"gone","_rev":"2-d","_revisions":{"start":2,"ids":["d","a"]},"_deleted":true},
		{"_id":"purged","_rev":"1-d","v":1}]}`)
	p.do(201, "POST", "/notes/_purge", `{"purged":["1-d"]}`)
	p.do(201, "PUT", "/notes/_local/mine", `{"at":7}`)
	p.do(201, "PUT", "/notes/_design/d", `{"views":{"n":{"map":"function (doc) { emit(doc.n, null) }","reduce":"_count"}}}`)
	p.do(200, "GET", "/notes/_design/d/_view/n", "")
	p.do(200, "PUT", "/_node/_local/_config/couchdb/max_document_size", `"4000000"`)
	p.do(200, "PUT", "/_node/_local/_config/x/y", `"z"`)
}

// seen is all that clients see of what furnish has made.
func seen(p *process) string {
	p.t.Helper()
	var all bytes.Buffer
	for _, path := range []string{
		"/", "/_all_dbs", "/notes/_all_docs?include_docs=true&conflicts=true", "/notes/_changes?style=all_docs", "/parts/_changes",
		"/notes/_design/d/_view/n?reduce=false", "/notes/_design/d/_view/n", "/notes/torn?revs=true&meta=true", "/notes/gone?rev=2-d&revs=true", "/notes/withatt/a.txt",
		"/notes/_security", "/notes/_local/mine", "/notes/_purged_infos_limit", "/parts/_partition/p1", "/_users/_all_docs?include_docs=true",
		"/_node/_local/_config/x/y", "/_node/_local/_config/couchdb/max_document_size", "/_node/_local/_config/admins", "/_node/_local/_config/chttpd_auth/secret",
		"/notes/_changes?since=now", "/notes/_revs_limit",
	} {
		text := p.do(200, "GET", path, "")
		if strings.Contains(path, "_partition") {
			text, _, _ = strings.Cut(text, `"sizes"`)
		}
		fmt.Fprintf(&all, "%s: %s\n", path, text)
	}
	var info map[string]any
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/notes", "")), &info); err != nil {
		p.t.Fatal(err)
	}
	fmt.Fprintln(&all, info["update_seq"], info["purge_seq"], info["doc_count"], info["doc_del_count"])
	return all.String()
}

func sameSeen(t *testing.T, where, want, got string) {
	t.Helper()
	wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(wants) != len(gots) {
		t.Fatalf("%s: %d answers, want %d", where, len(gots), len(wants))
	}
	for i := range wants {
		if wants[i] != gots[i] {
			t.Errorf("%s:\n%.600s\nwant\n%.600s", where, gots[i], wants[i])
		}
	}
}

// docsRead is how many documents a replication has read, of those that it had not read before.
func docsRead(t *testing.T, answer string) int {
	t.Helper()
	var a struct {
		NoChanges bool `json:"no_changes"`
		History   []struct {
			Read int `json:"docs_read"`
		}
	}
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	if a.NoChanges || len(a.History) == 0 {
		return 0
	}
	n := a.History[0].Read // what it has read at all
	if len(a.History) > 1 {
		n -= a.History[1].Read
	}
	return n
}

// A server moves to PostgreSQL and back, and nobody who comes to its address can tell.
func TestPGMoveThereAndBack(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	url := pgtest.URL(t)
	home, second := t.TempDir(), filepath.Join(t.TempDir(), "back")
	p := startServer(t, home, "")
	at := p.address()
	furnish(p)
	peer := startServer(t, t.TempDir(), "")
	pull := fmt.Sprintf(`{"source":%q,"target":"copy","create_target":true}`, "http://"+testUser+":"+testPassword+"@"+at+"/notes")
	if n := docsRead(t, peer.do(200, "POST", "/_replicate", pull)); n < 40 {
		t.Fatalf("the peer has read %d", n)
	}
	cookie := p.cookie("jan", "janpw")
	status, text, _ := p.as("POST", "/_session/tokens", `{"device":"phone","databases":["notes"]}`, "Cookie", cookie)
	var token struct{ Token string }
	if err := json.Unmarshal([]byte(text), &token); err != nil || status != 201 {
		t.Fatalf("a token: %d %s", status, text)
	}
	want := seen(p)
	p.stop()

	if text, code := tododb(t, "move", "--from", home, "--dry-run"); code != 0 || !strings.Contains(text, "nothing has been changed") {
		t.Errorf("a dry run: %d %s", code, text)
	}
	arrive := func(where string, started *process) {
		t.Helper()
		p = started
		sameSeen(t, where, want, seen(p))
		if status, _, _ := p.as("GET", "/notes/doc01", "", "Cookie", cookie); status != 200 {
			t.Errorf("the session in %s: %d", where, status)
		}
		if status, _, _ := p.as("GET", "/notes/doc01", "", "Authorization", "Bearer "+token.Token); status != 200 {
			t.Errorf("the token in %s: %d", where, status)
		}
		p.do(201, "POST", "/notes", `{"where":"`+where+`"}`)
		if n := docsRead(t, peer.do(200, "POST", "/_replicate", pull)); n != 1 {
			t.Errorf("the peer has read %d documents in %s, want the new one", n, where)
		}
		want = seen(p)
	}
	travel := func(from, to string) {
		t.Helper()
		text, code := tododb(t, "move", "--from", from, "--to", to)
		if code != 0 || !strings.Contains(text, "problems: 0") || !strings.Contains(text, "with 1 index") || strings.Contains(text, "stays behind") {
			t.Fatalf("the move ended with %d: %s", code, text)
		}
	}
	refused := func(where string, args ...string) {
		t.Helper()
		text, code := tododb(t, append(args, "--listen", freeAddress(t))...)
		if code == 0 || !strings.Contains(text, "the databases have moved to "+where) {
			t.Errorf("the old home is served: %d %s", code, text)
		}
	}

	travel(home, url)
	refused("postgres://", "serve", "--data", home)
	arrive("postgres", startServerWith(t, []string{"TODODB_STORAGE=" + url}, t.TempDir(), at))

	// Servers on PostgreSQL go on to read, and do not write.
	other := startServerWith(t, []string{"TODODB_STORAGE=" + url}, t.TempDir(), "")
	travel(url, second)
	for _, p := range []*process{p, other} {
		p.do(200, "GET", "/notes/doc01", "")
		if status, text := p.try("PUT", "/notes/late", `{}`); status != 503 || !strings.Contains(text, "being moved") {
			t.Errorf("a write after the move: %d %s", status, text)
		}
		if status, text := p.try("PUT", "/late", ""); status != 503 || !strings.Contains(text, "being moved") {
			t.Errorf("a new database after the move: %d %s", status, text)
		}
	}
	p.stop()
	other.stop()
	refused(second, "serve", "--data", t.TempDir(), "--storage", url)
	arrive("a folder", startServer(t, second, at))
	p.stop()

	if text, code := tododb(t, "move", "--undo", "--from", home); code != 0 || !strings.Contains(text, "is a home again") {
		t.Errorf("undo: %d %s", code, text)
	}
	startServer(t, home, at).do(201, "PUT", "/more", "")
}

// halfMoved tells whether a move to a storage has begun and is not complete.
func halfMoved(t *testing.T, url string) bool {
	t.Helper()
	eng, err := pg.Open(t.Context(), pg.Options{URL: url})
	if errors.Is(err, pg.ErrNoSchema) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	return errors.Is(move.Home(t.Context(), eng), move.ErrArriving)
}

// Killed at any time, a move goes on when it is run again. The folder's databases are read meanwhile.
func TestPGMoveIsKilled(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 6, 2)
	random := rand.New(rand.NewPCG(seed, 0))
	url := pgtest.URL(t)
	home := t.TempDir()
	p := startServer(t, home, "")
	furnish(p)
	for b := range 10 {
		p.do(201, "PUT", fmt.Sprintf("/more%d", b), "")
		var docs []string
		for i := range 1000 {
			docs = append(docs, fmt.Sprintf(`{"_id":"doc%d","text":%q}`, i, strings.Repeat(string(rune('a'+i%26)), 500)))
		}
		p.do(201, "POST", fmt.Sprintf("/more%d/_bulk_docs", b), `{"docs":[`+strings.Join(docs, ",")+`]}`)
	}
	want := seen(p)
	p.stop()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	mid := 0 // kills in the midst of it
	begin := func() (*exec.Cmd, *syncBuffer) {
		out := &syncBuffer{}
		cmd := exec.Command(path, "move", "--from", home, "--to", url)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, out
	}
	for range kills {
		cmd, out := begin()
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for len(ended) == 0 && !halfMoved(t, url) { // one that has not begun has nothing to lose
			time.Sleep(20 * time.Millisecond)
		}
		select {
		case err := <-ended:
			if err != nil {
				if text := fmt.Sprint(out); !strings.Contains(text, "have moved to") {
					t.Fatalf("a move after a kill: %v\n%s", err, text)
				}
			}
		case <-time.After(time.Duration(random.IntN(1500)) * time.Millisecond):
			cmd.Process.Kill()
			if err := <-ended; err != nil {
				mid++
			}
		}
	}
	t.Logf("%d of %d moves were killed", mid, kills)
	half := halfMoved(t, url) // the last one may have been killed at its very end
	if half {
		if text, code := tododb(t, "serve", "--storage", url, "--data", t.TempDir(), "--listen", freeAddress(t)); code == 0 || !strings.Contains(text, "is not complete") {
			t.Errorf("half of a move is served: %d %s", code, text)
		}
	}

	// It answers while it goes on.
	at := freeAddress(t)
	cmd := exec.Command(path, "move", "--from", home, "--to", url, "--listen", at, "--config", quickLogins(t))
	out := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	reads, refusals := 0, 0
	reader := &process{t: t, base: "http://" + at, log: out}
	for over := false; !over; {
		select {
		case err := <-ended:
			if text := fmt.Sprint(out); err != nil && !strings.Contains(text, "have moved to") {
				t.Fatalf("the last move: %v\n%s", err, text)
			}
			over = true
		default:
			got, err := http.DefaultClient.Do(reader.request("GET", "/notes/doc01", ""))
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			got.Body.Close()
			if got.StatusCode == 200 {
				reads++
			}
			time.Sleep(30 * time.Millisecond) // the move is to get on
			if put, err := http.DefaultClient.Do(reader.request("PUT", "/notes/_local/x", "{}")); err == nil {
				put.Body.Close()
				if put.StatusCode == 503 {
					refusals++
				}
			}
		}
	}
	t.Logf("%d reads while it moved, %d writes refused", reads, refusals)
	if half && reads == 0 {
		t.Errorf("nothing was read meanwhile\n%s", out)
	}
	sameSeen(t, "the new home", want, seen(startServerWith(t, []string{"TODODB_STORAGE=" + url}, t.TempDir(), "")))
}

// Who starts a server on what is half moved is told.
func TestPGServeWhatMoves(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	note := []byte(`{"move":"m","to":"elsewhere","began":"2026-01-01T00:00:00Z"}`)
	url, home := pgtest.URL(t), t.TempDir()
	startServerWith(t, []string{"TODODB_STORAGE=" + url}, t.TempDir(), "").stop()
	if err := pgtest.Open(t, pg.Options{URL: url}).Hold(t.Context(), nil, note); err != nil {
		t.Fatal(err)
	}
	text, code := tododb(t, "serve", "--storage", url, "--data", t.TempDir(), "--listen", freeAddress(t))
	if code == 0 || !strings.Contains(text, "on their way to elsewhere") || !strings.Contains(text, "--undo") {
		t.Errorf("a server on PostgreSQL: %d %s", code, text)
	}
	// Nor is it checked, which would find one fault after the other in what is under way.
	target := pgtest.URL(t)
	eng := pgtest.Open(t, pg.Options{URL: target})
	for _, name := range []string{"part", "_move"} {
		db, err := eng.Create(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
	}
	for _, args := range [][]string{{"check"}, {"compact"}, {"check", "part"}} {
		text, code := tododb(t, append(args, "--storage", target)...)
		if code != 1 || !strings.Contains(text, "is not complete") || !strings.Contains(text, "nothing was looked at") {
			t.Errorf("%v of what arrives: %d %s", args, code, text)
		}
	}
	startServer(t, home, "").stop()
	if err := os.WriteFile(filepath.Join(home, "databases", "held"), note, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startServer(t, home, "")
	p.do(503, "PUT", "/db", "")
	if text := fmt.Sprint(p.log); !strings.Contains(text, "not written") || !strings.Contains(text, "elsewhere") {
		t.Errorf("a server on a folder says nothing: %s", text)
	}
}

// An interrupted move says how to go on, without the password.
func TestMoveKeepsThePassword(t *testing.T) {
	for _, from := range []string{"postgres://jan:hush@host/db", "postgres://host/db?user=jan&password=hush", "postgres://jan:hush%zz@host/db"} {
		q := &moveRequest{from: from}
		if text := q.explained(errors.New("away")).Error(); strings.Contains(text, "hush") || !strings.Contains(text, "--undo") {
			t.Error(text)
		}
	}
}
