package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
)

// identityNames are the settings that every server has of its own.
var identityNames = []config.Name{{Section: "couchdb", Name: "uuid"}, {Section: "chttpd_auth", Name: "secret"}}

// identify makes sure that the server has an identity and a secret for its sessions. The
// first start makes them. They are in the local file before anybody sees them.
func identify(cfg *config.Config) error {
	for _, s := range identityNames {
		if cfg.String(s.Section, s.Name) != "" {
			continue
		}
		var b [16]byte
		rand.Read(b[:])
		if err := cfg.Set(s.Section, s.Name, hex.EncodeToString(b[:])); err != nil {
			return err
		}
	}
	return nil
}

// administrators adds the administrators from the file and the environment and hashes their
// passwords. A password that has not changed keeps its hash, so sessions survive a restart.
// If there is no administrator at all, it creates one.
func administrators(cfg *config.Config, out io.Writer) error {
	_, err := firstAdministrators(cfg, out)
	return err
}

// firstAdministrators does so and returns the name of the administrator whose password it printed,
// because nobody had given one; "" if it printed none.
func firstAdministrators(cfg *config.Config, out io.Writer) (printed string, err error) {
	given := cfg.Section("admins")
	maps.Copy(given, cfg.FromFile("admins"))
	user, password := os.Getenv("COUCHDB_USER"), os.Getenv("COUCHDB_PASSWORD")
	if (user == "") != (password == "") {
		return "", usagef("COUCHDB_USER and COUCHDB_PASSWORD: want both or neither")
	}
	if user != "" {
		given[user] = password
	}
	if len(given) == 0 {
		password := rand.Text()
		// First it is shown: one that nobody has seen would be lost, and the next start makes no other.
		if err := sayPassword(out, password); err != nil {
			return "", err
		}
		return "admin", setAdministrator(cfg, "admin", password)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := setAdministrator(cfg, name, given[name]); err != nil {
			return "", err
		}
	}
	return "", nil
}

func sayPassword(out io.Writer, password string) error {
	_, err := fmt.Fprintf(out, "created the administrator admin with the password %s, which is not shown again\n", password)
	return err
}

// setAdministrator makes name an administrator. The secret is a password or the hash of one.
func setAdministrator(cfg *config.Config, name, secret string) error {
	if err := auth.CheckName(name); err != nil {
		return usagef("administrator %q: %w", name, err)
	}
	for {
		now := cfg.Section("admins")[name]
		next := secret
		switch {
		case auth.IsHash(secret):
			if now == secret {
				return nil
			}
		case matches(now, secret):
			return nil
		default:
			hash, err := auth.Hash(secret, access.Hashing(cfg))
			if err != nil {
				return fmt.Errorf("administrator %s: %w", name, err)
			}
			next = hash
		}
		if done, err := cfg.Swap("admins", name, now, next); done || err != nil {
			return err
		} // else another process was quicker
	}
}

// matches tells whether hash is a hash of the password.
func matches(hash, password string) bool {
	known, err := auth.ParsePassword(hash)
	return err == nil && auth.IsHash(hash) && known.Matches(password)
}
