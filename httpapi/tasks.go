package httpapi

import "net/http"

// activeTasks answers GET /_active_tasks: the replications that are going on.
func (s *Server) activeTasks(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	b := []byte{'['}
	if s.opt.Replicator != nil {
		for i, task := range s.opt.Replicator.Tasks() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, task...)
		}
	}
	return writeJSON(w, r, http.StatusOK, append(b, ']'))
}
