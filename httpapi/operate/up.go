package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// upStates are the states, by the value of maintenance_mode, in which load balancers should send
// a server nothing.
var upStates = map[string]string{"true": "maintenance_mode", "nolb": "nolb"}

// Up answers GET /_up, which load balancers request. A server that is closing never gets here:
// it answers everything with 503.
func (o *Room) Up(w http.ResponseWriter, r *http.Request) error {
	if state := o.settings().upState; state != "" {
		return wire.WriteJSON(w, r, http.StatusNotFound, []byte(`{"status":"`+state+`"}`))
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"status":"ok","seeds":{}}`))
}
