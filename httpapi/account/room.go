package account

import (
	"time"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/uuids"
)

// Room answers requests about accounts.
type Room struct {
	access   *access.Access
	ids      *uuids.Source
	now      func() time.Time
	settings func() *settings
}

// New makes a Room.
func New(a *access.Access, c *config.Config, ids *uuids.Source, now func() time.Time) *Room {
	return &Room{access: a, ids: ids, now: now, settings: config.Follow(c, readSettings)}
}

// settings are the settings for device tokens.
type settings struct{ lifetime, maxLifetime time.Duration }

func readSettings(c *config.Config, _ *settings) *settings {
	return &settings{c.Duration("device_tokens", "lifetime"), c.Duration("device_tokens", "max_lifetime")}
}
