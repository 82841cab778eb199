package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// maxVerified bounds the credentials that are remembered.
const maxVerified = 4096

// verified remembers the credentials that were found to be right, under a hash with a
// key that only this process knows, so that its memory gives no password away.
type verified struct {
	key [32]byte

	mu    sync.RWMutex // guards users
	users map[[32]byte]User
}

func newVerified() *verified {
	v := &verified{users: map[[32]byte]User{}}
	rand.Read(v.key[:])
	return v
}

func (v *verified) hash(credentials string) [32]byte {
	var room [256]byte // on the stack: this is done for every request
	return sha256.Sum256(append(append(room[:0], v.key[:]...), credentials...))
}

func (v *verified) get(h [32]byte) (User, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	u, ok := v.users[h]
	return u, ok
}

func (v *verified) put(h [32]byte, u User) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.users) >= maxVerified {
		clear(v.users)
	}
	v.users[h] = u
}

// forget drops everything, after a password has changed.
func (v *verified) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.users)
}
