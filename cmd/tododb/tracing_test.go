package main

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collectSpans is a collector of traces that keeps them.
func collectSpans(t *testing.T) (url string, all func() []*spans.Span) {
	t.Helper()
	var mu sync.Mutex
	var kept []*spans.Span
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		raw, err := io.ReadAll(body)
		var request collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(raw, &request) != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range request.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				kept = append(kept, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []*spans.Span { mu.Lock(); defer mu.Unlock(); return append([]*spans.Span(nil), kept...) }
}

func attribute(s *spans.Span, key string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// A request for a replication, the replication's requests to another server and their work there
// make one trace. The log of the other server names the request that started it.
func TestTracesGoThroughReplication(t *testing.T) {
	t.Parallel()
	url, all := collectSpans(t)
	traced := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url}
	source, target := startServerWith(t, traced, t.TempDir(), ""), startServerWith(t, traced, t.TempDir(), "")
	source.do(201, "PUT", "/db", "")
	source.do(201, "PUT", "/db/doc", `{"secret":"hunter2"}`)
	target.do(201, "PUT", "/db", "")
	asked := source.request("POST", "/_replicate?x=hunter2", `{"source":"db","target":"`+strings.Replace(target.base, "http://", "http://"+testUser+":"+testPassword+"@", 1)+`/db"}`)
	asked.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 {
		t.Fatalf("%s %s", answer.Status, text)
	}
	id := answer.Header.Get("X-Couch-Request-Id")

	find := func(name string, kind spans.Span_SpanKind, parent []byte) *spans.Span {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			for _, s := range all() {
				if s.GetName() == name && s.GetKind() == kind && hex.EncodeToString(s.GetTraceId()) == "0af7651916cd43dd8448eb211c80319c" && (parent == nil || string(parent) == string(s.GetParentSpanId())) {
					return s
				}
			}
			if time.Now().After(end) {
				var names []string
				for _, s := range all() {
					names = append(names, s.GetKind().String()+" "+s.GetName())
				}
				t.Fatalf("no span %s %s in %q", kind, name, names)
			}
		}
	}
	began := find("POST /_replicate", spans.Span_SPAN_KIND_SERVER, []byte("\xb7\xad\x6b\x71\x69\x20\x33\x31"))
	if got := attribute(began, "tododb.request"); got != id {
		t.Errorf("the span is of request %q, want %q", got, id)
	}
	sent := find("POST /{db}/_bulk_docs", spans.Span_SPAN_KIND_CLIENT, began.GetSpanId())
	done := find("POST /{db}/_bulk_docs", spans.Span_SPAN_KIND_SERVER, sent.GetSpanId())
	if got := attribute(done, "tododb.request"); got != id {
		t.Errorf("the other server's span is of request %q, want %q", got, id)
	}
	if !strings.Contains(target.log.String(), `"request":"`+id+`"`) {
		t.Errorf("the log of the other server does not name request %s\n%s", id, target.log)
	}
	for _, s := range all() {
		if text, _ := json.Marshal(s); strings.Contains(string(text), "hunter2") || strings.Contains(string(text), testPassword) {
			t.Errorf("a secret in %s", text)
		}
	}
	source.stop()
	target.stop()
}

// If the collector is missing or not one, the server still serves everybody.
func TestCollectorThatIsGone(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	p := startServer(t, t.TempDir(), "")
	p.do(201, "PUT", "/db", "")
	p.stop()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")
	if out, code := tododb(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0"); code != 1 || !strings.Contains(out, "is not a URL") {
		t.Errorf("%d %s", code, out)
	}
}
