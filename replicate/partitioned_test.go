package replicate_test

import (
	"strings"
	"testing"

	"github.com/tododb/tododb/replicate"
)

// Partitioned databases and plain ones replicate both ways, by URL and by name. A partitioned
// database takes no document without a partition: such a replication fails at once and writes
// nothing of its batch.
func TestPartitionedPeers(t *testing.T) {
	s := startServer(t)
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: s.store, Open: replicate.Everything(s.store)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s.must(201, "PUT", "/plain", "")
	s.must(201, "POST", "/plain/_bulk_docs", `{"docs":[{"_id":"a:1"},{"_id":"b:1","_attachments":{"f":{"data":"aGk="}}},{"_id":"none"},{"_id":"_design/d","views":{"v":{"map":"function(d){emit(1)}"}}}]}`)
	for kind, peer := range map[string]func(string) string{"url": s.url, "name": func(name string) string { return name }} {
		run := func(source, target, more string) error {
			t.Helper()
			_, err := m.Run(t.Context(), spec(t, peer(source), peer(target), `,"retries_per_request":1`+more))
			return err
		}
		parts, back := "parts-"+kind, "back-"+kind
		create := `,"create_target":true,"create_target_params":{"partitioned":true}`
		if err := run("plain", parts, create); err == nil || !strings.Contains(err.Error(), "Doc id must be of form partition:id") {
			t.Errorf("by %s: %v", kind, err)
		}
		if info := s.must(200, "GET", "/"+parts, ""); !strings.Contains(info, `"props":{"partitioned":true}`) || !strings.Contains(info, `"doc_count":0`) {
			t.Errorf("by %s: %s", kind, info)
		}
		if err := run("plain", parts, `,"selector":{"_id":{"$regex":":|^_design"}}`); err != nil {
			t.Errorf("by %s: %v", kind, err)
		}
		if info := s.must(200, "GET", "/"+parts+"/_partition/b", ""); !strings.Contains(info, `"external":4},"partition":"b","doc_count":1`) {
			t.Errorf("by %s: %s", kind, info)
		}
		s.check(parts)
		if err := run(parts, back, `,"create_target":true`); err != nil {
			t.Errorf("by %s: %v", kind, err)
		}
		if got, want := s.state(back), s.state(parts); got != want {
			t.Errorf("by %s: %s, want %s", kind, got, want)
		}
		if info := s.must(200, "GET", "/"+back, ""); !strings.Contains(info, `"props":{}`) {
			t.Errorf("by %s: %s", kind, info)
		}
		if err := run("plain", "x-"+kind, `,"create_target":true,"create_target_params":{"partitioned":"maybe"}`); err == nil || !strings.Contains(err.Error(), "Invalid `partitioned` parameter") {
			t.Errorf("by %s: %v", kind, err)
		}
		if there, err := s.store.Exists(t.Context(), "x-"+kind); there || err != nil {
			t.Errorf("by %s: it was created, %v", kind, err)
		}
	}
}
