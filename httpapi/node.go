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
	return writeJSON(w, r, http.StatusOK, []byte(`{"all_nodes":["`+nodeName+`"],"cluster_nodes":["`+nodeName+`"]}`))
}

// isHere refuses paths below /_node/{node} of nodes that there are not.
func isHere(r *http.Request) error {
	name, err := segment(r, "node")
	if err != nil {
		return err
	}
	if name != "_local" && name != nodeName {
		return errorf(http.StatusNotFound, "not_found", "no such node: %s", name)
	}
	return nil
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
