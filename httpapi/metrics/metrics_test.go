package metrics

import (
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCountsAddUp(t *testing.T) {
	m := New()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				m.Request("GET", 200, time.Millisecond, false)
				m.Request("PURGE", 999, -1, true)
				m.Commit(3, time.Millisecond)
			}
		})
	}
	all.Wait()
	var text strings.Builder
	if err := m.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"couchdb_httpd_requests_total 16000", "couchdb_httpd_aborted_requests_total 8000", `couchdb_httpd_request_methods{method="other"} 8000`,
		"couchdb_request_time_seconds_count 8000", "couchdb_document_writes_total 24000", "tododb_commits_total 8000", `tododb_commit_documents_bucket{le="4"} 8000`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, text.String())
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	m := New()
	b.ReportAllocs()
	for b.Loop() {
		m.Request("GET", 200, time.Millisecond, false)
	}
}
