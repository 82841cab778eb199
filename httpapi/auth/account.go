package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/tododb/tododb/store/jsonscan"
)

// Account is a user who can log in. It never changes: if you get the same pointer twice,
// password and roles are the same as before.
type Account struct {
	User User
	// InConflict says that the document has conflicts. Nobody can log in with it: a person must
	// decide which password is right.
	InConflict bool

	password Password
}

// usable tells why nobody can log in with an account.
func (a *Account) usable() error {
	if a.InConflict {
		return ErrInConflict
	}
	return nil
}

// Accounts finds users who are not administrators, in _users.
type Accounts interface {
	// Account finds a user by name, nil if there is none. It returns the same pointer until
	// something about the user changes, and then a new one at once.
	Account(ctx context.Context, name string) (*Account, error)
	// Rehash stores a password again, in the way that new passwords are stored. It has just
	// been verified. Rehash returns the new account. If somebody changes the user at the same
	// time, their change wins and the account is nil.
	Rehash(ctx context.Context, a *Account, password string) (*Account, error)
}

// errNoLogin says that a user's document has no password that can be verified.
var errNoLogin = errors.New("no password of a known scheme")

// ParseAccount reads a document of _users. It returns an error if nobody can log in with it.
func ParseAccount(doc []byte) (*Account, error) {
	var fields struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
		userPassword
	}
	if err := json.Unmarshal(judgedMembers(doc), &fields); err != nil {
		return nil, errNoLogin // not err, which may show part of the document
	}
	p, err := fields.parse()
	if err != nil {
		return nil, err
	}
	// A document cannot give a role that belongs to the server, whichever peer it came from.
	roles := slices.DeleteFunc(fields.Roles, func(r string) bool { return r == "" || r[0] == '_' })
	if roles == nil {
		roles = []string{}
	}
	return &Account{User: User{Name: fields.Name, Roles: roles}, password: p}, nil
}

// judgedMembers returns the members that make an account, as UserRules has checked them.
// Package json would also read Roles as roles, which nobody has checked.
func judgedMembers(doc []byte) []byte {
	d := UserDoc{Body: doc}
	b := []byte{'{'}
	for _, name := range append([]string{"name", "roles"}, passwordMembers...) {
		value := d.member(name)
		if value == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(jsonscan.AppendString(b, name), ':'), value...)
	}
	return append(b, '}')
}

// Same tells whether two readings of an account are equal.
func (a *Account) Same(b *Account) bool {
	return a.User.Name == b.User.Name && a.InConflict == b.InConflict && slices.Equal(a.User.Roles, b.User.Roles) &&
		a.password.scheme == b.password.scheme && a.password.iterations == b.password.iterations &&
		a.password.salt == b.password.salt && bytes.Equal(a.password.key, b.password.key)
}
