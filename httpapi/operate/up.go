package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// Up answers GET /_up, which load balancers request. A server that is closing never gets here:
// it answers everything with 503.
func (o *Room) Up(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"status":"ok","seeds":{}}`))
}
