package httpapi

import (
	"github.com/tododb/tododb/httpapi/config"
)

// inForce has the settings that requests need, prepared once for each change. A request loads
// it when it needs it, so a change counts from the next request on.
type inForce struct {
	cors              *cors
	byUser, byAddress *rates // nil: as often as they like
}

// readInForce reads the settings. It keeps what is still right of old.
func readInForce(c *config.Config, old *inForce) *inForce {
	if old == nil {
		old = &inForce{}
	}
	set := &inForce{
		byUser:    newRates(old.byUser, c.Float("limits", "user_requests"), c.Int("limits", "user_burst")),
		byAddress: newRates(old.byAddress, c.Float("limits", "address_requests"), c.Int("limits", "address_burst")),
	}
	if c.CORS() {
		set.cors = newCORS(c)
	}
	return set
}
