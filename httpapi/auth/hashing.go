package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"sync/atomic"

	"github.com/tododb/tododb/store/fair"
)

// hasher does all hashing of passwords. It leaves processors for other work, and does as much
// work for an unknown name as for a known one.
type hasher struct {
	// Hashes that cost more than usual have a slot of their own, so nobody else waits for them.
	// Only administrators can have stored them.
	usual, costly *fair.Slots
	work          atomic.Int64 // iterations done
	fast, slow    atomic.Int64 // Figures
}

// Figures count verifications of passwords, as CouchDB counts its hashes for them.
type Figures struct {
	Slow int64 // by hashing as the account asks for
	Fast int64 // of a password that is remembered; also counts each one that is remembered
}

// Figures returns the present figures.
func (a *Authenticator) Figures() Figures {
	return Figures{Slow: a.hasher.slow.Load(), Fast: a.hasher.fast.Load()}
}

// cost is the cost of a hash in iterations of PBKDF2. Schemes without iterations cost about as
// much as the default.
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

// usualCost is the cost of every wrong password: the cost of a new hash or of an
// administrator's hash, whichever is higher.
func (a *Authenticator) usualCost(set *Settings) int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return max(set.Hashing.cost(), a.adminCost)
}

// enterHashing waits until a password may be hashed at this cost. The caller must call leave.
func (a *Authenticator) enterHashing(ctx context.Context, w who, cost, usual int) (leave func(), err error) {
	if cost > usual {
		return enter(ctx, a.hasher.costly, w)
	}
	return enter(ctx, a.hasher.usual, w)
}

// matches hashes and compares.
func (h *hasher) matches(p Password, password string) bool {
	h.work.Add(int64(p.cost()))
	h.slow.Add(1)
	return p.Matches(password)
}

// pad does the rest of the usual work after some of it has been done.
func (h *hasher) pad(password string, done, usual int) {
	if left := usual - done; left > 0 {
		h.work.Add(int64(left))
		_, _ = pbkdf2.Key(sha256.New, password, []byte("nobody's salt..."), left, sha256.Size) // for the time it takes
	}
}

type addressKey struct{}

// WithAddress notes in a context where its request comes from, so that hashing is shared
// fairly between addresses.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// HashPassword gives a document of _users the hash of a new password.
func (a *Authenticator) HashPassword(ctx context.Context, doc []byte, name, password string) ([]byte, error) {
	return a.hash(ctx, doc, name, password, "")
}

// HashAgain gives the document of an account a new hash of the same password.
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

// MaxCost is how many iterations of PBKDF2 a hash may have if somebody who is not an
// administrator stores it.
func (a *Authenticator) MaxCost() int { return a.set.Load().Hashing.cost() }
