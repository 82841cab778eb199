package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

var (
	ErrBadLogin  = errors.New("name or password is incorrect")
	ErrBadBase64 = errors.New("authorization header is not base64")
)

// Options say whom an Authenticator knows.
type Options struct {
	// Admins are the administrators, name to password hash or password in clear, as
	// in [admins]. Without any there is no administrator.
	Admins map[string]string
	// Secret signs session cookies. Empty: a random one, so that sessions end with
	// the process.
	Secret []byte
	// Timeout is how long a session cookie is good for (10 minutes). It is renewed
	// while it is used.
	Timeout time.Duration
	// Now is the clock (time.Now).
	Now func() time.Time
}

// Authenticator tells who is asking. It is safe for use by several goroutines.
type Authenticator struct {
	random []byte // the secret while the settings have none
	now    func() time.Time

	verified *verified
	hashing  chan struct{} // holds a token while a password is hashed: one processor, never all

	mu      sync.RWMutex // guards what follows
	admins  map[string]Password
	secret  []byte
	timeout time.Duration
}

// New reads the administrators' passwords; its error names the one it cannot read.
func New(opt Options) (*Authenticator, error) {
	a := &Authenticator{
		random: make([]byte, 32), now: opt.Now,
		verified: newVerified(), hashing: make(chan struct{}, 1),
	}
	rand.Read(a.random)
	a.SetSessions(opt.Secret, opt.Timeout)
	if a.now == nil {
		a.now = time.Now
	}
	return a, a.SetAdmins(opt.Admins)
}

// SetSessions replaces what signs session cookies and how long they are good for, with
// the meaning that Options give them.
func (a *Authenticator) SetSessions(secret []byte, timeout time.Duration) {
	if len(secret) == 0 {
		secret = a.random
	}
	if timeout <= 0 {
		timeout = 10 * time.Minute
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.secret, a.timeout = secret, timeout
}

func (a *Authenticator) sessions() (secret []byte, timeout time.Duration) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.secret, a.timeout
}

// SetAdmins replaces the administrators. Sessions and remembered credentials of those
// whose password has changed end at once.
func (a *Authenticator) SetAdmins(values map[string]string) error {
	admins := map[string]Password{}
	for name, value := range values {
		p, err := ParsePassword(value)
		if err != nil {
			return fmt.Errorf("administrator %q: %w", name, err)
		}
		admins[name] = p
	}
	a.mu.Lock()
	a.admins = admins
	a.mu.Unlock()
	a.verified.forget()
	return nil
}

// account finds what is known of a name.
func (a *Authenticator) account(name string) (User, Password, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	p, ok := a.admins[name]
	return User{Name: name, Roles: adminRoles, Admin: true}, p, ok
}

var adminRoles = []string{"_admin"}

// Authenticate tells who asks. Credentials that prove nothing are an error, none at
// all are not. A session that holds goes before an Authorization header. Where the
// session should be prolonged, renew is the Set-Cookie header to send.
func (a *Authenticator) Authenticate(r *http.Request) (user User, renew string, err error) {
	if len(r.Header["Cookie"]) > 0 {
		user, renew, err = a.bySession(r)
		if err != nil || !user.Anonymous() {
			return user, renew, err
		}
	}
	if header := r.Header.Get("Authorization"); header != "" {
		user, err = a.byBasic(r.Context(), header)
	}
	return user, "", err
}

func (a *Authenticator) bySession(r *http.Request) (User, string, error) {
	cookie, err := r.Cookie(CookieName)
	if err != nil || cookie.Value == "" {
		return User{}, "", nil
	}
	s, err := parseCookie(cookie.Value)
	if err != nil {
		return User{}, "", err
	}
	user, password, ok := a.account(s.name)
	now := a.now()
	secret, timeout := a.sessions()
	left := s.made.Add(timeout).Sub(now)
	if !ok || left <= 0 || !s.signedWith(secret, password.salt) {
		return User{}, "", nil
	}
	user.By = "cookie"
	renew := ""
	if left < timeout-timeout/10 {
		renew = a.cookie(sealCookie(secret, password.salt, s.name, now), r.TLS != nil)
	}
	return user, renew, nil
}

func (a *Authenticator) byBasic(ctx context.Context, header string) (User, error) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return User{}, nil
	}
	h := a.verified.hash(encoded)
	if user, ok := a.verified.get(h); ok {
		return user, nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return User{}, ErrBadBase64
	}
	name, password, ok := strings.Cut(string(raw), ":")
	if !ok {
		return User{}, nil
	}
	return a.verify(ctx, name, password, h)
}

// verify compares a name and a password with what is known, and remembers a success
// under h.
func (a *Authenticator) verify(ctx context.Context, name, password string, h [32]byte) (User, error) {
	user, known, ok := a.account(name)
	if !ok {
		return User{}, ErrBadLogin
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return User{}, ctx.Err()
	}
	// Of many first requests at once the others find what the first has found out.
	if user, ok := a.verified.get(h); ok {
		return user, nil
	}
	if !known.Matches(password) {
		return User{}, ErrBadLogin
	}
	user.By = "default"
	// Not remembered if the password has changed while it was being hashed.
	a.mu.RLock()
	defer a.mu.RUnlock()
	if now, ok := a.admins[name]; ok && string(now.key) == string(known.key) {
		a.verified.put(h, user)
	}
	return user, nil
}

// Login begins a session: ErrBadLogin, or the user and the Set-Cookie header to send.
func (a *Authenticator) Login(r *http.Request, name, password string) (User, string, error) {
	credentials := base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
	user, err := a.verify(r.Context(), name, password, a.verified.hash(credentials))
	if err != nil {
		return User{}, "", err
	}
	_, known, _ := a.account(user.Name)
	secret, _ := a.sessions()
	return user, a.cookie(sealCookie(secret, known.salt, user.Name, a.now()), r.TLS != nil), nil
}

// IsAdmin tells whether there is an administrator of that name and password.
func (a *Authenticator) IsAdmin(ctx context.Context, name, password string) bool {
	user, err := a.verify(ctx, name, password, a.verified.hash(base64.StdEncoding.EncodeToString([]byte(name+":"+password))))
	return err == nil && user.Admin
}

// Logout is the Set-Cookie header that ends a session in the client.
func (a *Authenticator) Logout(r *http.Request) string { return a.cookie("", r.TLS != nil) }

// cookie dresses a value. Scripts of a page cannot read it; over TLS it stays there.
// The Version is CouchDB's, which package http has no field for.
func (a *Authenticator) cookie(value string, secure bool) string {
	_, timeout := a.sessions()
	expires := a.now().Add(timeout).UTC().Format(http.TimeFormat)
	text := fmt.Sprintf("%s=%s; Version=1; Expires=%s; Max-Age=%d; Path=/; HttpOnly", CookieName, value, expires, timeout/time.Second)
	if secure {
		text += "; Secure"
	}
	return text
}
