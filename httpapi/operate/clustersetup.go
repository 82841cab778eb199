package operate

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// systemDBs are the databases that set-up makes, unless the request names others.
var systemDBs = []string{"_users", "_replicator"}

// ClusterState answers GET /_cluster_setup. A server is a single node, and it is set up once its
// system databases exist.
func (o *Room) ClusterState(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	var names []string
	if text, ok := query.Get("ensure_dbs_exist"); ok {
		if err := json.Unmarshal([]byte(text), &names); err != nil {
			return wire.BadRequest("ensure_dbs_exist must be a JSON list of names")
		}
	} else {
		names = systemDBs
	}
	state := "single_node_enabled"
	for _, name := range names {
		there, err := o.store.Exists(r.Context(), name)
		if err != nil {
			return err
		}
		if !there {
			state = "single_node_disabled"
		}
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"state":"`+state+`"}`))
}

// clusterRequest is the body of POST /_cluster_setup. A port comes as a number or as text.
type clusterRequest struct {
	Action    string          `json:"action"`
	Username  string          `json:"username"`
	Password  string          `json:"password"`
	Bind      string          `json:"bind_address"`
	Port      json.RawMessage `json:"port"`
	Databases []string        `json:"ensure_dbs_exist"`
}

// ClusterSetup answers POST /_cluster_setup.
func (o *Room) ClusterSetup(w http.ResponseWriter, r *http.Request) error {
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	var request clusterRequest
	if err := json.Unmarshal(body, &request); err != nil {
		if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); wrong {
			return wire.BadRequest("the members of the request have the wrong types")
		}
		return wire.ErrNotJSON
	}
	if request.Databases == nil {
		request.Databases = systemDBs
	}
	switch request.Action {
	case "enable_single_node":
		err = o.enableSingleNode(r, request)
	case "finish_cluster":
		err = o.finishCluster(r, request)
	case "enable_cluster", "add_node", "remove_node", "receive_cookie":
		return wire.Errorf(http.StatusNotImplemented, "not_implemented", "This server is a single node and cannot join a cluster.")
	default:
		return wire.BadRequest("Invalid Action'") // as CouchDB spells it
	}
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusCreated, []byte(`{"ok":true}`))
}

// enableSingleNode takes in what the request says of the node and makes the system
// databases. Repeating it does no harm.
func (o *Room) enableSingleNode(r *http.Request, request clusterRequest) error {
	if (request.Username == "") != (request.Password == "") {
		return wire.BadRequest("Set up needs both username and password, or neither")
	}
	if request.Username != "" {
		if err := auth.CheckName(request.Username); err != nil {
			return wire.BadRequest("%s", err)
		}
	}
	port, err := portOf(request.Port)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		name  config.Name
		value string
	}{
		{config.Name{Section: "chttpd", Name: "bind_address"}, request.Bind},
		{config.Name{Section: "chttpd", Name: "port"}, port},
	} {
		if one.value == "" || o.config.String(one.name.Section, one.name.Name) == one.value {
			continue
		}
		if _, err := o.putSetting(one.name, one.value, true); err != nil {
			return err
		}
	}
	if request.Username != "" && !o.access.Auth().IsAdmin(r, request.Username, request.Password) {
		if _, err := o.putSetting(config.Name{Section: "admins", Name: request.Username}, request.Password, true); err != nil {
			return err
		}
	}
	_, err = o.ensureDBs(r, request.Databases)
	return err
}

func portOf(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil {
		return "", wire.BadRequest("port must be a number")
	}
	return strconv.Itoa(n), nil
}

// finishCluster makes the system databases. As in CouchDB, it fails if all of them exist.
func (o *Room) finishCluster(r *http.Request, request clusterRequest) error {
	made, err := o.ensureDBs(r, request.Databases)
	if err == nil && made == 0 {
		return wire.BadRequest("Cluster is already finished")
	}
	return err
}

// ensureDBs makes the databases that do not exist.
func (o *Room) ensureDBs(r *http.Request, names []string) (made int, err error) {
	for _, name := range names {
		err := o.access.CreateDatabase(r.Context(), name, store.Properties{})
		if errors.Is(err, store.ErrDBExists) {
			continue
		}
		if errors.Is(err, store.ErrBadDBName) {
			return made, wire.BadDBName(name)
		}
		if err != nil {
			return made, err
		}
		made++
	}
	return made, nil
}
