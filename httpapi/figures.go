package httpapi

// ownMetrics adds to the figures those that the server itself knows.
func (s *Server) ownMetrics() {
	m := s.metrics
	m.Gauge("couchdb_httpd_clients_requesting_changes", "number of clients for continuous _changes", func() float64 { return float64(s.shared.Feeds()) })
	m.Gauge("couchdb_open_databases_total", "number of open databases", func() float64 { return float64(s.store.OpenDatabases()) })
}
