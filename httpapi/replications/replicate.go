package replications

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
)

// Replicator runs replications; *replicate.Manager is one.
type Replicator interface {
	Scheduler
	// Replicate does what the JSON object of a POST to /_replicate asks for. It returns the
	// JSON of the answer when a one-time replication is done or a cancelled one has
	// stopped. For a continuous one it returns at once, with started set. Databases of this
	// server are opened for the user (OpenFor). A one-time replication ends when ctx ends.
	Replicate(ctx context.Context, request []byte, user replicate.User) (answer []byte, started bool, err error)
	// Check asks both ends of what such an object describes what the replication will need of
	// them, and changes nothing.
	Check(ctx context.Context, request []byte, user replicate.User) (replicate.Checked, error)
	// Tasks returns the running replications as _active_tasks shows them.
	Tasks() [][]byte
}

// Replicate answers POST /_replicate. As in CouchDB, any user may replicate with the
// credentials that they have for the two sides. Other methods need a body too, and the ones
// that cannot have a body get the error that it is missing.
func (a *Room) Replicate(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions:
		return wire.BadRequest("Missing request body")
	}
	if r.Method == http.MethodPost {
		if err := wire.RequireJSON(r); err != nil {
			return err
		}
	}
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	if _, err := wire.ParseObject(body); err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return wire.NotAllowed(w, "POST")
	}
	if a.replicator == nil {
		return wire.ErrNotBuilt
	}
	noteReplication(r, body)
	by, err := a.access.ReplicationUser(r.Context(), wire.UserOf(r))
	if err != nil {
		return err
	}
	answer, started, err := a.replicator.Replicate(r.Context(), body, by)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if started {
		status = http.StatusAccepted
	}
	return wire.WriteJSON(w, r, status, answer)
}

// Check answers POST /_replicate/_check. Whoever may replicate may ask: a check goes where the
// replication would, with the same credentials and under the same rules.
func (a *Room) Check(w http.ResponseWriter, r *http.Request) error {
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	if _, err := wire.ParseObject(body); err != nil {
		return err
	}
	if a.replicator == nil {
		return wire.ErrNotBuilt
	}
	noteReplication(r, body)
	by, err := a.access.ReplicationUser(r.Context(), wire.UserOf(r))
	if err != nil {
		return err
	}
	found, err := a.replicator.Check(r.Context(), body, by)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, replicate.Marshal(found))
}

// noteReplication notes from where to where, without credentials.
func noteReplication(r *http.Request, request []byte) {
	if !wire.Audited(r) {
		return
	}
	spec, err := replicate.ParseSpec(request)
	if err != nil {
		return
	}
	x := wire.ExchangeOf(r)
	x.Note(slog.String("source", bare(spec.Source.Name())), slog.String("target", bare(spec.Target.Name())),
		slog.Bool("continuous", spec.Continuous), slog.Bool("cancel", spec.Cancel))
}

// bare is a URL without credentials and without a query.
func bare(name string) string {
	u, err := url.Parse(name)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
