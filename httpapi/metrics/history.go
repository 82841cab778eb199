package metrics

import (
	"context"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

const (
	// Interval is how often the history takes a point.
	Interval = 10 * time.Second
	// points is how many it keeps: those of an hour.
	points = int(time.Hour / Interval)
)

// Point is what a server did in the time since the point before, and how it was at its end.
// Lengths of time are in seconds.
type Point struct {
	Time    float64 `json:"time"`    // its end, in seconds since 1970
	Seconds float64 `json:"seconds"` // its length

	Requests     float64  `json:"requests"`      // that were finished
	ClientErrors float64  `json:"client_errors"` // of these, answered with 4xx
	ServerErrors float64  `json:"server_errors"` // or 5xx
	Aborted      float64  `json:"aborted"`       // or cut off
	Median       *float64 `json:"request_p50"`   // their length, without feeds that wait; nil: there were none
	Slowest      *float64 `json:"request_p99"`   // 99 of 100 were not longer

	Commits       float64  `json:"commits"` // transactions that were written to disk
	Documents     float64  `json:"documents_written"`
	CommitMedian  *float64 `json:"commit_p50"`
	CommitSlowest *float64 `json:"commit_p99"`

	CPU      float64 `json:"cpu_seconds"`    // of processors
	Memory   float64 `json:"memory_bytes"`   // that the Go runtime has from the system
	Resident float64 `json:"resident_bytes"` // memory of the process, with the pages of files; 0: the system does not say
	Files    float64 `json:"open_files"`

	Feeds           float64 `json:"feeds"` // continuous ones that are open
	Databases       float64 `json:"open_databases"`
	Replications    float64 `json:"replications_running"`
	IndexesBuilding float64 `json:"indexes_building"`
	DiskFree        float64 `json:"disk_free_bytes"`
	DiskUsed        float64 `json:"disk_used_percent"`
}

// History keeps the figures of the last hour, in memory. It is safe for use by several goroutines.
type History struct {
	metrics *Metrics
	process *prometheus.Registry
	now     func() time.Time

	mu     sync.Mutex // guards what follows
	last   reading
	points []Point // the oldest first
}

// NewHistory makes a History of figures. It begins empty.
func NewHistory(m *Metrics) *History {
	h := &History{metrics: m, process: prometheus.NewRegistry(), now: time.Now}
	h.process.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	h.last = h.read()
	return h
}

// Run takes points until ctx ends.
func (h *History) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.take()
		}
	}
}

// Since returns the points that ended after a time in seconds since 1970, the oldest first.
func (h *History) Since(after float64) []Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := len(h.points)
	for from > 0 && h.points[from-1].Time > after {
		from--
	}
	return append([]Point{}, h.points[from:]...)
}

// reading is what the counters say at a moment.
type reading struct {
	at                             time.Time
	requests, client, server, cut  float64
	commits, written, cpu          float64
	latency, commit                *dto.Histogram
	resident, files, memory        float64
	feeds, databases, replications float64
	building, diskFree, diskUsed   float64
}

func (h *History) take() {
	next := h.read()
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.last
	h.last = next
	p := Point{
		Time: float64(next.at.UnixMilli()) / 1000, Seconds: next.at.Sub(last.at).Seconds(),
		Requests: next.requests - last.requests, ClientErrors: next.client - last.client, ServerErrors: next.server - last.server, Aborted: next.cut - last.cut,
		Median: quantile(last.latency, next.latency, 0.5), Slowest: quantile(last.latency, next.latency, 0.99),
		Commits: next.commits - last.commits, Documents: next.written - last.written,
		CommitMedian: quantile(last.commit, next.commit, 0.5), CommitSlowest: quantile(last.commit, next.commit, 0.99),
		CPU: next.cpu - last.cpu, Memory: next.memory, Resident: next.resident, Files: next.files,
		Feeds: next.feeds, Databases: next.databases, Replications: next.replications,
		IndexesBuilding: next.building, DiskFree: next.diskFree, DiskUsed: next.diskUsed,
	}
	if len(h.points) == points {
		h.points = append(h.points[:0], h.points[1:]...)
	}
	h.points = append(h.points, p)
}

func (h *History) read() reading {
	m := h.metrics
	r := reading{
		at: h.now(), requests: value(m.requests), client: float64(m.clientErrors.Load()), server: float64(m.serverErrors.Load()), cut: value(m.aborted),
		commits: value(m.commits), written: value(m.written), latency: histogram(m.latency), commit: histogram(m.commitTook), memory: runtimeMemory(),
		feeds: m.gauge("couchdb_httpd_clients_requesting_changes"), databases: m.gauge("couchdb_open_databases_total"),
		replications: m.gauge("couchdb_couch_replicator_jobs_running"), building: m.gauge("tododb_indexes_building"),
		diskFree: m.gauge("tododb_disk_free_bytes"), diskUsed: m.gauge("tododb_disk_used_percent"),
	}
	families, err := h.process.Gather()
	if err != nil { // the system does not tell
		return r
	}
	for _, f := range families {
		one := f.GetMetric()[0]
		switch f.GetName() {
		case "process_cpu_seconds_total":
			r.cpu = one.Counter.GetValue()
		case "process_resident_memory_bytes":
			r.resident = one.Gauge.GetValue()
		case "process_open_fds":
			r.files = one.Gauge.GetValue()
		}
	}
	return r
}

// gauge reads a figure that Gauge has added, 0 if nobody has.
func (m *Metrics) gauge(name string) float64 {
	m.mu.Lock()
	value := m.gauges[name]
	m.mu.Unlock()
	if value == nil {
		return 0
	}
	return value()
}

func value(c prometheus.Counter) float64 {
	var d dto.Metric
	if c.Write(&d) != nil {
		return 0
	}
	return d.Counter.GetValue()
}

func histogram(h prometheus.Histogram) *dto.Histogram {
	var d dto.Metric
	if h.Write(&d) != nil {
		return &dto.Histogram{}
	}
	return d.Histogram
}

// runtimeMemory is the memory that the runtime has from the system and has not given back.
func runtimeMemory() float64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

// quantile estimates, from what a histogram counted between two readings, the value that a share
// of the observations does not exceed: within a bucket they are taken to be spread evenly. It is
// nil if there were no observations, and the largest bound if the value is beyond that.
func quantile(before, after *dto.Histogram, share float64) *float64 {
	count := float64(after.GetSampleCount() - before.GetSampleCount())
	if count <= 0 {
		return nil
	}
	want, lower, below := share*count, 0.0, 0.0
	for i, bucket := range after.GetBucket() {
		upTo := float64(bucket.GetCumulativeCount())
		if i < len(before.GetBucket()) {
			upTo -= float64(before.GetBucket()[i].GetCumulativeCount())
		}
		if upTo >= want && upTo > below {
			v := lower + (bucket.GetUpperBound()-lower)*(want-below)/(upTo-below)
			return &v
		}
		lower, below = bucket.GetUpperBound(), upTo
	}
	return &lower
}
