package config

import (
	"net/netip"
	"slices"
)

// ownAuthority in [ssl] https stands for an authority of the machine's own.
const ownAuthority = "self"

var (
	isHostName   = matches(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*$`)
	isPublicName = matches(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// OwnAuthority returns the names that [ssl] https wants in a certificate of the machine's own authority,
// besides those of the machine; false if it wants no such certificate.
func (c *Config) OwnAuthority() (more []string, is bool) {
	list := c.List("ssl", "https")
	if len(list) == 0 || list[0] != ownAuthority {
		return nil, false
	}
	return list[1:], true
}

// ACMEHosts returns the names that [ssl] https wants certificates of a public authority for; false if none.
func (c *Config) ACMEHosts() (hosts []string, is bool) {
	list := c.List("ssl", "https")
	return list, len(list) > 0 && list[0] != ownAuthority
}

// HasHTTPS tells whether the server listens for HTTPS.
func (c *Config) HasHTTPS() bool { return c.Bool("ssl", "enable") || len(c.List("ssl", "https")) > 0 }

func areNamesForHTTPS(value string) bool {
	list := splitList(value)
	if len(list) == 0 {
		return value == ""
	}
	if list[0] == ownAuthority {
		return !slices.ContainsFunc(list[1:], func(name string) bool {
			_, err := netip.ParseAddr(name)
			return err != nil && (len(name) > 253 || !isHostName(name))
		})
	}
	return !slices.ContainsFunc(list, func(name string) bool { return len(name) > 253 || !isPublicName(name) })
}
