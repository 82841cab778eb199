package httpapi

import "net/http"

// Figures answers one path, with the figures in Prometheus' form. It answers everybody, so only
// people who may see the figures should be able to reach its port.
func (s *Server) Figures() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_node/_local/_prometheus" || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		if err := s.operate.Prometheus(w, r); err != nil {
			s.log.ErrorContext(r.Context(), "figures", "error", err)
		}
	})
}

// ownMetrics adds the figures that the server itself knows.
func (s *Server) ownMetrics() {
	m := s.metrics
	m.Gauge("couchdb_httpd_clients_requesting_changes", "number of clients for continuous _changes", func() float64 { return float64(s.shared.Feeds()) })
	m.Gauge("couchdb_open_databases_total", "number of open databases", func() float64 { return float64(s.store.OpenDatabases()) })
	passwords := s.access.Auth().Figures
	m.Counter("couchdb_password_hashing_slow_total", "number of slow password hashes performed", func() float64 { return float64(passwords().Slow) })
	m.Counter("couchdb_password_hashing_fast_total", "number of fast password hashes performed", func() float64 { return float64(passwords().Fast) })
}
