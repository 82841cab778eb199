package httpapi

import "net/http"

// nodeName is what a single CouchDB calls itself; clients put it into /_node/{name}.
const nodeName = "nonode@nohost"

// membership answers GET /_membership: one node, which is all of the cluster.
func (s *Server) membership(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, []byte(`{"all_nodes":["`+nodeName+`"],"cluster_nodes":["`+nodeName+`"]}`))
}

// node answers /_node/{name} and what is below it.
func (s *Server) node(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	name, err := segment(r, "node")
	if err != nil {
		return err
	}
	if name != "_local" && name != nodeName {
		return errorf(http.StatusNotFound, "not_found", "no such node: %s", name)
	}
	if rest, err := segment(r, "rest"); err != nil || rest != "" {
		return errNotBuilt
	}
	return writeJSON(w, r, http.StatusOK, []byte(`{"name":"`+nodeName+`"}`))
}
