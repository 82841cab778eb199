package account

import (
	"time"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/config"
)

// Room answers requests about accounts.
type Room struct {
	access   *access.Access
	now      func() time.Time
	settings func() *settings
}

// New makes a Room.
func New(a *access.Access, c *config.Config, now func() time.Time) *Room {
	return &Room{access: a, now: now, settings: config.Follow(c, readSettings)}
}

// settings are the settings for sessions and device tokens.
type settings struct {
	lifetime, maxLifetime time.Duration // of device tokens
	usersDB               string        // that _session names; "": nobody has set one
}

func readSettings(c *config.Config, _ *settings) *settings {
	set := &settings{lifetime: c.Duration("device_tokens", "lifetime"), maxLifetime: c.Duration("device_tokens", "max_lifetime")}
	if c.IsSet("chttpd_auth", "authentication_db") {
		set.usersDB = c.String("chttpd_auth", "authentication_db")
	}
	return set
}
