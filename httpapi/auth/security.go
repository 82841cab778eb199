package auth

import (
	"encoding/json"
	"slices"
)

// Security is a database's security object: who administers it and who uses it.
type Security struct {
	Admins  Group `json:"admins"`
	Members Group `json:"members"`
	set     bool
}

// Group names users, by name or by role.
type Group struct {
	Names []string `json:"names"`
	Roles []string `json:"roles"`
}

func (g Group) holds(u User) bool {
	return u.Name != "" && slices.Contains(g.Names, u.Name) || slices.ContainsFunc(u.Roles, func(role string) bool {
		return slices.Contains(g.Roles, role)
	})
}

func (g Group) empty() bool { return len(g.Names) == 0 && len(g.Roles) == 0 }

// ParseSecurity reads a security object as it was set. A new database has nil, which lets in
// only server administrators. What cannot be read counts as nil too: a mistake must not open
// a database.
func ParseSecurity(raw []byte) Security {
	if len(raw) == 0 {
		return Security{}
	}
	var object struct {
		Security
		Readers *Group `json:"readers"` // what members were called before CouchDB 1.2
	}
	if json.Unmarshal(raw, &object) != nil {
		return Security{}
	}
	s := object.Security
	if s.Members.empty() && object.Readers != nil {
		s.Members = *object.Readers
	}
	s.set = true
	return s
}

// Admin tells whether the user may administer the database.
func (s Security) Admin(u User) bool { return u.Admin || s.set && s.Admins.holds(u) }

// Member tells whether the user may read the database and write documents. A database
// without members is open to everybody.
func (s Security) Member(u User) bool {
	return s.Admin(u) || s.set && (s.Members.empty() || s.Members.holds(u))
}
