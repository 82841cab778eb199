package synchronize

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store/jsonscan"
)

// Directions.
const (
	both = "both"
	pull = "pull"
	push = "push"
)

// definition says what a synchronization is. It is stored as a document.
type definition struct {
	DB       string         `json:"db"`
	Instance string         `json:"instance"` // identifies the database
	Owner    replicate.User `json:"owner"`    // in whose name it works
	Created  time.Time      `json:"created"`
	settings
}

// settings are what the user says.
type settings struct {
	Remote       json.RawMessage `json:"remote"` // with credentials
	Direction    string          `json:"direction"`
	Continuous   bool            `json:"continuous"`
	Schedule     *schedule       `json:"schedule"`
	Paused       bool            `json:"paused"`
	CreateRemote bool            `json:"create_remote,omitempty"`
	filter
}

// filter says which documents to move. The names are the same as in a replication.
type filter struct {
	DocIDs      json.RawMessage `json:"doc_ids,omitempty"`
	Selector    json.RawMessage `json:"selector,omitempty"`
	Filter      string          `json:"filter,omitempty"`
	QueryParams json.RawMessage `json:"query_params,omitempty"`
}

type schedule struct {
	Every int `json:"every"` // seconds from the end of one run to the beginning of the next
}

// pause is Every, or 68 years if that is longer.
func (s *schedule) pause() time.Duration {
	return time.Duration(min(s.Every, math.MaxInt32)) * time.Second
}

// readOnly are the members that Show adds. Change ignores them.
var readOnly = map[string]bool{
	"ok": true, "id": true, "rev": true, "db": true, "owner": true, "created": true, "state": true, "runs": true, "started": true, "finished": true,
	"next_try": true, "last_error": true, "documents_moved": true, "pull": true, "push": true, "conflicts": true,
}

func badRequest(format string, args ...any) error {
	return &replicate.BadRequest{Reason: fmt.Sprintf(format, args...)}
}

// readSettings reads what a user says and applies it to the old settings.
func readSettings(request []byte, s settings) (settings, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(request, &members); err != nil || members == nil {
		return s, badRequest("Request body must be a JSON object")
	}
	for name := range members {
		if readOnly[name] {
			delete(members, name)
		}
	}
	// Decoding overwrites in place, and the old settings are still in use.
	for _, raw := range []*json.RawMessage{&s.Remote, &s.DocIDs, &s.Selector, &s.QueryParams} {
		*raw = bytes.Clone(*raw)
	}
	if s.Schedule != nil {
		same := *s.Schedule
		s.Schedule = &same
	}
	read := json.NewDecoder(bytes.NewReader(replicate.Marshal(members)))
	read.DisallowUnknownFields()
	if err := read.Decode(&s); err != nil {
		return s, badRequest("Invalid synchronization: %s", err)
	}
	if s.Direction == "" {
		s.Direction = both
	}
	switch {
	case len(s.Remote) == 0:
		return s, badRequest("`remote` must be the URL or the name of a database, or an object with `url`")
	case s.Direction != both && s.Direction != pull && s.Direction != push:
		return s, badRequest("`direction` must be `both`, `pull` or `push`")
	case s.Schedule != nil && s.Schedule.Every < 1:
		return s, badRequest("`schedule` must be an object with `every`, a number of seconds")
	case s.Schedule != nil && s.Continuous:
		return s, badRequest("`continuous` and `schedule` exclude each other")
	}
	return s, nil
}

// directions returns the replications of a definition, in the order in which they run.
func (d *definition) directions() []string {
	if d.Direction == both {
		return []string{pull, push}
	}
	return []string{d.Direction}
}

// finishes tells whether the synchronization ends by itself.
func (d *definition) finishes() bool { return !d.Continuous && d.Schedule == nil }

// spec returns the replication in one direction.
func (d *definition) spec(direction string) (replicate.Spec, error) {
	name := jsonscan.AppendString(nil, d.DB)
	request := struct {
		Source       json.RawMessage `json:"source"`
		Target       json.RawMessage `json:"target"`
		Continuous   bool            `json:"continuous"`
		CreateTarget bool            `json:"create_target"`
		filter
	}{d.Remote, name, d.Continuous, false, d.filter}
	if direction == push {
		request.Source, request.Target, request.CreateTarget = name, d.Remote, d.CreateRemote
	}
	return replicate.ParseSpec(replicate.Marshal(request))
}

// remote returns the other side.
func (d *definition) remote() (replicate.Endpoint, error) {
	spec, err := d.spec(push)
	return spec.Target, err
}
