package account

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/uuids"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
)

const (
	maxTokenDatabases = 100
	maxDeviceName     = 200
	maxTokenSelector  = 8 << 10
)

var (
	errTokensByToken = wire.Errorf(http.StatusForbidden, "forbidden", "Tokens are managed with a login, not with another token.")
	errNoAccount     = wire.Errorf(http.StatusForbidden, "forbidden", "Only administrators and users of _users can have tokens.")
)

// tokenRequest is the body of POST /_session/tokens.
type tokenRequest struct {
	Databases []string        `json:"databases"`
	Access    string          `json:"access"`
	Prefix    string          `json:"id_prefix"`
	Selector  json.RawMessage `json:"selector"`
	ExpiresIn *int64          `json:"expires_in"` // seconds
	Device    string          `json:"device"`
}

// tokenHolder returns the user who manages tokens. They must have logged in.
func tokenHolder(r *http.Request) (auth.User, error) {
	user := wire.UserOf(r)
	if user.Device != nil {
		return user, errTokensByToken
	}
	return user, nil
}

// IssueToken answers POST /_session/tokens with a token for a device. It is shown only once.
func (a *Room) IssueToken(w http.ResponseWriter, r *http.Request) error {
	user, err := tokenHolder(r)
	if err != nil {
		return err
	}
	mark, err := a.access.Auth().Mark(r.Context(), user.Name)
	if err != nil {
		return err
	}
	if mark == "" {
		return errNoAccount
	}
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	device, err := a.readTokenRequest(body)
	if err != nil {
		return err
	}
	device.Account = mark
	device.ID, device.Owner, device.Issued = uuids.Random(), user.Name, a.now().UTC().Truncate(time.Second)
	device.Expires = device.Expires.UTC().Truncate(time.Second)
	token, err := a.access.Auth().SignDevice(device)
	if err != nil {
		return err
	}
	if err := a.access.Devices().Put(r.Context(), device); err != nil {
		return err
	}
	answer, err := json.Marshal(struct {
		OK    bool   `json:"ok"`
		Token string `json:"token"`
		*auth.Device
	}{true, token, device})
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteJSON(w, r, http.StatusCreated, answer)
}

// readTokenRequest reads what a token should allow, and until when.
func (a *Room) readTokenRequest(body []byte) (*auth.Device, error) {
	var asked tokenRequest
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields() // a misspelt scope must not become a wider one
	if err := decoder.Decode(&asked); err != nil || decoder.More() {
		if err == nil || !json.Valid(body) {
			return nil, wire.ErrNotJSON
		}
		return nil, wire.BadRequest("A token has databases (a list of names), access (read or read-write), expires_in (seconds), device (a name), and perhaps id_prefix (text) or selector (an object)")
	}
	if asked.Access == "" {
		asked.Access = auth.ReadOnly
	}
	if asked.Access != auth.ReadOnly && asked.Access != auth.ReadWrite {
		return nil, wire.BadRequest("`access` must be read or read-write")
	}
	if n := len(asked.Databases); n == 0 || n > maxTokenDatabases {
		return nil, wire.BadRequest("`databases` must name 1 to %d databases", maxTokenDatabases)
	}
	for _, name := range asked.Databases {
		if !store.ValidName(name) || a.access.IsSystemDB(name) {
			return nil, wire.BadRequest("`databases` must be names of databases, and not of the server's own")
		}
	}
	if asked.Device == "" || len(asked.Device) > maxDeviceName || !utf8.ValidString(asked.Device) || bytes.ContainsFunc([]byte(asked.Device), unicode.IsControl) {
		return nil, wire.BadRequest("`device` must be a name of 1 to %d bytes", maxDeviceName)
	}
	selector := bytes.TrimSpace(asked.Selector)
	if bytes.Equal(selector, []byte("null")) {
		selector = nil
	}
	if selector != nil {
		if asked.Prefix != "" {
			return nil, wire.BadRequest("A token has an `id_prefix` or a `selector`, not both")
		}
		if len(selector) > maxTokenSelector {
			return nil, wire.BadRequest("`selector` must not have more than %d bytes", maxTokenSelector)
		}
		if _, err := mango.Compile(selector); err != nil {
			return nil, wire.BadRequest("`selector` is invalid: %s", err)
		}
	}
	set := a.settings()
	life := set.lifetime
	if asked.ExpiresIn != nil {
		if *asked.ExpiresIn < 1 || *asked.ExpiresIn > int64(set.maxLifetime/time.Second) {
			return nil, wire.BadRequest("`expires_in` must be 1 to %d seconds", int64(set.maxLifetime/time.Second))
		}
		life = time.Duration(*asked.ExpiresIn) * time.Second
	}
	return &auth.Device{
		Name: asked.Device, Expires: a.now().Add(min(life, set.maxLifetime)),
		Scope: auth.Scope{Databases: asked.Databases, Access: asked.Access, Prefix: asked.Prefix, Selector: json.RawMessage(selector)},
	}, nil
}

// ListTokens answers GET /_session/tokens with the user's own tokens. An administrator can ask
// for those of ?owner=NAME or, with ?all=true, of everybody. It describes the tokens and never
// shows them.
func (a *Room) ListTokens(w http.ResponseWriter, r *http.Request) error {
	user, err := tokenHolder(r)
	if err != nil {
		return err
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	owner := user.Name
	if other, ok := query.Get("owner"); ok {
		owner = other
	}
	if all := query.Is("all"); all || owner != user.Name {
		if err := access.RequireAdmin(r); err != nil {
			return err
		}
		if all {
			owner = ""
		}
	}
	found, err := a.access.Devices().List(r.Context(), owner, a.now())
	if err != nil {
		return err
	}
	listed := []*auth.Device{}
	for _, d := range found { // leave out tokens whose account is gone
		owned, err := a.access.Auth().Owned(r.Context(), d)
		if err != nil {
			return err
		}
		if owned {
			listed = append(listed, d)
		}
	}
	answer, err := json.Marshal(map[string]any{"tokens": listed})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, answer)
}

// RevokeToken answers DELETE /_session/tokens/ID. A token that does not exist and one of
// another user get the same answer.
func (a *Room) RevokeToken(w http.ResponseWriter, r *http.Request) error {
	user, err := tokenHolder(r)
	if err != nil {
		return err
	}
	id, err := wire.Segment(r, "token")
	if err != nil {
		return err
	}
	device, err := a.access.Devices().Device(r.Context(), id)
	if err != nil {
		return err
	}
	if device == nil || device.Owner != user.Name && !user.Admin {
		return store.ErrMissing
	}
	if err := a.access.Devices().Remove(r.Context(), id); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}
