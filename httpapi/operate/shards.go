package operate

import (
	"encoding/json"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// A database is one shard on one node here, whatever q and n said when it was created.
const wholeRange = "00000000-ffffffff"

// nodesJSON says that it is on this node; with others that share the storage it is as much on them.
func (o *Room) nodesJSON() string { return `["` + o.nodeName() + `"]` }

// Shards says where a database is.
func (o *Room) Shards(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"shards":{"`+wholeRange+`":`+o.nodesJSON()+`}}`))
}

// ShardOf says where a document is. Every id has its place, whether or not a document is there.
func (o *Room) ShardOf(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	id, err := wire.Segment(r, "doc")
	if err != nil {
		return err
	}
	if err := db.CheckID(id); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"range":"`+wholeRange+`","nodes":`+o.nodesJSON()+`}`))
}

// SyncShards has nothing to do: there is one copy of each shard.
func (o *Room) SyncShards(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusAccepted, []byte(`{"ok":true}`))
}

// whyUnsplit is the reason why resharding does not run.
const whyUnsplit = "A database has one shard here, which cannot be split."

var (
	errUnsplit  = wire.Errorf(http.StatusNotImplemented, "not_implemented", "%s", whyUnsplit)
	errNoState  = wire.BadRequest("Expected a `state` field")
	errBadState = wire.BadRequest("State field not `running` or `stopped`")
	errJobType  = wire.BadRequest("The `type` of a job must be `split`")
	errNoJob    = wire.Errorf(http.StatusNotFound, "not_found", "missing")
)

// Resharding answers GET /_reshard: no jobs, and none can be started.
func (o *Room) Resharding(w http.ResponseWriter, r *http.Request) error {
	b := wire.AppendString([]byte(`{"state":"stopped","state_reason":`), whyUnsplit)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, `,"completed":0,"failed":0,"running":0,"stopped":0,"total":0}`...))
}

// ReshardingState answers GET /_reshard/state.
func (o *Room) ReshardingState(w http.ResponseWriter, r *http.Request) error {
	b := wire.AppendString([]byte(`{"state":"stopped","reason":`), whyUnsplit)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, '}'))
}

// SetReshardingState answers PUT /_reshard/state. It is stopped, and stays so.
func (o *Room) SetReshardingState(w http.ResponseWriter, r *http.Request) error {
	running, err := readJobState(w, r)
	if err != nil {
		return err
	}
	if running {
		return errUnsplit
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}

// ReshardJobs answers GET /_reshard/jobs.
func (o *Room) ReshardJobs(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"total_rows":0,"offset":0,"jobs":[]}`))
}

// StartReshardJob refuses POST /_reshard/jobs.
func (o *Room) StartReshardJob(w http.ResponseWriter, r *http.Request) error {
	members, err := readMembers(w, r)
	if err != nil {
		return err
	}
	if kind := members["type"]; string(kind) != `"split"` {
		return errJobType
	}
	return errUnsplit
}

// ReshardJob answers GET and DELETE /_reshard/jobs/{job} and GET of its state: there is none.
func (o *Room) ReshardJob(http.ResponseWriter, *http.Request) error { return errNoJob }

// SetReshardJobState answers PUT /_reshard/jobs/{job}/state.
func (o *Room) SetReshardJobState(w http.ResponseWriter, r *http.Request) error {
	if _, err := readJobState(w, r); err != nil {
		return err
	}
	return errNoJob
}

// readJobState reads the body of a request that sets a state: whether to run.
func readJobState(w http.ResponseWriter, r *http.Request) (running bool, err error) {
	members, err := readMembers(w, r)
	if err != nil {
		return false, err
	}
	switch state, given := members["state"]; {
	case !given:
		return false, errNoState
	case string(state) == `"running"`:
		return true, nil
	case string(state) == `"stopped"`:
		return false, nil
	}
	return false, errBadState
}

func readMembers(w http.ResponseWriter, r *http.Request) (map[string]json.RawMessage, error) {
	if err := wire.RequireJSON(r); err != nil {
		return nil, err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	return wire.ParseObject(body)
}
