package auth

import "slices"

// User is who asks. The zero User is an anonymous one.
type User struct {
	Name  string
	Roles []string
	Admin bool   // of the server
	By    string // how they authenticated: ByBasic, ByCookie ...; "" for anonymous

	// Device is the token that the request used. It limits what the request may do; nil: no
	// limit beyond the user's rights. OwnerAdmin says that the user who issued the token is an
	// administrator, and so need not be a member of the token's databases.
	Device     *Device
	OwnerAdmin bool

	account *Account // as it was when they authenticated; nil: they have none here
}

// Anonymous tells whether the request did not authenticate.
func (u User) Anonymous() bool { return u.Name == "" && !u.Admin }

// Has tells whether the user has a role.
func (u User) Has(role string) bool { return slices.Contains(u.Roles, role) }
