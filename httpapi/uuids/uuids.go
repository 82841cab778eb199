package uuids

import (
	"crypto/rand"
	"encoding/hex"
	mathrand "math/rand/v2"
	"sync"
)

// Source makes document ids as CouchDB's "sequential" algorithm does: 26 random hex
// digits that stay for a while, then 6 that grow by random steps. Ids made one after
// another are neighbours on disk, so writing them touches few pages.
type Source struct {
	mu     sync.Mutex // guards what follows
	prefix [13]byte
	next   uint32 // the last 24 bits
}

func New() *Source {
	u := &Source{}
	u.renew()
	return u
}

func (u *Source) renew() {
	rand.Read(u.prefix[:])
	u.prefix[0] &= 0x7f // ids begin with a digit, so they sort before words
	u.next = mathrand.Uint32N(0x1000)
}

// Append appends the 32 digits of a new id.
func (u *Source) Append(b []byte) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.next += 1 + mathrand.Uint32N(0xffe); u.next > 0xffffff {
		u.renew()
	}
	b = hex.AppendEncode(b, u.prefix[:])
	return hex.AppendEncode(b, []byte{byte(u.next >> 16), byte(u.next >> 8), byte(u.next)})
}

// ID makes an id.
func (u *Source) ID() string { return string(u.Append(make([]byte, 0, 32))) }
