package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"sync/atomic"

	"github.com/tododb/tododb/store/fair"
)

// hasher does all hashing of passwords: no more at once than leaves processors for the
// rest, and as much for a name that there is not as for one that there is.
type hasher struct {
	// Hashes that cost more than usual, which only administrators can have stored, have a
	// slot of their own, so that nobody else waits for them.
	usual, costly *fair.Slots
	work          atomic.Int64 // iterations done
}

// cost is what a hash takes, in iterations of PBKDF2. The schemes that have none cost about
// as much as the default ones.
func (p Password) cost() int {
	switch p.scheme {
	case SchemePBKDF2:
		return p.iterations
	case SchemeScrypt, SchemeArgon2:
		return iterations
	}
	return 0
}

func (h Hashing) cost() int {
	if h.Scheme == SchemePBKDF2 {
		return h.Iterations
	}
	return iterations
}

// usualCost is what every password that turns out to be wrong costs: the hash of a new
// password, or that of an administrator, whichever is more.
func (a *Authenticator) usualCost(set *Settings) int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return max(set.Hashing.cost(), a.adminCost)
}

// enterHashing waits until a password may be hashed at a cost; leave must follow.
func (a *Authenticator) enterHashing(ctx context.Context, w who, cost, usual int) (leave func(), err error) {
	if cost > usual {
		return enter(ctx, a.hasher.costly, w)
	}
	return enter(ctx, a.hasher.usual, w)
}

// matches hashes and compares.
func (h *hasher) matches(p Password, password string) bool {
	h.work.Add(int64(p.cost()))
	return p.Matches(password)
}

// pad does what is left of the usual work after some of it.
func (h *hasher) pad(password string, done, usual int) {
	if left := usual - done; left > 0 {
		h.work.Add(int64(left))
		_, _ = pbkdf2.Key(sha256.New, password, []byte("nobody's salt..."), left, sha256.Size) // for the time it takes
	}
}

type addressKey struct{}

// WithAddress notes in a context where the request that it belongs to comes from, so that
// the hashing of what it stores is shared fairly.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// HashPassword gives a document of _users the hash of a new password.
func (a *Authenticator) HashPassword(ctx context.Context, doc []byte, name, password string) ([]byte, error) {
	return a.hash(ctx, doc, name, password, "")
}

// HashAgain gives the document of an account another hash of the password that it has.
func (a *Authenticator) HashAgain(ctx context.Context, doc []byte, account *Account, password string) ([]byte, error) {
	return a.hash(ctx, doc, account.User.Name, password, account.password.salt)
}

func (a *Authenticator) hash(ctx context.Context, doc []byte, name, password, salt string) ([]byte, error) {
	set := a.set.Load()
	address, _ := ctx.Value(addressKey{}).(string)
	leave, err := a.enterHashing(ctx, who{address, name}, set.Hashing.cost(), set.Hashing.cost())
	if err != nil {
		return nil, err
	}
	defer leave()
	a.hasher.work.Add(int64(set.Hashing.cost()))
	return set.Hashing.hash(doc, password, salt)
}

// MaxCost is the iterations of PBKDF2 that a hash may have which somebody who is no
// administrator stores.
func (a *Authenticator) MaxCost() int { return a.set.Load().Hashing.cost() }
