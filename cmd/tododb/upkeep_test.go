package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/smoosh"
	"github.com/tododb/tododb/store/widetest"
)

// What upkeep makes of its settings; store/smoosh tests what these do.
func TestSettingsOfUpkeep(t *testing.T) {
	of := func(lines string) smoosh.Settings {
		t.Helper()
		file := filepath.Join(t.TempDir(), "local.ini")
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Open(config.Options{Local: file})
		if err != nil {
			t.Fatal(err)
		}
		return smooshSettings(cfg)
	}
	const mb = 1 << 20
	channel := func(name string, p smoosh.Priority, least float64) smoosh.Channel {
		return smoosh.Channel{Name: name, Priority: p, MinPriority: least, MaxPriority: math.Inf(1), MinSize: mb, Concurrency: 1, Capacity: 9999}
	}
	cleanup := smoosh.Channel{Name: "index_cleanup", Concurrency: 1, Capacity: 9999}
	want := smoosh.Settings{
		Enabled: true, Wait: 30 * time.Second, Staleness: 5 * time.Minute, Rate: 32 * mb,
		Databases: []smoosh.Channel{channel("ratio_dbs", "ratio", 1.6), channel("slack_dbs", "slack", 512*mb)},
		Views:     []smoosh.Channel{channel("ratio_views", "ratio", 1.6), channel("slack_views", "slack", 512*mb)},
		Cleanups:  []smoosh.Channel{cleanup},
	}
	same := func(lines string) {
		t.Helper()
		got := of(lines)
		got.Ignore = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("of %q\ngot  %+v\nwant %+v", lines, got, want)
		}
	}
	same("")

	want.Enabled, want.Wait, want.Staleness, want.Rate = false, 7*time.Second, 7*time.Minute, 7
	same("[smoosh]\nenable = false\nwait_secs = 7\nstaleness = 7\nmax_rate = 7\n")
	want.Enabled, want.Wait, want.Staleness, want.Rate = true, 30*time.Second, 5*time.Minute, 32*mb

	own := smoosh.Channel{
		Name: "big", Priority: "slack", MinPriority: 7, MaxPriority: 70, MinSize: 8, MaxSize: 80, MinChanges: 9, Concurrency: 2, Capacity: 3,
		From: 22*time.Hour + 30*time.Minute, To: 4 * time.Hour, Strict: true,
	}
	lines := "priority = slack\nmin_priority = 7\nmax_priority = 70\nmin_size = 8\nmax_size = 80\nmin_changes = 9\nconcurrency = 2\ncapacity = 3\nfrom = 22:30\nto = 04:00\nstrict_window = true\n"
	databases := want.Databases
	want.Databases = append([]smoosh.Channel{own}, databases...)
	same("[smoosh]\ndb_channels = big, upgrade_dbs\n[smoosh.big]\n" + lines)
	own.Name = "ratio_dbs"
	want.Databases = []smoosh.Channel{own, databases[1]}
	same("[smoosh.ratio_dbs]\n" + lines)
	want.Databases = databases
	views := want.Views
	want.Views = append([]smoosh.Channel{channel("mine", "slack", 512*mb)}, views...)
	same("[smoosh]\nview_channels = mine\n[smoosh.mine]\npriority = slack\n")
	want.Views = append([]smoosh.Channel{channel("mine", "ratio", 2)}, views...)
	same("[smoosh]\nview_channels = mine\n")
	want.Views = views
	cleanup.Concurrency, cleanup.Capacity, cleanup.From, cleanup.To = 2, 3, time.Hour, 2*time.Hour
	other := smoosh.Channel{Name: "all", Concurrency: 1, Capacity: 9999}
	want.Cleanups = []smoosh.Channel{other, cleanup}
	got := of("[smoosh]\ncleanup_channels = all\n[smoosh.index_cleanup]\nconcurrency = 2\ncapacity = 3\nfrom = 01:00\nto = 02:00\n").Cleanups
	if len(got) != 2 || got[1] != cleanup || got[0].Name != "all" {
		t.Errorf("%+v", got)
	}
	if ignore := of("[smoosh.ignore]\na/b = true\nc = false\n").Ignore; !ignore("a/b") || ignore("c") || ignore("d") {
		t.Error("what is ignored is wrong")
	}
}

// A server compacts by itself, tells of it, and can be told not to.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "eager.ini")
	if err := os.WriteFile(settings, []byte("[chttpd_auth]\niterations = 10\n"+eager), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	server := startServer(t, data, "", "--config", settings)
	server.do(200, "PUT", "/_node/_local/_config/smoosh/enable", `"false"`)
	server.do(201, "PUT", "/db", "")
	rev := ""
	for i := range 30 {
		doc := fmt.Sprintf(`{"_id":"doc","text":"%s","n":%d%s}`, incompressible(20_000), i, rev)
		rev = fmt.Sprintf(`,"_rev":%q`, revOf(t, server.do(201, "PUT", "/db/doc", doc)))
	}
	before := sizeOf(t, server, "db")
	if before < 500_000 {
		t.Fatalf("the file has %d bytes", before)
	}
	server.do(200, "PUT", "/_node/_local/_config/smoosh/enable", `"true"`)
	server.do(201, "PUT", "/db/other", "{}")
	within(t, 2*time.Minute, func() bool { return sizeOf(t, server, "db") < before/3 })
	metrics := (server.do(200, "GET", "/_node/_local/_prometheus", ""))
	for _, want := range []string{"tododb_smoosh_compactions_total", "tododb_smoosh_failures_total 0", "tododb_disk_free_bytes"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %q", want)
		}
	}
	const idle = `{"starting":0,"waiting":{"size":0,"min":0,"max":0},"active":0}`
	status := ""
	within(t, 2*time.Minute, func() bool { // the small databases come after the large one
		status = server.do(200, "GET", "/_node/_local/_smoosh/status", "")
		return strings.Contains(status, `"ratio_dbs":`+idle)
	})
	for _, want := range []string{`{"channels":{`, `"slack_views"`, `"index_cleanup"`} {
		if !strings.Contains(status, want) {
			t.Errorf("the status does not have %q: %s", want, status)
		}
	}
	server.do(200, "GET", "/_active_tasks", "")
	server.stop()
	if out, code := tododb(t, "check", "--data", data); code != 0 {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	if _, err := os.Stat(filepath.Join(data, "upkeep.json")); err != nil {
		t.Error(err)
	}
}

// eager are settings by which all is compacted that can be.
const eager = "[smoosh]\nwait_secs = 0\n[smoosh.ratio_dbs]\nmin_size = 1000\nmin_priority = 1.1\n[smoosh.ratio_views]\nmin_size = 1000\nmin_priority = 1.1\n"

func sizeOf(t *testing.T, p *process, db string) int64 {
	t.Helper()
	var info struct{ Sizes struct{ File int64 } }
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/"+db, "")), &info); err != nil {
		t.Fatal(err)
	}
	return info.Sizes.File
}

// On a disk that is nearly full documents are read and deleted, not written, indexes are read as they are,
// and peers keep their checkpoints. Here any disk is: more than 0 percent are in use.
func TestDiskMonitor(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	data := t.TempDir()
	server := startServer(t, data, "")
	set := func(name, value string) {
		t.Helper()
		server.do(200, "PUT", "/_node/_local/_config/disk_monitor/"+name, `"`+value+`"`)
	}
	server.do(201, "PUT", "/db", "")
	server.do(201, "PUT", "/other", "")
	server.do(201, "PUT", "/other/x", `{}`)
	server.do(201, "PUT", "/db/_design/d", `{"views":{"v":{"map":"function (doc) { emit(doc._id) }"}}}`)
	revs := map[string]string{}
	for _, id := range []string{"a", "b", "c", "e"} {
		revs[id] = revOf(t, server.do(201, "PUT", "/db/"+id, `{}`))
	}
	server.do(200, "GET", "/db/_design/d/_view/v", "")

	set("interactive_database_writes_threshold", "0")
	set("background_view_indexing_threshold", "0") // else the index follows what is deleted
	server.do(201, "PUT", "/db/before", `{}`)      // it is not enabled
	set("enable", "true")
	const tombstone = `{"new_edits":false,"docs":[{"_id":"b","_deleted":true,"_revisions":{"start":2,"ids":["x","%s"]}}%s]}`
	for _, c := range []struct {
		status             int
		method, path, body string
	}{
		{507, "PUT", "/db/new", `{}`},
		{507, "PUT", "/db/a", `{"_rev":"` + revs["a"] + `"}`},
		{507, "POST", "/db", `{}`},
		{507, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"x"}]}`},
		{507, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"x"},{"_id":"a","_rev":"` + revs["a"] + `","_deleted":true}]}`},
		{507, "POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"x","_rev":"1-x"}]}`},
		{507, "PUT", "/db/a/file?rev=" + revs["a"], "text"},
		{507, "PUT", "/db/new/file", strings.Repeat("text", 100_000)},
		{507, "COPY", "/db/a", ""},
		{507, "PUT", "/db/_design/new", `{}`},
		{200, "GET", "/db/a", ""},
		{200, "GET", "/db/_changes", ""},
		{201, "PUT", "/db/_local/checkpoint", `{"last":1}`},
		{200, "DELETE", "/db/a?rev=" + revs["a"], ""},
		{201, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"e","_rev":"` + revs["e"] + `","_deleted":true}]}`},
		{201, "POST", "/db/_bulk_docs", fmt.Sprintf(tombstone, strings.TrimPrefix(revs["b"], "1-"), "")},
		{201, "POST", "/db/_purge", `{"c":["` + revs["c"] + `"]}`},
		{200, "PUT", "/db/_security", `{}`},
		{202, "POST", "/db/_compact", "{}"},
		{500, "POST", "/_replicate", `{"source":"other","target":"db"}`},
	} {
		header := []string{}
		if c.method == "COPY" {
			header = []string{"Destination", "copy"}
		}
		status, answer := server.try(c.method, c.path, c.body, header...)
		if status != c.status || status == 507 && (!strings.Contains(answer, `"insufficient_storage"`) || !strings.Contains(answer, "nearly full")) {
			if c.path != "/_replicate" || status < 400 {
				t.Errorf("%s %s: %d %.300s", c.method, c.path, status, answer)
			}
		}
	}

	set("interactive_view_indexing_threshold", "0")
	if status, answer := server.try("GET", "/db/_design/d/_view/v", ""); status != 507 || !strings.Contains(answer, "insufficient_storage") {
		t.Errorf("a stale index: %d %s", status, answer)
	}
	server.do(200, "GET", "/db/_design/d/_view/v?update=false", "")
	server.do(200, "GET", "/db/_design/d/_view/v?stale=ok", "")
	server.do(200, "GET", "/db/_design/d/_view/v?update=lazy", "")
	time.Sleep(1500 * time.Millisecond) // an index would have been brought up to date in the background by now
	if rows := (server.do(200, "GET", "/db/_design/d/_view/v?update=false", "")); !strings.Contains(rows, `"id":"a"`) {
		t.Errorf("it was brought up to date: %s", rows)
	}
	set("background_view_indexing_threshold", "100")
	within(t, 2*time.Minute, func() bool {
		return !strings.Contains((server.do(200, "GET", "/db/_design/d/_view/v?update=false", "")), `"id":"a"`)
	})
	set("interactive_view_indexing_threshold", "100")
	set("interactive_database_writes_threshold", "100")
	server.do(201, "PUT", "/db/new", `{}`)
	if rows := (server.do(200, "GET", "/db/_design/d/_view/v", "")); !strings.Contains(rows, `"id":"new"`) {
		t.Error(rows)
	}
	server.stop()
}

// revOf is the revision that the answer to a write tells of.
func revOf(t *testing.T, answer string) string {
	t.Helper()
	var written struct{ Rev string }
	if err := json.Unmarshal([]byte(answer), &written); err != nil {
		t.Fatal(err)
	}
	return written.Rev
}

// within waits until something is so.
func within(t *testing.T, d time.Duration, is func() bool) {
	t.Helper()
	for until := time.Now().Add(d); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within %v", d)
		}
	}
}
