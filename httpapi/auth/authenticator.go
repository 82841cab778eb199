package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	ErrBadLogin   = errors.New("name or password is incorrect")
	ErrInConflict = errors.New("the user's document has conflicts") // and the password is right
	ErrBadBase64  = errors.New("authorization header is not base64")
	ErrIterations = errors.New("the number of iterations of the password's hash is out of bounds")
)

// Options say which users an Authenticator knows.
type Options struct {
	// Admins maps the administrators' names to password hashes or plain passwords, as in
	// [admins].
	Admins map[string]string
	// Accounts finds everybody else. nil: there is nobody else.
	Accounts Accounts
	// Devices finds the tokens of devices. nil: there are none.
	Devices Devices
	// Settings are the first settings. Configure changes them.
	Settings Settings
	// Address tells where a request comes from, for Lockout. nil: addresses do not matter.
	Address func(*http.Request) string
	// Proxied tells whether a request comes from a proxy that may name the user without a
	// token (ProxyUnsigned). nil: all do.
	Proxied func(*http.Request) bool
	// Secure tells whether the client speaks HTTPS. nil: if the connection does.
	Secure func(*http.Request) bool
	// Warn gets what an operator may want to know. nil: it is dropped.
	Warn func(message string, args ...any)
	// Now is the clock (time.Now).
	Now func() time.Time
}

// Authenticator finds out who is asking. It is safe for use by several goroutines.
type Authenticator struct {
	opt      Options
	random   []byte // the secret while the settings have none
	set      atomic.Pointer[Settings]
	verified *verified
	lockouts lockouts
	hasher   hasher

	mu        sync.RWMutex // guards what follows
	admins    map[string]*Account
	adminCost int                      // cost of their most expensive hash
	both      map[string]*adminAndUser // administrators with a document in _users
}

// adminAndUser is an administrator who also has a document in _users.
type adminAndUser struct{ admin, user, account *Account }

// New reads the administrators' passwords. Its error names the one that it cannot read.
func New(opt Options) (*Authenticator, error) {
	a := &Authenticator{opt: opt, random: make([]byte, 32), verified: newVerified(), hasher: hasher{usual: newSlots(), costly: newSlots()}}
	rand.Read(a.random)
	if a.opt.Now == nil {
		a.opt.Now = time.Now
	}
	if a.opt.Address == nil {
		a.opt.Address = func(*http.Request) string { return "" }
	}
	if a.opt.Secure == nil {
		a.opt.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	if a.opt.Warn == nil {
		a.opt.Warn = func(string, ...any) {}
	}
	if err := a.Configure(opt.Settings); err != nil {
		return nil, err
	}
	return a, a.SetAdmins(opt.Admins)
}

// Configure replaces the settings. On an error the old ones stay.
func (a *Authenticator) Configure(s Settings) error {
	set, err := s.complete(a.random)
	if err == nil {
		a.set.Store(set)
	}
	return err
}

// Handlers returns the ways of authentication that are in use.
func (a *Authenticator) Handlers() []string { return a.set.Load().Handlers }

// SetAdmins replaces the administrators. If a password has changed, sessions and remembered
// credentials of that administrator end at once.
func (a *Authenticator) SetAdmins(values map[string]string) error {
	admins, cost := map[string]*Account{}, 0
	for name, value := range values {
		p, err := ParsePassword(value)
		if err != nil {
			return fmt.Errorf("administrator %q: %w", name, err)
		}
		cost = max(cost, p.cost())
		admins[name] = &Account{User: User{Name: name, Roles: adminRoles, Admin: true}, password: p}
	}
	a.mu.Lock()
	a.admins, a.adminCost, a.both = admins, cost, map[string]*adminAndUser{}
	a.mu.Unlock()
	return nil
}

// account finds the account with a name; nil if there is none or its document has conflicts.
func (a *Authenticator) account(ctx context.Context, name string) (*Account, error) {
	known, err := a.lookUp(ctx, name)
	if known != nil && known.InConflict {
		return nil, nil
	}
	return known, err
}

// lookUp finds the account with a name, in conflict or not; nil if there is none.
func (a *Authenticator) lookUp(ctx context.Context, name string) (*Account, error) {
	a.mu.RLock()
	admin, both := a.admins[name], a.both[name]
	a.mu.RUnlock()
	if name == "" || a.opt.Accounts == nil {
		return admin, nil
	}
	if admin != nil {
		limited := &within{Context: ctx, limit: adminDocumentWithin}
		defer limited.end()
		ctx = limited
	}
	user, err := a.opt.Accounts.Account(ctx, name)
	if admin == nil {
		return user, err
	}
	// As in CouchDB, administrators have the roles of their document in _users too. They must
	// be able to log in even if that cannot be read.
	if err != nil || user == nil || user.InConflict || len(user.User.Roles) == 0 {
		return admin, nil
	}
	if both != nil && both.admin == admin && both.user == user {
		return both.account, nil
	}
	known := *admin
	known.User.Roles = slices.Concat(adminRoles, user.User.Roles)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.admins[name] == admin { // otherwise it is out of date already, and only this request has it
		a.both[name] = &adminAndUser{admin, user, &known}
	}
	return &known, nil
}

var adminRoles = []string{"_admin"}

// adminDocumentWithin is how long an administrator's login waits for their document in _users. Somebody
// has to be able to look after a server whose storage is away.
const adminDocumentWithin = time.Second

// Authenticate finds out who asks. Wrong credentials are an error; no credentials are not.
// It tries the ways in use in order, and the first that finds a user counts. If the session
// should be extended, renew is the Set-Cookie header to send. With ErrBadCookie it is the one
// that removes the cookie: scripts of a page cannot, and a browser would be refused for ever.
func (a *Authenticator) Authenticate(r *http.Request) (user User, renew string, err error) {
	header := r.Header.Get("Authorization")
	scheme, credentials, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "Bearer") && a.opt.Devices != nil && IsDeviceToken(credentials) {
		user, err = a.byDevice(r.Context(), credentials)
		return user, "", err
	}
	set := a.set.Load()
	for _, way := range set.Handlers {
		switch {
		case way == ByCookie && len(r.Header["Cookie"]) > 0:
			user, renew, err = a.bySession(set, r)
		case way == ByBasic && scheme == "Basic": // in this spelling only, as in CouchDB
			user, err = a.byBasic(r, credentials)
		case way == ByProxy:
			user = a.byProxy(set, r)
		case way == ByJWT && scheme == "Bearer" && credentials != "":
			user, err = set.JWT.user(credentials, a.opt.Now)
		}
		if err != nil || !user.Anonymous() {
			return user, renew, err
		}
	}
	return user, "", nil
}

func (a *Authenticator) bySession(set *Settings, r *http.Request) (User, string, error) {
	cookie, err := r.Cookie(CookieName)
	if err != nil || cookie.Value == "" {
		return User{}, "", nil
	}
	s, err := parseCookie(cookie.Value)
	if err != nil {
		return User{}, a.Logout(r), err
	}
	known, err := a.account(r.Context(), s.name)
	if err != nil || known == nil {
		return User{}, "", err
	}
	now := a.opt.Now()
	left := s.made.Add(set.Timeout).Sub(now)
	if left <= 0 || !s.signedWith(set, known.password.salt) {
		return User{}, "", nil
	}
	user := userBy(known, ByCookie)
	renew := ""
	if left < set.Timeout-set.Timeout/10 {
		renew = set.cookie(set.seal(known.password.salt, s.name, now), now, a.opt.Secure(r))
	}
	return user, renew, nil
}

func (a *Authenticator) byBasic(r *http.Request, encoded string) (User, error) {
	h := a.verified.hash(encoded)
	if was := a.verified.account(h); was != nil && !a.lockouts.some.Load() {
		known, err := a.account(r.Context(), was.User.Name)
		if err != nil {
			return User{}, err
		}
		if known == was {
			a.hasher.fast.Add(1)
			return userBy(known, ByBasic), nil
		}
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return User{}, ErrBadBase64
	}
	name, password, ok := strings.Cut(string(raw), ":")
	if !ok || name == "_" && password == "_" { // as in CouchDB, this is how a browser logs out
		return User{}, nil
	}
	known, err := a.verify(r, name, password, h)
	return userBy(known, ByBasic), err
}

func userBy(known *Account, by string) User {
	if known == nil {
		return User{}
	}
	u := known.User
	u.By, u.account = by, known
	return u
}

// remembers tells whether credentials are known to be right for an account.
func (a *Authenticator) remembers(h [32]byte, known *Account) bool {
	is := known != nil && a.verified.account(h) == known
	if is {
		a.hasher.fast.Add(1)
	}
	return is
}

// verify checks a name and a password, and remembers a success under h. Only who knows the
// password hears that the document has conflicts.
func (a *Authenticator) verify(r *http.Request, name, password string, h [32]byte) (*Account, error) {
	ctx := r.Context()
	known, err := a.lookUp(ctx, name)
	if err != nil {
		return nil, err
	}
	set := a.set.Load()
	// For an unknown name everything happens in the same way, but no password is right. So
	// neither the time of the answer nor the lockout tells anybody which names exist.
	salt, cost := "", 0
	if known != nil {
		salt, cost = known.password.salt, known.password.cost()
	}
	key := failureKey{a.opt.Address(r), name, salt}
	if a.lockouts.reached(key, set.Lockout, a.opt.Now()) {
		if set.Lockout.Mode != "warn" {
			return nil, ErrLocked
		}
		a.opt.Warn("too many wrong passwords", "user", name, "address", key.address)
	}
	if known != nil && known.password.scheme == SchemePBKDF2 && (known.password.iterations < set.MinIterations || known.password.iterations > set.MaxIterations) {
		return nil, ErrIterations
	}
	if a.remembers(h, known) {
		if err := known.usable(); err != nil {
			return nil, err
		}
		return known, nil
	}
	usual := a.usualCost(set)
	leave, err := a.enterHashing(ctx, who{key.address, name}, cost, usual)
	if err != nil {
		return nil, err
	}
	// Check again: of many guesses at once, the ones that waited must count too.
	if set.Lockout.Mode != "warn" && a.lockouts.reached(key, set.Lockout, a.opt.Now()) {
		leave()
		return nil, ErrLocked
	}
	// If many first requests come at once, the first verifies and the others use its result.
	right := a.remembers(h, known) || known != nil && a.hasher.matches(known.password, password)
	if !right {
		a.hasher.pad(password, cost, usual)
		a.lockouts.failed(key, set.Lockout, a.opt.Now())
	}
	leave()
	if !right {
		return nil, ErrBadLogin
	}
	// If password or roles have changed in the meantime, this is remembered for the old account,
	// not for the new one.
	a.verified.put(h, known)
	a.hasher.fast.Add(1)
	if err := known.usable(); err != nil {
		return nil, err
	}
	if !known.User.Admin && !set.KeepHashes && known.password.outdated(set.Hashing) {
		anew, err := a.opt.Accounts.Rehash(ctx, known, password)
		if err != nil {
			a.opt.Warn("a password's hash stays as it is", "user", name, "error", err)
		}
		if anew != nil {
			known = anew
		}
	}
	return known, nil
}

// Login starts a session. It returns the user and the Set-Cookie header to send, or
// ErrBadLogin.
func (a *Authenticator) Login(r *http.Request, name, password string) (User, string, error) {
	known, err := a.verify(r, name, password, a.verified.hash(encode(name, password)))
	if err != nil {
		return User{}, "", err
	}
	if now, err := a.account(r.Context(), name); err == nil && now != nil {
		known = now // its password may just have been hashed again
	}
	set, now := a.set.Load(), a.opt.Now()
	return userBy(known, ByBasic), set.cookie(set.seal(known.password.salt, known.User.Name, now), now, a.opt.Secure(r)), nil
}

func encode(name, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
}

// IsAdmin tells whether there is an administrator with this name and password.
func (a *Authenticator) IsAdmin(r *http.Request, name, password string) bool {
	known, err := a.verify(r, name, password, a.verified.hash(encode(name, password)))
	return err == nil && known.User.Admin
}

// HasAdmin tells whether there is an administrator with this name in [admins].
func (a *Authenticator) HasAdmin(name string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.admins[name] != nil
}

// Present returns a user as their account is now. It returns false if they no longer have
// one or, if mark is not "", if it is not the account with this Mark.
func (a *Authenticator) Present(ctx context.Context, name, mark string) (User, bool, error) {
	known, err := a.account(ctx, name)
	if known == nil || err != nil || mark != "" && known.mark() != mark {
		return User{}, false, err
	}
	return known.User, true, nil
}

// Still tells whether a user's account still exists and has the password and roles that it had
// when they authenticated. It is true for users without an account here.
func (a *Authenticator) Still(ctx context.Context, u User) (bool, error) {
	if u.account == nil {
		return true, nil
	}
	now, err := a.account(ctx, u.account.User.Name)
	return now != nil && (now == u.account || now.Same(u.account)), err
}

// Logout returns the Set-Cookie header that ends a session in the client.
func (a *Authenticator) Logout(r *http.Request) string {
	return a.set.Load().cookie("", a.opt.Now(), a.opt.Secure(r))
}
