package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// changedSince returns what a client gets that comes with a place in the feed.
func changedSince(t *testing.T, p *process, db, place string) (ids []string, last string) {
	t.Helper()
	return changes(t, p, db, url.Values{"since": {place}})
}

func changes(t *testing.T, p *process, db string, query url.Values) (ids []string, last string) {
	t.Helper()
	var feed struct {
		Results []struct{ ID string }
		LastSeq string `json:"last_seq"`
	}
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/"+db+"/_changes?"+query.Encode(), "")), &feed); err != nil {
		t.Fatal(err)
	}
	for _, r := range feed.Results {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids, feed.LastSeq
}

// snapshotIDs are the ids of the documents in a snapshot.
func snapshotIDs(t *testing.T, p *process) (ids []string) {
	t.Helper()
	for line := range strings.Lines(p.do(200, "GET", "/db/_snapshot", "")) {
		var doc struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.ID != "" {
			ids = append(ids, doc.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// viewKeys are the keys of the rows of the view /DB/_design/d/_view/v.
func viewKeys(t *testing.T, p *process, db, query string) (keys []string) {
	t.Helper()
	var rows struct{ Rows []struct{ Key string } }
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/"+db+"/_design/d/_view/v"+query, "")), &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows.Rows {
		keys = append(keys, r.Key)
	}
	return keys
}

func putFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inFile brings what the journal has of a database to its file. A compaction begins with that.
func inFile(t *testing.T, p *process, db string) {
	t.Helper()
	p.do(202, "POST", "/"+db+"/_compact", "{}")
	for end := time.Now().Add(time.Minute); strings.Contains(p.do(200, "GET", "/"+db, ""), `"compact_running":true`); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a compaction does not end")
		}
	}
}

func named(begin string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s%02d", begin, i))
	}
	return ids
}

// An operator puts back an older copy of a database's file, or the file of another server's
// database, and leaves the indexes where they are. Clients that come with their old places are
// told of everything, views have the right rows, and check names the index that does not belong
// there.
func TestFileIsPutBack(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "databases", "db.bolt")
	server := startServer(t, dir, "")
	write := func(ids []string) {
		for _, id := range ids {
			server.do(201, "PUT", "/db/"+id, "{}")
		}
	}
	restart := func(between func()) {
		server.stop()
		between()
		server = startServer(t, dir, "")
	}
	server.do(201, "PUT", "/db", "")
	server.do(201, "PUT", "/db/_design/d", `{"views":{"v":{"map":"function(doc){emit(doc._id)}"}}}`)
	write(named("old", 20))
	viewKeys(t, server, "db", "")
	_, before := changedSince(t, server, "db", "0")
	restart(func() {})
	write(named("some", 5))
	_, at := changedSince(t, server, "db", "0")
	inFile(t, server, "db")
	atOneMoment(t, server, func() { putFile(t, file, file+".copy") })
	write(named("lost", 20))
	_, after := changedSince(t, server, "db", "0")
	viewKeys(t, server, "db", "")
	etag := server.do(200, "GET", "/db", "")
	if n := len(snapshotIDs(t, server)); n != 46 {
		t.Errorf("the snapshot has %d documents", n)
	}

	restart(func() {})
	write(named("more", 1))
	_, later := changedSince(t, server, "db", "0") // of an epoch that the copy knows nothing of
	server.stop()
	putFile(t, file+".copy", file)
	out, code := tododb(t, "check", "--data", dir)
	if code != 3 || strings.Count(out, "db: index index-") != 1 || !strings.Contains(out, "problems: 1") {
		t.Errorf("check of an older file beside a newer index: exit %d\n%s", code, out)
	}
	server = startServer(t, dir, "")
	write(named("new", 25))
	if etag == server.do(200, "GET", "/db", "") {
		t.Error("the database says of itself what it said before")
	}
	kept := slices.Concat(named("new", 25), named("old", 20), named("some", 5))
	if got := snapshotIDs(t, server); !slices.Equal(got, slices.Concat([]string{"_design/d"}, kept)) {
		t.Errorf("the snapshot has %q", got)
	}
	for place, want := range map[string][]string{
		before: slices.Concat(named("new", 25), named("some", 5)),
		at:     named("new", 25),
		after:  named("new", 25), // not what came in place of the lost ones alone
		later:  slices.Concat([]string{"_design/d"}, kept),
		"0":    slices.Concat([]string{"_design/d"}, kept),
	} {
		if got, _ := changedSince(t, server, "db", place); !slices.Equal(got, want) {
			t.Errorf("since %s there are %d changes, want %d: %q", place, len(got), len(want), got)
		}
	}
	if got := viewKeys(t, server, "db", "?update=false"); len(got) > 0 {
		t.Errorf("a reader that does not wait gets %q", got)
	}
	if got := viewKeys(t, server, "db", ""); !slices.Equal(got, kept) {
		t.Errorf("the view has %q", got)
	}
	_, place := changedSince(t, server, "db", "0")
	server.do(201, "PUT", "/other", "")
	server.do(201, "PUT", "/other/_design/d", `{"views":{"v":{"map":"function(doc){emit(doc._id)}"}}}`)
	for i := range 60 {
		server.do(201, "PUT", fmt.Sprintf("/other/other%02d", i), "{}")
	}
	restart(func() { putFile(t, filepath.Join(dir, "databases", "other.bolt"), file) })
	if got, _ := changedSince(t, server, "db", place); len(got) != 61 {
		t.Errorf("of another server's file %d changes come, want all 61", len(got))
	}
	if got := viewKeys(t, server, "db", ""); !slices.Equal(got, named("other", 60)) {
		t.Errorf("the view of another server's file has %q", got)
	}
	server.stop()
	if out, code := tododb(t, "check", "--data", dir); code != 0 {
		t.Errorf("check in the end: exit %d\n%s", code, out)
	}
}

// The folder of a server under load is copied at one moment, and a second server goes on with the
// copy. Clients that go from one server to the other miss nothing, wherever they were.
func TestCopyOfARunningServer(t *testing.T) {
	t.Parallel()
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/db", "")
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				server.do(201, "POST", "/db/_bulk_docs", fmt.Sprintf(`{"docs":[{"_id":"%d-%05d-a"},{"_id":"%d-%05d-b"}]}`, w, i, w, i))
			}
		})
	}
	places := map[string]bool{}
	var last string
	visit := func(n int) {
		for range n {
			_, last = changes(t, server, "db", url.Values{"since": {last}, "feed": {"longpoll"}})
			places[last] = true
		}
	}
	last = "0"
	visit(5)
	atOneMoment(t, server, func() {
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Error(err)
		}
	})
	visit(5)
	stop.Store(true)
	writers.Wait()

	second := startServer(t, copied, "")
	for i := range 30 {
		second.do(201, "PUT", fmt.Sprintf("/db/second%02d", i), "{}")
	}
	all, end := changedSince(t, second, "db", "0")
	common := 0
	for place := range places {
		seen := map[string]bool{}
		if before := place; before != "0" {
			// The changes that the first server told the client, up to its place.
			ids := changedUpTo(t, server, "db", place)
			for _, id := range ids {
				seen[id] = true
			}
		}
		told, _ := changedSince(t, second, "db", place)
		if len(told) < len(all) {
			common++
		}
		for _, id := range told {
			seen[id] = true
		}
		for _, id := range all {
			if !seen[id] {
				t.Fatalf("a client at %s of the first server is never told of %q by the second, which is at %s", place, id, end)
			}
		}
	}
	if common != len(places) {
		t.Errorf("%d of %d clients had to read everything again", len(places)-common, len(places))
	}
	// And back: what the second server said means nothing to the first.
	told, _ := changedSince(t, server, "db", end)
	mine, _ := changedSince(t, server, "db", "0")
	if missing := slices.DeleteFunc(slices.Clone(mine), func(id string) bool { return slices.Contains(told, id) || slices.Contains(all, id) }); len(missing) > 0 {
		t.Errorf("a client of the second server is not told of %d documents of the first", len(missing))
	}
	second.stop()
	if out, code := tododb(t, "check", "--data", copied); code != 0 {
		t.Errorf("check of the copy: exit %d\n%s", code, out)
	}
}

// changedUpTo lists the documents whose newest change is at a place or before it. None of them
// has changed twice.
func changedUpTo(t *testing.T, p *process, db, place string) []string {
	t.Helper()
	all, _ := changedSince(t, p, db, "0")
	later, _ := changedSince(t, p, db, place)
	rest := map[string]bool{}
	for _, id := range all {
		rest[id] = true
	}
	for _, id := range later {
		delete(rest, id)
	}
	return slices.Collect(maps.Keys(rest))
}
