package metrics

import (
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// stat is one figure of CouchDB's _stats and where it comes from.
type stat struct {
	path   []string // below the root; the label's value follows it
	family string
	desc   string
}

// stats are the figures of _stats that this server has.
var stats = []stat{
	{[]string{"couchdb", "httpd", "requests"}, "couchdb_httpd_requests_total", "number of HTTP requests"},
	{[]string{"couchdb", "httpd", "bulk_requests"}, "couchdb_httpd_bulk_requests_total", "number of bulk requests"},
	{[]string{"couchdb", "httpd", "aborted_requests"}, "couchdb_httpd_aborted_requests_total", "number of aborted requests"},
	{[]string{"couchdb", "httpd", "clients_requesting_changes"}, "couchdb_httpd_clients_requesting_changes", "number of clients for continuous _changes"},
	{[]string{"couchdb", "httpd_request_methods"}, "couchdb_httpd_request_methods", "number of HTTP requests by method"},
	{[]string{"couchdb", "httpd_status_codes"}, "couchdb_httpd_status_codes", "number of HTTP responses by status code"},
	{[]string{"couchdb", "request_time"}, "couchdb_request_time_seconds", "length of a request inside CouchDB without MochiWeb"},
	{[]string{"couchdb", "open_databases"}, "couchdb_open_databases_total", "number of open databases"},
	{[]string{"couchdb", "document_writes"}, "couchdb_document_writes_total", "number of document write operations"},
	{[]string{"couchdb", "password_hashing_slow"}, "couchdb_password_hashing_slow_total", "number of slow password hashes performed"},
	{[]string{"couchdb", "password_hashing_fast"}, "couchdb_password_hashing_fast_total", "number of fast password hashes performed"},
	{[]string{"couchdb", "open_os_files"}, "process_open_fds", "number of file descriptors CouchDB has open"},
	{[]string{"couch_replicator", "jobs", "total"}, "couchdb_couch_replicator_jobs_total", "total number of replicator scheduler jobs"},
	{[]string{"couch_replicator", "jobs", "running"}, "couchdb_couch_replicator_jobs_running", "replicator scheduler running jobs"},
	{[]string{"couch_replicator", "jobs", "pending"}, "couchdb_couch_replicator_jobs_pending", "replicator scheduler pending jobs"},
	{[]string{"couch_replicator", "jobs", "crashed"}, "couchdb_couch_replicator_jobs_crashed", "replicator scheduler crashed jobs"},
	{[]string{"tododb", "commits"}, "tododb_commits_total", "number of transactions that were written to disk"},
	{[]string{"tododb", "storage_bytes"}, "tododb_storage_bytes", "bytes that the databases have on disk"},
	{[]string{"tododb", "storage", "round_trips"}, "tododb_storage_round_trips_total", "requests to PostgreSQL"},
	{[]string{"tododb", "storage", "round_trip_seconds"}, "tododb_storage_round_trip_seconds_total", "how long they took together"},
	{[]string{"tododb", "storage", "locks"}, "tododb_storage_locks_total", "locks of a database that writers got"},
	{[]string{"tododb", "storage", "lock_seconds"}, "tododb_storage_lock_seconds_total", "how long they took together"},
	{[]string{"tododb", "storage", "retries"}, "tododb_storage_retries_total", "transactions tried again because of a passing failure"},
	{[]string{"tododb", "storage", "unknown_commits"}, "tododb_storage_unknown_commits_total", "commits whose outcome had to be looked up"},
	{[]string{"tododb", "storage", "connections"}, "tododb_storage_connections", "connections to PostgreSQL"},
	{[]string{"tododb", "storage", "connections_busy"}, "tododb_storage_connections_busy", "connections to PostgreSQL in use"},
	{[]string{"tododb", "storage", "connections_limit"}, "tododb_storage_connections_limit", "connections to PostgreSQL at the most"},
	{[]string{"tododb", "storage", "connection_waits"}, "tododb_storage_connection_waits_total", "how often a connection had to be waited for"},
	{[]string{"tododb", "storage", "connection_wait_seconds"}, "tododb_storage_connection_wait_seconds_total", "how long these waits took together"},
	{[]string{"tododb", "storage", "listens"}, "tododb_storage_listens", "whether notifications of other processes are heard"},
	{[]string{"tododb", "storage", "listener_lag_seconds"}, "tododb_storage_listener_lag_seconds", "how long the last notification took to come back"},
}

// Stats returns the figures in the form of CouchDB's _stats: a tree of objects whose leaves
// have value, type and desc. A histogram's value has the number, the mean in milliseconds and
// the counts by bound.
func (m *Metrics) Stats() (map[string]any, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	tree := map[string]any{}
	for _, s := range stats {
		i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == s.family })
		if i < 0 {
			continue
		}
		for _, metric := range families[i].GetMetric() {
			path := s.path
			if labels := metric.GetLabel(); len(labels) == 1 {
				path = append(slices.Clone(path), labels[0].GetValue())
			}
			put(tree, path, leaf(s, metric))
		}
	}
	return tree, nil
}

func leaf(s stat, metric *dto.Metric) map[string]any {
	switch {
	case metric.Histogram != nil:
		h := metric.Histogram
		value := map[string]any{"n": h.GetSampleCount(), "arithmetic_mean": 0.0}
		if n := h.GetSampleCount(); n > 0 {
			value["arithmetic_mean"] = h.GetSampleSum() / float64(n) * 1000
		}
		var bounds [][2]any
		before := uint64(0)
		for _, b := range h.GetBucket() {
			bounds = append(bounds, [2]any{b.GetUpperBound() * 1000, b.GetCumulativeCount() - before})
			before = b.GetCumulativeCount()
		}
		value["histogram"] = bounds
		return map[string]any{"value": value, "type": "histogram", "desc": s.desc}
	case metric.Gauge != nil:
		return map[string]any{"value": metric.Gauge.GetValue(), "type": "gauge", "desc": s.desc}
	}
	return map[string]any{"value": metric.Counter.GetValue(), "type": "counter", "desc": s.desc}
}

// put puts a leaf into the tree.
func put(tree map[string]any, path []string, leaf map[string]any) {
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = leaf
}
