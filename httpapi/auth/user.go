package auth

import "slices"

// User is who asks. The zero User is an anonymous one.
type User struct {
	Name  string
	Roles []string
	Admin bool   // of the server
	By    string // how it proved itself: ByBasic, ByCookie ...; "" for anonymous

	// Device is the token that it proved itself with, and that narrows what it may do; nil:
	// it may do all that the user may. OwnerAdmin tells that the user who has issued the
	// token is an administrator: then it need not be a member of the token's databases.
	Device     *Device
	OwnerAdmin bool

	account *Account // as it was when he proved himself; nil: he has none here
}

// Anonymous tells that nobody has proved who he is.
func (u User) Anonymous() bool { return u.Name == "" && !u.Admin }

// Has tells whether the user has a role.
func (u User) Has(role string) bool { return slices.Contains(u.Roles, role) }
