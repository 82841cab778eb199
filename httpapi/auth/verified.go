package auth

import (
	"crypto/rand"
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxVerified bounds the credentials that are remembered.
const maxVerified = 4096

// verified remembers the credentials that were found to be right, under a hash with a
// key that only this process knows, so that its memory gives no password away. What is
// remembered holds for the very Account that it was found for: when password or roles
// change there is another Account, and nothing needs to be forgotten.
type verified struct {
	key      [32]byte
	accounts *lru.Cache[[32]byte, *Account]
}

func newVerified() *verified {
	v := &verified{}
	v.accounts, _ = lru.New[[32]byte, *Account](maxVerified) // it fails for a size of none
	rand.Read(v.key[:])
	return v
}

func (v *verified) hash(credentials string) [32]byte {
	var room [256]byte // on the stack: this is done for every request
	return sha256.Sum256(append(append(room[:0], v.key[:]...), credentials...))
}

// name tells whose credentials they were when they were found to be right.
func (v *verified) name(h [32]byte) (name string, there bool) {
	a, there := v.accounts.Get(h)
	if !there {
		return "", false
	}
	return a.User.Name, true
}

// is tells whether the credentials are right for an account.
func (v *verified) is(h [32]byte, a *Account) bool {
	if a == nil {
		return false
	}
	known, _ := v.accounts.Get(h)
	return known == a
}

func (v *verified) put(h [32]byte, a *Account) { v.accounts.Add(h, a) }
