package operate

import (
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/tododb/tododb/httpapi/wire"
)

// nodeName is what a single CouchDB calls itself; clients put it into /_node/{name}.
const nodeName = "nonode@nohost"

// Membership answers GET /_membership: this node is the whole cluster.
func (o *Room) Membership(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"all_nodes":["`+nodeName+`"],"cluster_nodes":["`+nodeName+`"]}`))
}

// IsHere refuses paths below /_node/{node} for nodes that do not exist.
func IsHere(r *http.Request) error {
	name, err := wire.Segment(r, "node")
	if err != nil {
		return err
	}
	if name != "_local" && name != nodeName {
		return wire.Errorf(http.StatusNotFound, "not_found", "no such node: %s", name)
	}
	return nil
}

// NoNode answers /_node without the name of a node.
func (o *Room) NoNode(http.ResponseWriter, *http.Request) error {
	return wire.BadRequest("Incomplete path to _node request")
}

// Node answers GET /_node/{name}.
func (o *Room) Node(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"name":"`+nodeName+`"}`))
}

// Versions answers GET /_node/{name}/_versions: what this server is made of.
func (o *Room) Versions(w http.ResponseWriter, r *http.Request) error {
	b := wire.AppendString([]byte(`{"tododb":{"version":`), o.version)
	b = wire.AppendString(append(b, `},"go":{"version":`...), runtime.Version())
	b = append(b, '}')
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			part := map[string]string{
				"github.com/dop251/goja": "javascript_engine", "golang.org/x/text": "collation_driver", "go.etcd.io/bbolt": "storage_engine",
			}[dep.Path]
			if part == "" {
				continue
			}
			b = wire.AppendString(append(b, ','), part)
			b = wire.AppendString(append(b, `:{"name":`...), dep.Path)
			b = append(wire.AppendString(append(b, `,"version":`...), dep.Version), '}')
		}
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(b, '}'))
}
