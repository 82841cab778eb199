package auth

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tododb/tododb/store/jsonscan"
)

// UserPrefix is the beginning of ids in _users. The name follows it.
const UserPrefix = "org.couchdb.user:"

// Refusal says why a document of _users is refused.
type Refusal struct{ Reason string }

func (e *Refusal) Error() string { return e.Reason }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// ErrNotYours says that a user's document does not exist as far as this user may know.
var ErrNotYours = errors.New("missing")

// UserDoc is the part of a document of _users that the rules look at. They read old documents
// like new ones, even if other rules held when or where those were written.
type UserDoc struct {
	ID      string
	Body    []byte // a JSON object
	Deleted bool
}

// text returns a member that is a string, "" if it is not.
func (d *UserDoc) text(name string) string {
	s, err := jsonscan.Text(d.member(name))
	if err != nil {
		return ""
	}
	return s
}

// member returns a member's raw value, nil if there is none.
func (d *UserDoc) member(name string) (found []byte) {
	_ = jsonscan.EachMember(d.Body, func(n, value []byte) error { // a stored or parsed body is an object
		if string(n) == name {
			found = value
		}
		return nil
	})
	return found
}

// roles returns the roles, sorted; ok is false if they are not a list of strings.
func (d *UserDoc) roles() (roles []string, ok bool) {
	if json.Unmarshal(d.member("roles"), &roles) != nil || roles == nil {
		return nil, false
	}
	slices.Sort(roles)
	return roles, true
}

func truthy(value []byte) bool {
	switch string(value) {
	case "", "null", "false", "0", `""`:
		return false
	}
	return true
}

// UserRules are the rules of CouchDB's _design/_auth for somebody who reads or writes _users.
type UserRules struct {
	By      User
	DBAdmin bool // By administers the database
}

// Check tells whether a document of _users may be written. The error is *Refusal. The rules are checked against each standing revision,
// so an edit of an older revision cannot bring back what an administrator has taken away.
// Design documents are not checked, because writing one needs other rights. Only
// administrators may store a hash that costs more than maxCost (Authenticator.MaxCost),
// unless the document already has it: others would have to wait for it.
func (r UserRules) Check(standing []*UserDoc, doc *UserDoc, maxCost int) error {
	if strings.HasPrefix(doc.ID, "_design/") {
		return nil
	}
	if cost := doc.hashCost(); !r.DBAdmin && !doc.Deleted && cost > float64(maxCost) && !slices.ContainsFunc(standing, doc.sameHash) {
		return refuse("Only admins may store a password's hash that costs more than %d iterations.", maxCost)
	}
	if len(standing) == 0 {
		standing = []*UserDoc{nil}
	}
	for _, old := range standing {
		if err := r.check(old, doc); err != nil {
			return err
		}
	}
	return nil
}

// check checks the rules against one revision. old is nil for a new document.
func (r UserRules) check(old, doc *UserDoc) error {
	by := r.By
	if old != nil && old.Deleted {
		old = nil
	}
	if doc.Deleted {
		if r.DBAdmin || old != nil && !by.Anonymous() && old.text("name") == by.Name {
			return nil
		}
		return refuse("Only admins may delete other user docs.")
	}
	if err := doc.checkShape(); err != nil {
		return err
	}
	name := doc.text("name")
	if old != nil && old.text("name") != name {
		return refuse("Usernames can not be changed.")
	}
	if err := doc.checkPassword(); err != nil {
		return err
	}
	roles, _ := doc.roles()
	if !r.DBAdmin {
		switch {
		case old == nil && len(roles) > 0:
			return refuse("Only _admin may set roles")
		case old != nil && (by.Anonymous() || by.Name != name):
			return refuse("You may only update your own user document.")
		case old != nil:
			if had, _ := old.roles(); !slices.Equal(had, roles) {
				return refuse("Only _admin may edit roles")
			}
		}
	}
	for _, role := range roles {
		if strings.HasPrefix(role, "_") {
			return refuse("No system roles (starting with underscore) in users db.")
		}
	}
	switch {
	case strings.HasPrefix(name, "_"):
		return refuse("Username may not start with underscore.")
	}
	if err := CheckName(name); err != nil {
		return refuse("%s", err)
	}
	return nil
}

// checkShape checks what all documents must have.
func (d *UserDoc) checkShape() error {
	roles := d.member("roles")
	switch {
	case d.text("type") != "user":
		return refuse("doc.type must be user")
	case d.text("name") == "":
		return refuse("doc.name is required")
	case !truthy(roles):
		return refuse("doc.roles must exist")
	case jsonscan.Kind(roles) != '[':
		return refuse("doc.roles must be an array")
	}
	if _, ok := d.roles(); !ok {
		return refuse("doc.roles can only contain strings")
	}
	if d.ID != UserPrefix+d.text("name") {
		return refuse("Doc ID must be of the form org.couchdb.user:name")
	}
	return nil
}

// checkPassword checks a hash that a client has made itself.
func (d *UserDoc) checkPassword() error {
	if truthy(d.member("password_sha")) && !truthy(d.member("salt")) {
		return refuse("Users with password_sha must have a salt.")
	}
	if value := d.member("password"); value != nil && string(value) != "null" {
		if jsonscan.Kind(value) != '"' {
			return refuse("Password value is invalid: it must be a string.")
		}
		return nil // it replaces all other password members
	}
	scheme := d.text("password_scheme")
	switch scheme {
	case SchemePBKDF2:
		if k := jsonscan.Kind(d.member("iterations")); k < '0' || k > '9' {
			return refuse("iterations must be a number.")
		}
		if jsonscan.Kind(d.member("derived_key")) != '"' {
			return refuse("derived_key must be a string.")
		}
	case "", SchemeSimple, SchemeScrypt, SchemeArgon2:
	default:
		return refuse("Password scheme `%s` not supported.", scheme)
	}
	return nil
}

// hashCost is the cost, in iterations, of verifying a hash that a client has made itself.
func (d *UserDoc) hashCost() float64 {
	if _, clear := d.Password(); clear {
		return 0
	}
	switch d.text("password_scheme") {
	case SchemePBKDF2:
		n, err := strconv.ParseFloat(string(d.member("iterations")), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0 // not a number, so nobody can log in with it
		}
		return n
	case SchemeScrypt, SchemeArgon2:
		return iterations
	}
	return 0
}

// sameHash tells whether another revision has the same hash.
func (d *UserDoc) sameHash(other *UserDoc) bool {
	for _, name := range passwordMembers {
		if string(d.member(name)) != string(other.member(name)) {
			return false
		}
	}
	return true
}

// Password returns a plain password that is to be hashed.
func (d *UserDoc) Password() (password string, there bool) {
	password, err := jsonscan.Text(d.member("password"))
	return password, err == nil
}

// MayWrite tells whether they may try to write the document of a user, or returns ErrNotYours. Anonymous users may, because people who sign up have no name yet. They get a
// conflict if the document exists.
func (r UserRules) MayWrite(id string) error {
	if r.DBAdmin || r.By.Anonymous() || id == UserPrefix+r.By.Name {
		return nil
	}
	return ErrNotYours
}

// Show returns what they may see of a document of _users: all of it, an object with its public
// members, or nil.
func (r UserRules) Show(id string, body []byte, public []string) []byte {
	if r.DBAdmin || !r.By.Anonymous() && id == UserPrefix+r.By.Name {
		return body
	}
	if len(public) == 0 {
		return nil
	}
	shown := []byte{'{'}
	err := jsonscan.EachMember(body, func(name, value []byte) error {
		if !slices.Contains(public, string(name)) || slices.Contains(passwordMembers, string(name)) {
			return nil
		}
		if len(shown) > 1 {
			shown = append(shown, ',')
		}
		shown = append(append(jsonscan.AppendString(shown, name), ':'), value...)
		return nil
	})
	if err != nil || len(shown) == 1 {
		return nil
	}
	return append(shown, '}')
}

// usersDesign is the function of _design/_auth. It has the rules of UserRules, for a CouchDB
// that _users is replicated to.
//
//go:embed authdesign.js
var usersDesign string

// UsersDesign returns the body of _users/_design/_auth.
func UsersDesign() []byte {
	b := jsonscan.AppendString([]byte(`{"language":"javascript","validate_doc_update":`), strings.TrimSpace(usersDesign))
	return append(b, '}')
}
