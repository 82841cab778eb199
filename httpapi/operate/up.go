package operate

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// upStates are the states, by the value of maintenance_mode, in which load balancers should send
// a server nothing.
var upStates = map[string]string{"true": "maintenance_mode", "nolb": "nolb"}

// upWithin is how long the storage may take to answer.
const upWithin = 2 * time.Second

// Up answers GET /_up, which load balancers request: 503 if the storage cannot be reached. A server that is closing never gets here:
// it answers everything with 503.
func (o *Room) Up(w http.ResponseWriter, r *http.Request) error {
	if state := o.settings().upState; state != "" {
		return wire.WriteJSON(w, r, http.StatusNotFound, []byte(`{"status":"`+state+`"}`))
	}
	if o.members != nil { // the storage is not this process's own
		ctx, cancel := context.WithTimeout(r.Context(), upWithin)
		defer cancel()
		if _, err := o.members.List(ctx); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"status":"ok","seeds":{}}`))
}
