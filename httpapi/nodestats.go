package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"runtime"
	"strings"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/wire"
)

// ownMetrics adds to the figures those that the server itself knows.
func (s *Server) ownMetrics() {
	m := s.metrics
	m.Gauge("couchdb_httpd_clients_requesting_changes", "number of clients for continuous _changes", func() float64 { return float64(s.shared.Feeds()) })
	m.Gauge("couchdb_open_databases_total", "number of open databases", func() float64 { return float64(s.store.OpenDatabases()) })
}

// prometheus answers GET _prometheus: the figures in Prometheus' form.
func (s *Server) prometheus(w http.ResponseWriter, r *http.Request) error {
	var b bytes.Buffer
	if err := s.metrics.WriteText(&b); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", metrics.TextType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(b.Bytes())
	return err
}

// stats answers GET _stats, or a part of it that the path names.
func (s *Server) stats(w http.ResponseWriter, r *http.Request) error {
	tree, err := s.metrics.Stats()
	if err != nil {
		return err
	}
	var part any = tree
	for name := range strings.SplitSeq(strings.Trim(mux.Vars(r)["rest"], "/"), "/") {
		if name == "" {
			continue
		}
		name, err := url.PathUnescape(name)
		if err != nil {
			return wire.ErrURLEncoding
		}
		below, _ := part.(map[string]any)
		if part = below[name]; part == nil {
			return wire.Errorf(http.StatusNotFound, "not_found", "missing")
		}
	}
	b, err := json.Marshal(part)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// system answers GET _system: what the process uses of the machine.
func (s *Server) system(w http.ResponseWriter, r *http.Request) error {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b, err := json.Marshal(map[string]any{
		"uptime":                   int64(s.metrics.Uptime().Seconds()),
		"process_count":            runtime.NumGoroutine(),
		"garbage_collection_count": mem.NumGC,
		"memory": map[string]uint64{
			"processes": mem.StackInuse, "binary": mem.HeapInuse, "other": mem.Sys - mem.HeapInuse - mem.StackInuse,
		},
	})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}
