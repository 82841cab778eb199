package httpapi

import (
	"net/http"
	"runtime"
	"runtime/debug"
)

// nodeName is what a single CouchDB calls itself; clients put it into /_node/{name}.
const nodeName = "nonode@nohost"

// membership answers GET /_membership: one node, which is all of the cluster.
func (s *Server) membership(w http.ResponseWriter, r *http.Request) error {
	if err := s.requireAdmin(r); err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, []byte(`{"all_nodes":["`+nodeName+`"],"cluster_nodes":["`+nodeName+`"]}`))
}

// onNode builds the methods of a path below /_node/{name}. As in CouchDB it is settled
// first whether the asker may, then whether there is such a node, then the method.
func (s *Server) onNode(may func(*http.Request) error, m methods) methods {
	return always(func(w http.ResponseWriter, r *http.Request) error {
		if err := may(r); err != nil {
			return err
		}
		name, err := segment(r, "node")
		if err != nil {
			return err
		}
		if name != "_local" && name != nodeName {
			return errorf(http.StatusNotFound, "not_found", "no such node: %s", name)
		}
		s.handle(m).ServeHTTP(w, r)
		return nil
	})
}

var errNotMetrics = errorf(http.StatusUnauthorized, "unauthorized", "You are not a server admin or read-only metrics user.")

// requireMetrics lets administrators through, and users with the role _metrics, who may
// look at figures and at nothing else.
func (s *Server) requireMetrics(r *http.Request) error {
	if user := s.user(r); user.Admin || user.Has("_metrics") {
		return nil
	}
	return errNotMetrics
}

// node answers GET /_node/{name}.
func (s *Server) node(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, r, http.StatusOK, []byte(`{"name":"`+nodeName+`"}`))
}

// versions answers GET /_node/{name}/_versions: what this server is made of.
func (s *Server) versions(w http.ResponseWriter, r *http.Request) error {
	b := appendString([]byte(`{"tododb":{"version":`), s.opt.Version)
	b = appendString(append(b, `},"go":{"version":`...), runtime.Version())
	b = append(b, '}')
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			part := map[string]string{
				"github.com/dop251/goja": "javascript_engine", "golang.org/x/text": "collation_driver", "go.etcd.io/bbolt": "storage_engine",
			}[dep.Path]
			if part == "" {
				continue
			}
			b = appendString(append(b, ','), part)
			b = appendString(append(b, `:{"name":`...), dep.Path)
			b = append(appendString(append(b, `,"version":`...), dep.Version), '}')
		}
	}
	return writeJSON(w, r, http.StatusOK, append(b, '}'))
}

// unbuiltOnNode answers what CouchDB has below a node and this server has not.
func (s *Server) unbuiltOnNode(http.ResponseWriter, *http.Request) error { return errNotBuilt }
