package operate

import (
	"encoding/json"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
)

// shownProcess is one of the processes that share the storage.
type shownProcess struct {
	Node    string    `json:"node"`
	Started time.Time `json:"started"` // when it became one of them
	Self    bool      `json:"self"`    // it gives this answer
}

// Membership answers GET /_membership: this node is the whole cluster, or the processes that live, of
// those that share the storage. What processes says of them is our own, and said of several only.
func (o *Room) Membership(w http.ResponseWriter, r *http.Request) error {
	living, err := o.members.List(r.Context())
	if err != nil {
		return err
	}
	names := []string{}
	var processes []shownProcess
	for _, one := range living {
		names = append(names, wire.NodeName(one.Name))
		processes = append(processes, shownProcess{wire.NodeName(one.Name), one.Started, one.Self})
	}
	if o.members == nil {
		names = append(names, wire.NodeName(""))
	}
	names = slices.Compact(names)
	if len(processes) < 2 {
		processes = nil
	}
	b, err := json.Marshal(struct {
		All       []string       `json:"all_nodes"`
		Cluster   []string       `json:"cluster_nodes"`
		Processes []shownProcess `json:"processes,omitempty"`
	}{names, names, processes})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// IsHere refuses paths below /_node/{node} for nodes other than this process.
func (o *Room) IsHere(r *http.Request) error {
	name, err := wire.Segment(r, "node")
	if err != nil {
		return err
	}
	if !o.isSelf(name) {
		return noNode(name)
	}
	return nil
}

func (o *Room) isSelf(node string) bool {
	return node == "_local" || node == wire.NodeName("") || node == o.nodeName()
}

func noNode(name string) error {
	return wire.Errorf(http.StatusNotFound, "not_found", "no such node: %s", name)
}

func (o *Room) nodeName() string { return wire.NodeName(o.members.Name()) }

// NoNode answers /_node without the name of a node.
func (o *Room) NoNode(http.ResponseWriter, *http.Request) error {
	return wire.BadRequest("Incomplete path to _node request")
}

// Node answers GET /_node/{name}.
func (o *Room) Node(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, r, http.StatusOK, append(wire.AppendString([]byte(`{"name":`), o.nodeName()), '}'))
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
