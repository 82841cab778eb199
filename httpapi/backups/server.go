package backups

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
)

// serverVersion is the form of what a server is made of besides its databases.
const serverVersion = 1

// server is that: what the server's own file sets, with the hashes of administrators, the server's
// uuid and the secret of its sessions.
type server struct {
	Version  int                          `json:"version"`
	UUID     string                       `json:"uuid,omitempty"` // in a restore: "new" draws one
	Settings map[string]map[string]string `json:"settings,omitempty"`
}

var uuidSetting = config.Name{Section: "couchdb", Name: "uuid"}

// Server answers GET /_backup.
func (b *Room) Server(w http.ResponseWriter, r *http.Request) error {
	all := server{Version: serverVersion, Settings: map[string]map[string]string{}}
	for n, value := range b.config.Kept() {
		if n == uuidSetting {
			continue
		}
		if all.Settings[n.Section] == nil {
			all.Settings[n.Section] = map[string]string{}
		}
		all.Settings[n.Section][n.Name] = value
	}
	all.UUID = b.config.String(uuidSetting.Section, uuidSetting.Name)
	answer, err := json.Marshal(all)
	if err != nil {
		return err
	}
	w.Header()["Cache-Control"] = []string{"no-store"}
	return wire.WriteJSON(w, r, http.StatusOK, answer)
}

// RestoreServer answers PUT /_restore: the settings in the body are set again, all or none. Others stay.
// A new uuid makes every client compare all that it has.
func (b *Room) RestoreServer(w http.ResponseWriter, r *http.Request) error {
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	var all server
	if err := json.Unmarshal(body, &all); err != nil || all.Version == 0 {
		return wire.BadRequest("The body is not what GET /_backup gives.")
	}
	if all.Version != serverVersion {
		return wire.BadRequest("The backup is of version %d, this server knows version %d.", all.Version, serverVersion)
	}
	values := map[config.Name]string{}
	for section, names := range all.Settings {
		for name, value := range names {
			n := config.Name{Section: section, Name: name}
			if err := b.mayBe(n, value); err != nil {
				return err
			}
			values[n] = value
		}
	}
	switch all.UUID {
	case "":
	case "new":
		var fresh [16]byte
		rand.Read(fresh[:])
		values[uuidSetting] = hex.EncodeToString(fresh[:])
	default:
		values[uuidSetting] = all.UUID
	}
	if err := b.config.PutAll(values); err != nil {
		if bad, is := errors.AsType[*config.ValueError](err); is {
			return wire.BadRequest("%s", bad)
		}
		if bad, is := errors.AsType[*config.FormError](err); is {
			return wire.BadRequest("%s", bad)
		}
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}

// mayBe refuses what would lock everybody out.
func (b *Room) mayBe(n config.Name, value string) error {
	if n.Section == "admins" {
		if err := auth.CheckName(n.Name); err != nil {
			return wire.BadRequest("%s", err)
		}
		if !auth.IsHash(value) {
			return wire.BadRequest("the password of administrator %s is not a hash", n.Name)
		}
	}
	return b.access.CheckSetting(n, value)
}
