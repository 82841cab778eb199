package auth

import (
	"crypto/rand"
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxVerified is how many credentials are remembered.
const maxVerified = 4096

// verified remembers credentials that were right. It keeps a hash under a key that only this
// process knows, so its memory gives no password away. An entry holds only for the very
// Account that it was verified for. When password or roles change there is a new Account, so
// nothing needs to be forgotten.
type verified struct {
	key      [32]byte
	accounts *lru.Cache[[32]byte, *Account]
}

func newVerified() *verified {
	v := &verified{}
	v.accounts, _ = lru.New[[32]byte, *Account](maxVerified) // it fails only for a size below 1
	rand.Read(v.key[:])
	return v
}

func (v *verified) hash(credentials string) [32]byte {
	var room [256]byte // on the stack: this is done for every request
	return sha256.Sum256(append(append(room[:0], v.key[:]...), credentials...))
}

// account is the one that the credentials are known to be right for, nil if none is known.
func (v *verified) account(h [32]byte) *Account {
	known, _ := v.accounts.Get(h)
	return known
}

func (v *verified) put(h [32]byte, a *Account) { v.accounts.Add(h, a) }
