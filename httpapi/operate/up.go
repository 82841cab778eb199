package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// upStates are the states of a server that load balancers should send nothing to, by the values
// of maintenance_mode.
var upStates = map[string]string{"true": "maintenance_mode", "nolb": "nolb"}

// Up answers GET /_up, which load balancers request. A server that is closing never gets here:
// it answers everything with 503.
func (o *Room) Up(w http.ResponseWriter, r *http.Request) error {
	if state := o.settings().upState; state != "" {
		return wire.WriteJSON(w, r, http.StatusNotFound, []byte(`{"status":"`+state+`"}`))
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"status":"ok","seeds":{}}`))
}
