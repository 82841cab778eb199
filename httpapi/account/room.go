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
	config   *config.Config

	// The administrator whose password was printed, and what the settings have of it while it is the
	// same one.
	firstAdmin, firstHash string
}

// Options are what a Room needs.
type Options struct {
	Access     *access.Access
	Config     *config.Config
	FirstAdmin string // whose password was printed at this start; "": nobody's
	Now        func() time.Time
}

// New makes a Room.
func New(opt Options) *Room {
	a := &Room{access: opt.Access, now: opt.Now, settings: config.Follow(opt.Config, readSettings), config: opt.Config, firstAdmin: opt.FirstAdmin}
	if a.firstAdmin != "" {
		a.firstHash = opt.Config.Section("admins")[a.firstAdmin]
	}
	return a
}

// passwordPrinted tells whether an administrator still has the password that was printed.
func (a *Room) passwordPrinted() bool {
	return a.firstHash != "" && a.config.Section("admins")[a.firstAdmin] == a.firstHash
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
