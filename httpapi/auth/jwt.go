package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// JWTSettings say which JSON Web Tokens are accepted.
type JWTSettings struct {
	// Keys are the keys in [jwt_keys], by KIND:ID. KIND is hmac (the secret in base64), or rsa,
	// ec or eddsa (the public key in PEM, its lines joined by \n). The key for tokens without a
	// key id is called _default.
	Keys map[string]string
	// Required are the claims that a token must have, comma-separated. Each is a name, or
	// {name, "value"} if the claim must have this value. typ, alg and kid are those of its header.
	Required string
	// RolesPath leads to the roles: names joined by dots; a dot in a name is written \. If it
	// is "", RolesClaim has the roles.
	RolesPath string
	// RolesClaim is the name of the claim with the roles (_couchdb.roles).
	RolesClaim string

	keys     map[string]any
	required []requiredClaim
	roles    []string // the path
}

type requiredClaim struct {
	name, value string
	valued      bool
}

// TokenError says why a bearer token is refused. It never shows the token.
type TokenError struct {
	Reason string
	// Bad says that the token could never be accepted, rather than that it has expired or
	// names no user.
	Bad bool
	// NoRoles says that the roles are not where the settings look for them.
	NoRoles bool
}

func (e *TokenError) Error() string { return e.Reason }

func refuseToken(format string, args ...any) error {
	return &TokenError{Reason: fmt.Sprintf(format, args...)}
}

func badToken(format string, args ...any) error {
	return &TokenError{Reason: fmt.Sprintf(format, args...), Bad: true}
}

// claimForm is a claim that is required: a name, or a name and its value.
var claimForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\{\s*([^\s{},]+)\s*,\s*"([^"]*)"\s*\}|([^\s{},]+)`)
})

// complete makes the settings ready for use.
func (j *JWTSettings) complete() error {
	j.keys = map[string]any{}
	for name, text := range j.Keys {
		key, err := parseJWTKey(name, text)
		if err != nil {
			return fmt.Errorf("[jwt_keys] %s: %w", name, err)
		}
		j.keys[name] = key
	}
	if err := j.completeRequired(); err != nil {
		return err
	}
	setDefault(&j.RolesClaim, "_couchdb.roles")
	j.roles = []string{j.RolesClaim}
	if j.RolesPath != "" {
		const dot = "\x00"
		j.roles = strings.Split(strings.ReplaceAll(j.RolesPath, `\.`, dot), ".")
		for i := range j.roles {
			j.roles[i] = strings.ReplaceAll(j.roles[i], dot, ".")
		}
	}
	return nil
}

func (j *JWTSettings) completeRequired() error {
	j.required = nil
	if j.Required == "" {
		return nil
	}
	if rest := claimForm().ReplaceAllString(j.Required, ""); strings.Trim(rest, ", ") != "" {
		return fmt.Errorf("[jwt_auth] required_claims: not names or {name, \"value\"} with commas between")
	}
	for _, m := range claimForm().FindAllStringSubmatch(j.Required, -1) {
		if m[3] != "" {
			j.required = append(j.required, requiredClaim{name: m[3]})
		} else {
			j.required = append(j.required, requiredClaim{name: m[1], value: m[2], valued: true})
		}
	}
	return nil
}

func parseJWTKey(name, text string) (any, error) {
	kind, _, ok := strings.Cut(name, ":")
	if !ok {
		return nil, errors.New("the name is KIND:ID")
	}
	if kind == "hmac" {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) == 0 {
			return nil, errors.New("the secret is not base64")
		}
		return key, nil
	}
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, errors.New("not a public key in PEM")
	}
	var key any
	var err error
	if block.Type == "RSA PUBLIC KEY" { // the older form, PKCS #1
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	} else {
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("not a public key in PEM")
	}
	_, isRSA := key.(*rsa.PublicKey)
	_, isEC := key.(*ecdsa.PublicKey)
	_, isEd := key.(ed25519.PublicKey)
	if isRSA && kind == "rsa" || isEC && kind == "ec" || isEd && (kind == "eddsa" || kind == "ed25519") {
		return crypto.PublicKey(key), nil
	}
	return nil, fmt.Errorf("not a key of the kind %s; there are hmac, rsa, ec and eddsa", kind)
}

// jwtKinds tells which kind of key belongs to an algorithm. A token is verified only with a
// key of its algorithm's kind, so nobody can use a public key as a secret.
var jwtKinds = map[string]string{
	"HS256": "hmac", "HS384": "hmac", "HS512": "hmac",
	"RS256": "rsa", "RS384": "rsa", "RS512": "rsa",
	"ES256": "ec", "ES384": "ec", "ES512": "ec",
	"EdDSA": "eddsa",
}

var jwtMethods = func() (names []string) {
	for name := range jwtKinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}()

// find returns the key for a token.
func (j *JWTSettings) find(t *jwt.Token) (any, error) {
	// A server must understand the extensions that a token calls critical, and this one
	// understands none (RFC 7515, 4.1.11).
	if _, there := t.Header["crit"]; there {
		return nil, errCritical
	}
	id := "_default"
	if given, there := t.Header["kid"]; there {
		text, ok := given.(string)
		if !ok {
			return nil, errNoKey
		}
		id = text
	}
	kind := jwtKinds[t.Method.Alg()]
	if key, ok := j.keys[kind+":"+id]; ok {
		return key, nil
	}
	if key, ok := j.keys["ed25519:"+id]; ok && kind == "eddsa" {
		return key, nil
	}
	return nil, errNoKey
}

var (
	errNoKey    = errors.New("no such key")
	errCritical = errors.New("a critical header that is not understood")
)

// user returns the user that a token names, if one of the keys has signed it.
func (j *JWTSettings) user(token string, now func() time.Time) (User, error) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods(jwtMethods), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation())
	parsed, err := parser.ParseWithClaims(token, claims, j.find)
	if err != nil {
		return User{}, tokenBad(err)
	}
	if err := j.checkClaims(parsed.Header, claims, now()); err != nil {
		return User{}, err
	}
	name, err := claims.GetSubject()
	if err != nil || name == "" {
		return User{}, refuseToken("Token missing sub claim.")
	}
	roles, err := j.rolesOf(claims)
	if err != nil {
		return User{}, err
	}
	return outside(name, roles, ByJWT), nil
}

// checkClaims checks the claims that a token must have, and when it starts and expires. Whoever
// makes a token for later means that it is no good now, so nbf counts even if it is not
// required; in CouchDB it does not. The time at which it was made counts only if it is required.
func (j *JWTSettings) checkClaims(header map[string]any, claims jwt.MapClaims, now time.Time) error {
	for _, want := range j.required {
		if ofHeader(want.name) {
			if err := want.checkHeader(header); err != nil {
				return err
			}
			continue
		}
		value, there := claims[want.name]
		if !there {
			return badToken("Missing %s claim", want.name)
		}
		if text, _ := value.(string); want.valued && text != want.value {
			return badToken("Invalid %s claim", want.name)
		}
		if want.name != "iat" {
			continue
		}
		made, err := claims.GetIssuedAt()
		if err != nil {
			return badToken("Invalid iat claim")
		}
		if made != nil && made.After(now) {
			return refuseToken("iat not in past")
		}
	}
	start, err := claims.GetNotBefore()
	if err != nil {
		return badToken("Invalid nbf claim")
	}
	if start != nil && start.After(now) {
		return refuseToken("nbf not in past")
	}
	end, err := claims.GetExpirationTime()
	if err != nil {
		return badToken("Invalid exp claim")
	}
	if end != nil && !end.After(now) {
		return refuseToken("exp not in future")
	}
	return nil
}

// ofHeader tells whether required_claims means a parameter of the token's header by a name, as in CouchDB.
func ofHeader(name string) bool { return name == "typ" || name == "alg" || name == "kid" }

func (want requiredClaim) checkHeader(header map[string]any) error {
	what := "header parameter"
	if want.name == "kid" {
		what = "claim" // so CouchDB calls it
	}
	value, there := header[want.name]
	if !there {
		return badToken("Missing %s %s", want.name, what)
	}
	text, _ := value.(string)
	if want.valued && text != want.value || want.name == "typ" && !want.valued && text != "JWT" {
		return badToken("Invalid %s %s", want.name, what)
	}
	return nil
}

// tokenBad says in CouchDB's words what is wrong with a token before its claims are checked.
func tokenBad(err error) error {
	switch {
	case errors.Is(err, errCritical):
		return badToken("Unsupported crit header parameter")
	case errors.Is(err, errNoKey):
		return badToken("Unknown kid")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return badToken("Malformed token")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return badToken("Invalid alg header parameter")
	}
	return badToken("Bad signature")
}

// tokenRefused says what is wrong with a token, without showing it.
func tokenRefused(err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return refuseToken("The token has expired.")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refuseToken("The token is not valid yet.")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuseToken("The token is malformed.")
	}
	return refuseToken("The token is not signed with a key that this server knows.")
}

// rolesOf follows the path to the roles, a list or comma-separated text. A token without the
// claim has none; a path in the settings must lead to them.
func (j *JWTSettings) rolesOf(claims jwt.MapClaims) (roles []string, err error) {
	var at any = map[string]any(claims)
	for _, name := range j.roles {
		m, _ := at.(map[string]any)
		value, there := m[name]
		if !there && j.RolesPath != "" {
			return nil, &TokenError{Reason: "missing json key: " + name, NoRoles: true}
		}
		at = value
	}
	switch at := at.(type) {
	case nil:
		return []string{}, nil
	case string:
		return splitRoles(at), nil
	}
	b, err := json.Marshal(at)
	if err != nil || json.Unmarshal(b, &roles) != nil || roles == nil {
		return nil, badToken("Malformed token")
	}
	return roles, nil
}
