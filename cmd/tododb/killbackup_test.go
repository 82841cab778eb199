package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tododb/tododb/store/backup/schedule"
	"github.com/tododb/tododb/store/widetest"
)

// TestKillBackup kills backup, forget, prune and restore at random moments. Whatever was backed up
// stays whole and restorable, what was cut goes on, and a database that was to be restored is
// either as before or restored.
func TestKillBackup(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 12, 4)
	killBackups(t, kills, seed, filepath.Join(t.TempDir(), "backups"))
}

// TestKillBucket does the same with backups in a bucket.
func TestKillBucket(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 12, 3)
	bucket := httptest.NewServer(gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server())
	t.Cleanup(bucket.Close)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("access\nsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	killBackups(t, kills, seed, "s3:"+bucket.URL+"/bucket/prefix", "--s3-key-file", keys, "--s3-region", "mars")
}

func killBackups(t *testing.T, kills int, seed uint64, target string, flags ...string) {
	t.Helper()
	k := &backupKiller{t: t, r: rand.New(rand.NewPCG(seed, 0)), target: target, flags: flags, states: map[string]dbStates{}}
	k.server, k.spare = startServer(t, t.TempDir(), ""), startServer(t, t.TempDir(), "")
	for _, db := range []string{"one", "two"} {
		k.server.do(201, "PUT", "/"+db, "")
		k.write(db, 150)
	}
	k.mustRun("backup", k.target, "--url", withLogin(k.server))
	k.learn()
	cut := 0
	for kill := 1; kill <= kills; kill++ {
		var args []string
		switch k.r.IntN(5) {
		case 0, 1:
			k.write("one", 1+k.r.IntN(80))
			k.write("two", k.r.IntN(3)*50)
			args = []string{"backup", k.target, "--url", withLogin(k.server)}
		case 2:
			args = []string{"backup", "forget", k.target, "--keep-last", fmt.Sprint(2 + k.r.IntN(3)), "--prune"}
		case 3:
			args = []string{"backup", "prune", k.target}
		case 4:
			k.restore(k.anyBackup(), true)
			continue
		}
		if k.runKilled(args...) {
			cut++
		}
		k.learn()
		k.verify(kill)
		if k.r.IntN(2) == 0 { // and on
			k.mustRun(args...)
			k.learn()
			k.verify(kill)
		}
	}
	k.mustRun("backup", k.target, "--url", withLogin(k.server))
	k.mustRun("backup", "prune", k.target)
	k.learn()
	for id := range k.listed() {
		k.restore(id, false)
	}
	t.Logf("%d of %d kills came in time; %d backups are left", cut, kills, len(k.listed()))
}

// dbStates are the revisions of documents, by database and id.
type dbStates map[string]map[string]string

type backupKiller struct {
	t             *testing.T
	r             *rand.Rand
	server, spare *process
	target        string
	flags         []string            // that the target needs
	states        map[string]dbStates // what backups have, by their ids
	last          string              // what the spare server's database has: the id of a backup, "" for none
	n             int
}

// write writes documents, some with attachments.
func (k *backupKiller) write(db string, docs int) {
	k.t.Helper()
	var all []map[string]any
	for range docs {
		k.n++
		text := make([]byte, k.r.IntN(3000))
		for i := range text {
			text[i] = byte('a' + k.r.IntN(26))
		}
		doc := map[string]any{"_id": fmt.Sprintf("doc%d", k.n), "text": string(text)}
		if k.r.IntN(4) == 0 {
			content := strings.Repeat(fmt.Sprintf("attachment %d ", k.r.Uint64()), 1+k.r.IntN(4000))
			doc["_attachments"] = map[string]any{"a": map[string]string{"content_type": "text/plain", "data": base64.StdEncoding.EncodeToString([]byte(content))}}
		}
		all = append(all, doc)
	}
	if docs == 0 {
		return
	}
	body, err := json.Marshal(map[string]any{"docs": all})
	if err != nil {
		k.t.Fatal(err)
	}
	k.server.do(201, "POST", "/"+db+"/_bulk_docs", string(body))
}

// revs are the revisions of the documents of a database.
func (k *backupKiller) revs(p *process, db string) map[string]string {
	k.t.Helper()
	var all struct {
		Rows []struct {
			ID    string
			Value struct{ Rev string }
		}
	}
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/"+db+"/_all_docs", "")), &all); err != nil {
		k.t.Fatal(err)
	}
	revs := map[string]string{}
	for _, row := range all.Rows {
		revs[row.ID] = row.Value.Rev
	}
	return revs
}

// listed are the ids of the backups that there are.
func (k *backupKiller) listed() map[string]bool {
	k.t.Helper()
	ids := map[string]bool{}
	for line := range strings.Lines(k.mustRun("backup", "ls", k.target)) {
		if id := strings.Fields(line)[0]; id != "ID" {
			ids[id] = true
		}
	}
	return ids
}

// learn notes what new backups have: nobody writes while one is made.
func (k *backupKiller) learn() {
	k.t.Helper()
	for id := range k.listed() {
		if k.states[id] == nil {
			k.states[id] = dbStates{"one": k.revs(k.server, "one"), "two": k.revs(k.server, "two")}
		}
	}
}

func (k *backupKiller) anyBackup() string {
	k.t.Helper()
	var ids []string
	for id := range k.listed() {
		ids = append(ids, id)
	}
	return ids[k.r.IntN(len(ids))]
}

func (k *backupKiller) mustRun(args ...string) string {
	k.t.Helper()
	out, code := tododb(k.t, append(args, k.flags...)...)
	if code != 0 {
		k.t.Fatalf("tododb %q: exit %d\n%s", args, code, out)
	}
	return out
}

// runKilled runs a command and kills it at some moment. It tells whether that came in time.
func (k *backupKiller) runKilled(args ...string) bool {
	k.t.Helper()
	path, err := binary()
	if err != nil {
		k.t.Fatal(err)
	}
	var out syncBuffer
	cmd := exec.Command(path, append(args, k.flags...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(5+k.r.IntN(90))*time.Millisecond, func() { cmd.Process.Kill() })
	err = cmd.Wait()
	if timer.Stop() && err != nil {
		k.t.Fatalf("tododb %q: %v\n%s", args, err, &out)
	}
	return err != nil
}

// verify looks for damage.
func (k *backupKiller) verify(kill int) {
	k.t.Helper()
	if out, code := tododb(k.t, append([]string{"backup", "verify", k.target}, k.flags...)...); code != 0 {
		k.t.Fatalf("kill %d: exit %d\n%s", kill, code, out)
	}
}

// restore restores a database of a backup to the spare server, and may be killed on the way. What the
// server has then is what it had, or what it was to get.
func (k *backupKiller) restore(id string, killed bool) {
	k.t.Helper()
	args := []string{"restore", k.target, "--at", id, "--db", "one", "--as", "was", "--replace", "--url", withLogin(k.spare)}
	if killed {
		k.runKilled(args...)
		if k.last != "" {
			now := k.revs(k.spare, "was")
			if !maps.Equal(now, k.states[k.last]["one"]) && !maps.Equal(now, k.states[id]["one"]) {
				k.t.Fatalf("after a restore that was killed there are %d documents: neither what was there nor what is in the backup", len(now))
			}
		}
	}
	k.mustRun(args...)
	if now := k.revs(k.spare, "was"); !maps.Equal(now, k.states[id]["one"]) {
		k.t.Fatalf("backup %s restores to %d documents, want %d", id, len(now), len(k.states[id]["one"]))
	}
	k.last = id
}

// withLogin is the address of a server with its administrator.
func withLogin(p *process) string {
	return strings.Replace(p.base, "http://", "http://"+testUser+":"+testPassword+"@", 1)
}

// TestKillOwnBackup kills a server while it backs itself up, which it does again when it is back. What
// it had made stays whole, and nothing that was acknowledged is missing.
func TestKillOwnBackup(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 10, 3)
	dir := t.TempDir()
	k := &backupKiller{t: t, r: rand.New(rand.NewPCG(seed, 0)), target: filepath.Join(t.TempDir(), "backups"), states: map[string]dbStates{}}
	k.server, k.spare = startServer(t, dir, ""), startServer(t, t.TempDir(), "")
	k.server.do(201, "PUT", "/one", "")
	for _, s := range [][2]string{{"schedule", "manual"}, {"target", k.target}} {
		k.server.do(200, "PUT", "/_node/_local/_config/backup/"+s[0], `"`+s[1]+`"`)
	}
	own := func() (made uint64) {
		t.Helper()
		var s schedule.State
		if err := json.Unmarshal([]byte(k.server.do(200, "GET", "/_backups", "")), &s); err != nil {
			t.Fatal(err)
		}
		if s.Failed > 0 {
			t.Fatalf("a backup failed: %+v", s.Last)
		}
		return s.Made
	}
	k.server.do(202, "POST", "/_backups", "{}")
	within(t, time.Minute, func() bool { return own() > 0 })
	cut, backups := 0, len(k.listed())
	for kill := range kills {
		k.write("one", 100+k.r.IntN(200))
		want := k.revs(k.server, "one")
		if kill%2 == 1 {
			k.server.do(200, "PUT", "/_node/_local/_config/backup/schedule", `"continuous"`)
		} else {
			k.server.do(202, "POST", "/_backups", "{}")
		}
		time.Sleep(time.Duration(k.r.IntN(60)) * time.Millisecond) // whatever it is doing then
		k.server.kill()
		if left := len(k.listed()); left == backups {
			cut++
		} else {
			backups = left
		}
		k.server = startServer(t, dir, k.server.address())
		if now := k.revs(k.server, "one"); !maps.Equal(now, want) {
			t.Fatalf("kill %d: the server has %d documents, want %d", kill, len(now), len(want))
		}
		k.server.do(200, "PUT", "/_node/_local/_config/backup/schedule", `"manual"`)
		made := own()
		k.server.do(202, "POST", "/_backups", "{}")
		within(t, time.Minute, func() bool { return own() > made })
		backups = len(k.listed())
		k.verify(kill)
	}
	k.mustRun("restore", k.target, "--db", "one", "--as", "was", "--url", withLogin(k.spare))
	if now, want := k.revs(k.spare, "was"), k.revs(k.server, "one"); !maps.Equal(now, want) {
		t.Fatalf("the newest backup restores to %d documents, want %d", len(now), len(want))
	}
	t.Logf("%d of %d kills came before the backup was made", cut, kills)
}
