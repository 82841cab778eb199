package auth

import "slices"

// User is who asks. The zero User is an anonymous one.
type User struct {
	Name  string
	Roles []string
	Admin bool   // of the server
	By    string // how it proved itself: "default" (Basic), "cookie", "" for anonymous
}

// Anonymous tells that nobody has proved who he is.
func (u User) Anonymous() bool { return u.Name == "" && !u.Admin }

// Has tells whether the user has a role.
func (u User) Has(role string) bool { return slices.Contains(u.Roles, role) }
