package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// ReloadQueryServers answers POST /_reload_query_servers: functions that are called from now on run in
// new processes. Deployments ask for it after they have changed what functions see of the machine.
func (o *Room) ReloadQueryServers(w http.ResponseWriter, r *http.Request) error {
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	o.renew()
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}
