package metrics

import (
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// Metrics are the figures of one server. They are safe for use by several goroutines.
type Metrics struct {
	registry *prometheus.Registry
	began    time.Time

	requests, bulk, aborted prometheus.Counter
	methods, codes          *prometheus.CounterVec
	latency                 prometheus.Histogram

	commits, written  prometheus.Counter
	group, commitTook prometheus.Histogram
	methodOf          map[string]prometheus.Counter
	codeOf            [600]prometheus.Counter // by status; nil for a number that is not one

	clientErrors, serverErrors atomic.Int64 // answers with 4xx and 5xx

	mu     sync.Mutex // guards what follows
	gauges map[string]func() float64
}

// methods that are counted by name; any other is counted as "other".
var methods = []string{"COPY", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"}

// codes that exist from the start, as in CouchDB. Others are added when they first occur.
var codes = []int{200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415, 416, 417, 429, 500, 501, 503}

// New makes Metrics, all at zero.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), began: time.Now(), methodOf: map[string]prometheus.Counter{}, gauges: map[string]func() float64{}}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		m.registry.MustRegister(h)
		return h
	}
	m.requests = counter("couchdb_httpd_requests_total", "number of HTTP requests")
	m.bulk = counter("couchdb_httpd_bulk_requests_total", "number of bulk requests")
	m.aborted = counter("couchdb_httpd_aborted_requests_total", "number of aborted requests")
	m.methods = vector("couchdb_httpd_request_methods", "number of HTTP requests by method", "method")
	m.codes = vector("couchdb_httpd_status_codes", "number of HTTP responses by status code", "code")
	m.latency = histogram("couchdb_request_time_seconds", "length of a request inside the server, feeds that wait excepted",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30})
	m.commits = counter("tododb_commits_total", "number of transactions that were written to disk")
	m.written = counter("couchdb_document_writes_total", "number of document write operations")
	m.group = histogram("tododb_commit_documents", "documents that one transaction wrote", prometheus.ExponentialBuckets(1, 4, 6))
	m.commitTook = histogram("tododb_commit_seconds", "length of a transaction, its way to disk included",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5})
	for _, method := range append(slices.Clone(methods), "other") {
		m.methodOf[method] = m.methods.WithLabelValues(method)
	}
	for _, code := range codes {
		m.codeOf[code] = m.codes.WithLabelValues(strconv.Itoa(code))
	}
	m.Gauge("couchdb_uptime_seconds", "how long the server has been running", func() float64 { return time.Since(m.began).Seconds() })
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if info, ok := debug.ReadBuildInfo(); ok {
		m.Gauge("tododb_build_info", "always 1; "+info.GoVersion, func() float64 { return 1 })
	}
	return m
}

// Gauge adds a figure that is read when somebody looks. Each name may be used once.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[name] = value
}

// Counter adds a figure that only grows and is kept elsewhere. Each name may be used once.
func (m *Metrics) Counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Request counts a finished request. If it was cut off, its status is not counted. took is
// negative for feeds, whose duration says nothing about the server.
func (m *Metrics) Request(method string, status int, took time.Duration, cut bool) {
	m.requests.Inc()
	c := m.methodOf[method]
	if c == nil {
		c = m.methodOf["other"]
	}
	c.Inc()
	switch {
	case cut:
	case status >= 500:
		m.serverErrors.Add(1)
	case status >= 400:
		m.clientErrors.Add(1)
	}
	switch {
	case cut:
		m.aborted.Inc()
	case status < 100 || status >= len(m.codeOf):
	case m.codeOf[status] != nil:
		m.codeOf[status].Inc()
	default:
		m.codes.WithLabelValues(strconv.Itoa(status)).Inc()
	}
	if took >= 0 {
		m.latency.Observe(took.Seconds())
	}
}

// Bulk counts a bulk request.
func (m *Metrics) Bulk() { m.bulk.Inc() }

// Commit counts a transaction that is on disk.
func (m *Metrics) Commit(documents int, took time.Duration) {
	m.commits.Inc()
	m.written.Add(float64(documents))
	m.group.Observe(float64(documents))
	m.commitTook.Observe(took.Seconds())
}

// Uptime returns how long the server has been running.
func (m *Metrics) Uptime() time.Duration { return time.Since(m.began) }

// TextType is the Content-Type of what WriteText writes.
const TextType = "text/plain; version=0.0.4; charset=utf-8"

// WriteText writes all figures in Prometheus' text form.
func (m *Metrics) WriteText(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return err
		}
	}
	return nil
}
