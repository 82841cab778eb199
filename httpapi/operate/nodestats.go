package operate

import (
	"bytes"
	"encoding/json"
	"net/http"
	"runtime"

	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/wire"
)

// Prometheus answers GET _prometheus: the figures in Prometheus' form.
func (o *Room) Prometheus(w http.ResponseWriter, r *http.Request) error {
	var b bytes.Buffer
	if err := o.metrics.WriteText(&b); err != nil {
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

// Stats answers GET _stats, or a part of it that the path names.
func (o *Room) Stats(w http.ResponseWriter, r *http.Request) error {
	tree, err := o.metrics.Stats()
	if err != nil {
		return err
	}
	path, err := wire.Rest(r)
	if err != nil {
		return err
	}
	var part any = tree
	for _, name := range path {
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

// System answers GET _system: what the process uses of the machine.
func (o *Room) System(w http.ResponseWriter, r *http.Request) error {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b, err := json.Marshal(map[string]any{
		"uptime":                   int64(o.metrics.Uptime().Seconds()),
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
