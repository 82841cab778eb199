package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/members"
)

// join makes this process one of those that share the storage: it becomes a member, and has its
// identity and settings in common with the others from now on. The first process of all puts into the storage
// what its own files say of them, so a server that was alone in its folder keeps its identity.
func (p *prepared) join(ctx context.Context, f *folder, out io.Writer) (err error) {
	gone := p.cfg.Duration("storage", "gone_after")
	f.members, err = members.Open(ctx, members.Options{
		Store: f.store, Name: memberName(p.cfg, p.listening.plain.Addr()), Log: p.log, Gone: gone, Beat: gone / 5,
	})
	if err != nil {
		return err
	}
	shared := &sharedSettings{context.WithoutCancel(ctx), f.members.Records()}
	if p.first, p.printed, err = firstSettings(p.cfg, shared, out); err != nil {
		return err
	}
	if err := p.cfg.Share(shared); err != nil {
		return err
	}
	shared.follow(p.cfg, f.members, func(err error) { p.log.Error("cannot read the settings of all processes", "error", err) })
	f.uuid = p.cfg.String("couchdb", "uuid")
	return nil
}

// firstSettings makes the identity, the secret of sessions and the administrators of a server that has
// none yet. Of several processes that start at the same time, one does. printed is as in
// firstAdministrators.
func firstSettings(cfg *config.Config, shared *sharedSettings, out io.Writer) (first bool, printed string, err error) {
	common, err := shared.Read()
	if err != nil || len(common.Values) > 0 {
		return false, "", err
	}
	seed := cfg.Common()
	for _, n := range identityNames {
		if seed[n] = cfg.String(n.Section, n.Name); seed[n] == "" {
			var b [16]byte
			rand.Read(b[:])
			seed[n] = hex.EncodeToString(b[:])
		}
	}
	given := cfg.Section("admins")
	maps.Copy(given, cfg.FromFile("admins"))
	user, password := os.Getenv("COUCHDB_USER"), os.Getenv("COUCHDB_PASSWORD")
	if (user == "") != (password == "") {
		return false, "", usagef("COUCHDB_USER and COUCHDB_PASSWORD: want both or neither")
	}
	if user != "" {
		given[user] = password
	}
	shown := ""
	if len(given) == 0 {
		printed, shown = "admin", rand.Text()
		given[printed] = shown
	}
	for name, secret := range given {
		if err := auth.CheckName(name); err != nil {
			return false, "", usagef("administrator %q: %w", name, err)
		}
		if !auth.IsHash(secret) {
			if secret, err = auth.Hash(secret, access.Hashing(cfg)); err != nil {
				return false, "", fmt.Errorf("administrator %s: %w", name, err)
			}
		}
		seed[config.Name{Section: "admins", Name: name}] = secret
	}
	_, err = shared.Change(func(all map[config.Name]string) bool {
		if first = len(all) == 0; first {
			maps.Copy(all, seed)
		}
		return first
	})
	if err != nil || !first || printed == "" {
		return first, "", err
	}
	return true, printed, sayPassword(out, shown)
}

// reread takes in what other processes have set until now.
func reread(cfg *config.Config, m *members.Members) error {
	if m == nil {
		return nil
	}
	return cfg.Reload()
}
