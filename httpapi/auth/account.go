package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/tododb/tododb/store/jsonscan"
)

// Account is somebody who can log in. It does not change: whoever has got the same
// pointer twice knows that password and roles are the same as before.
type Account struct {
	User     User
	password Password
}

// Accounts finds users that are not administrators: those of _users.
type Accounts interface {
	// Account finds a user by name, nil if there is none. It gives the same pointer until
	// something about the user has changed, and another one at once when it has.
	Account(ctx context.Context, name string) (*Account, error)
	// Rehash stores a password, which has just been found to be right, as new passwords
	// are, and gives the account as it is then. Somebody who changes the user at the same time
	// goes first, and the account is nil.
	Rehash(ctx context.Context, a *Account, password string) (*Account, error)
}

// errNoLogin says that a user's document holds no password that can be verified.
var errNoLogin = errors.New("no password of a known scheme")

// ParseAccount reads a document of _users: an error if nobody can log in with it.
func ParseAccount(doc []byte) (*Account, error) {
	var fields struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
		userPassword
	}
	if err := json.Unmarshal(judgedMembers(doc), &fields); err != nil {
		return nil, errNoLogin // not err, which may show a part of the document
	}
	p, err := fields.parse()
	if err != nil {
		return nil, err
	}
	// A role of the server's own cannot come from a document, whatever peer brought it.
	roles := slices.DeleteFunc(fields.Roles, func(r string) bool { return r == "" || r[0] == '_' })
	if roles == nil {
		roles = []string{}
	}
	return &Account{User: User{Name: fields.Name, Roles: roles}, password: p}, nil
}

// judgedMembers is what of a document makes an account, as CheckUser has seen it. Package
// json would also take Roles for roles, which nobody has judged.
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
	return a.User.Name == b.User.Name && slices.Equal(a.User.Roles, b.User.Roles) &&
		a.password.scheme == b.password.scheme && a.password.iterations == b.password.iterations &&
		a.password.salt == b.password.salt && bytes.Equal(a.password.key, b.password.key)
}
