package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/jsonscan"
)

// Security answers GET of a database's security object.
func (o *Room) Security(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	raw, err := db.SecurityObject(r.Context())
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, raw)
}

// SetSecurity answers PUT of a database's security object.
func (o *Room) SetSecurity(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	if o.access.HasUsers(db.Name()) && !o.settings().usersSecurity {
		return access.ErrUsersSecurity
	}
	raw, err := jsonscan.Trim(body)
	if err != nil {
		return wire.ErrNotJSON
	}
	if err := checkSecurity(raw); err != nil {
		return err
	}
	if err := db.SetSecurity(r.Context(), raw); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}

// checkSecurity refuses an object that could not be enforced. admins and members must be objects
// whose names and roles are lists of strings. Other members belong to the application.
func checkSecurity(raw []byte) error {
	if jsonscan.Kind(raw) != '{' {
		return wire.BadRequest("Request body must be a JSON object")
	}
	return jsonscan.EachMember(raw, func(section, value []byte) error {
		if string(section) != "admins" && string(section) != "members" {
			return nil
		}
		if jsonscan.Kind(value) != '{' {
			return wire.BadRequest("%s must be a JSON object", section)
		}
		return jsonscan.EachMember(value, func(name, list []byte) error {
			if string(name) != "names" && string(name) != "roles" {
				return nil
			}
			if jsonscan.Kind(list) != '[' {
				return wire.BadRequest("%s must be a JSON list of strings", name)
			}
			return jsonscan.EachElement(list, func(e []byte) error {
				if jsonscan.Kind(e) != '"' {
					return wire.BadRequest("%s must be a JSON list of strings", name)
				}
				return nil
			})
		})
	})
}
