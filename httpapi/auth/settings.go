package auth

import (
	"crypto/hmac"

	"fmt"
	"hash"
	"time"
)

// Ways of authentication, as _session names them.
const (
	ByCookie = "cookie"
	ByBasic  = "default"
	ByProxy  = "proxy"
	ByJWT    = "jwt"
	ByToken  = "token" // of a device
)

// Settings may change while an Authenticator is in use. The zero value stands for CouchDB's
// defaults.
type Settings struct {
	// Handlers are the ways to try, in this order (ByCookie, ByBasic). Device tokens are
	// always accepted.
	Handlers []string

	// Secret signs session cookies and tokens of proxies and devices. If it is empty, it is
	// random, and sessions end with the process.
	Secret []byte
	// Algorithms are the hash functions of signatures (sha256, sha). The first one signs, and
	// all are accepted.
	Algorithms []string

	Timeout  time.Duration // how long a session cookie lasts (10 minutes); it is renewed while in use
	ToTheEnd bool          // a session ends with the browser: its cookie has no Max-Age
	SameSite string        // "", none, lax or strict
	Domain   string        // of the cookie; "": the server's own

	ProxyUnsigned bool   // headers of a proxy need no token
	ProxyName     string // header with the name (X-Auth-CouchDB-UserName)
	ProxyRoles    string // header with the roles, comma-separated (X-Auth-CouchDB-Roles)
	ProxyToken    string // header with the token (X-Auth-CouchDB-Token)

	JWT JWTSettings

	// PasswordRules are expressions that new passwords of users must match, in Erlang's form. If
	// they cannot be read, no new password is accepted.
	PasswordRules string

	Hashing       Hashing // of new passwords (DefaultHashing)
	KeepHashes    bool    // do not replace hashes of another kind at login
	MinIterations int     // of pbkdf2; users with fewer cannot log in (1)
	MaxIterations int     // of pbkdf2; users with more cannot log in (10,000,000)

	Lockout Lockout

	passwordRules passwordRules
}

// complete fills in the defaults and refuses invalid values.
func (s Settings) complete(random []byte) (*Settings, error) {
	if s.Handlers == nil {
		s.Handlers = []string{ByCookie, ByBasic}
	}
	for _, h := range s.Handlers {
		switch h {
		case ByCookie, ByBasic, ByProxy, ByJWT:
		default:
			return nil, fmt.Errorf("no way to authenticate called %q", h)
		}
	}
	if len(s.Secret) == 0 {
		s.Secret = random
	}
	if len(s.Algorithms) == 0 {
		s.Algorithms = []string{"sha256", "sha"}
	}
	for _, name := range s.Algorithms {
		if prfs[name] == nil {
			return nil, fmt.Errorf("no hash function called %q", name)
		}
	}
	setDefault(&s.Timeout, 10*time.Minute)
	setDefault(&s.ProxyName, "X-Auth-CouchDB-UserName")
	setDefault(&s.ProxyRoles, "X-Auth-CouchDB-Roles")
	setDefault(&s.ProxyToken, "X-Auth-CouchDB-Token")
	setDefault(&s.Hashing, DefaultHashing)
	setDefault(&s.MinIterations, 1)
	setDefault(&s.MaxIterations, 10_000_000)
	s.Lockout = s.Lockout.complete()
	s.passwordRules = parsePasswordRules(s.PasswordRules)
	return &s, s.JWT.complete()
}

// Check tells what is wrong with settings.
func (s Settings) Check() error {
	_, err := s.complete(nil)
	return err
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// mac signs with one of the hash functions.
func mac(algorithm string, key []byte, data string) []byte {
	m := hmac.New(func() hash.Hash { return prfs[algorithm]() }, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}

// signed tells whether data is signed with any of the hash functions in use.
func (s *Settings) signed(key []byte, data string, signature []byte) bool {
	for _, algorithm := range s.Algorithms {
		if hmac.Equal(signature, mac(algorithm, key, data)) {
			return true
		}
	}
	return false
}
