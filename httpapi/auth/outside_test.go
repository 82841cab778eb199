package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestProxy(t *testing.T) {
	set := Settings{Handlers: []string{ByProxy}, Secret: []byte("k")}
	token := func(algorithm, name string) string { return hex.EncodeToString(mac(algorithm, []byte("k"), name)) }
	ask := func(set Settings, headers ...string) User {
		t.Helper()
		a, err := New(Options{Settings: set})
		if err != nil {
			t.Fatal(err)
		}
		u, _, err := a.Authenticate(request(headers...))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	const name, roles, signature = "X-Auth-CouchDB-UserName", "X-Auth-CouchDB-Roles", "X-Auth-CouchDB-Token"
	for _, algorithm := range []string{"sha256", "sha"} {
		u := ask(set, name, "anna", roles, "a, b,,", signature, token(algorithm, "anna"))
		if u.Name != "anna" || !slices.Equal(u.Roles, []string{"a", "b"}) || u.By != ByProxy || u.Admin {
			t.Errorf("signed with %s: %+v", algorithm, u)
		}
	}
	for _, headers := range [][]string{
		{name, "anna"}, {name, "anna", signature, ""}, {name, "anna", signature, token("sha256", "ben")},
		{name, "anna", signature, token("sha512", "anna")}, {name, "anna", signature, "zz"}, {signature, token("sha256", "")},
	} {
		if u := ask(set, headers...); !u.Anonymous() {
			t.Errorf("%v: %+v", headers, u)
		}
	}
	if u := ask(set, name, "root", roles, "_admin", signature, token("sha256", "root")); !u.Admin {
		t.Errorf("an administrator: %+v", u)
	}
	set.ProxyUnsigned = true
	if u := ask(set, name, "anna"); u.Name != "anna" {
		t.Errorf("unsigned: %+v", u)
	}
	set.Handlers = []string{ByCookie, ByBasic}
	if u := ask(set, name, "anna"); !u.Anonymous() {
		t.Errorf("not in use: %+v", u)
	}
}

// Who signs up with a hash of his own making chooses the salt, and so the key that signs
// his sessions: none that leaves the secret alone, with which proxies sign.
func TestASaltThatAddsNothingOpensNoSession(t *testing.T) {
	for _, salt := range []string{"", "\x00", "\x00\x00"} {
		doc, err := json.Marshal(map[string]any{
			"name": "eve", "roles": []string{}, "password_scheme": "pbkdf2", "pbkdf2_prf": "sha256", "iterations": 1,
			"salt": salt, "derived_key": strings.Repeat("00", 32),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseAccount(doc); err == nil {
			t.Errorf("with the salt %q somebody can log in", salt)
		}
		if _, err := ParseAccount([]byte(strings.Replace(string(doc), `"salt":"`, `"salt":"x`, 1))); err != nil {
			t.Errorf("with another salt: %v", err)
		}
	}
}

func publicPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))), "\n", `\n`)
}

func TestJWT(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edPublic, edKey, _ := ed25519.GenerateKey(rand.Reader)
	secret := []byte("a secret of a fair length")
	rsaPEM := publicPEM(t, &rsaKey.PublicKey)
	a, err := New(Options{Now: func() time.Time { return now }, Settings: Settings{Handlers: []string{ByJWT}, JWT: JWTSettings{
		Keys: map[string]string{
			"hmac:_default": base64.StdEncoding.EncodeToString(secret), "rsa:r": rsaPEM,
			"ec:e": publicPEM(t, &ecKey.PublicKey), "eddsa:d": publicPEM(t, edPublic),
		},
		Required: `exp, {iss, "me"}`, RolesPath: `realm.my\.roles`,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "anna", "iss": "me", "exp": now.Add(time.Minute).Unix(), "realm": map[string]any{"my.roles": []string{"cook"}}}
		if change != nil {
			change(c)
		}
		return c
	}
	for _, c := range []struct {
		name   string
		method jwt.SigningMethod
		kid    any
		key    any
		change func(jwt.MapClaims)
		reason string // "" if it is taken
	}{
		{"HS256", jwt.SigningMethodHS256, nil, secret, nil, ""},
		{"HS512", jwt.SigningMethodHS512, nil, secret, nil, ""},
		{"RS256", jwt.SigningMethodRS256, "r", rsaKey, nil, ""},
		{"ES256", jwt.SigningMethodES256, "e", ecKey, nil, ""},
		{"EdDSA", jwt.SigningMethodEdDSA, "d", edKey, nil, ""},
		{"none", jwt.SigningMethodNone, nil, jwt.UnsafeAllowNoneSignatureType, nil, "signature"},
		{"PS256", jwt.SigningMethodPS256, "r", rsaKey, nil, "signature"},
		{"a public key for a secret", jwt.SigningMethodHS256, "r", []byte(strings.ReplaceAll(rsaPEM, `\n`, "\n")), nil, "Unknown kid"},
		{"another secret", jwt.SigningMethodHS256, nil, []byte("x"), nil, "signature"},
		{"another key's name", jwt.SigningMethodHS256, "x", secret, nil, "Unknown kid"},
		{"a name that is none", jwt.SigningMethodHS256, 5, secret, nil, "Unknown kid"},
		{"over", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { c["exp"] = now.Unix() }, "exp not in future"},
		{"early, though nobody asks for it", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Second).Unix() }, "nbf not in past"},
		{"roles that are none", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { c["realm"] = map[string]any{"my.roles": []any{1}} }, "Malformed"},
		{"no roles", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { delete(c, "realm") }, "missing json key: realm"},
		{"roles elsewhere", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { c["realm"] = []string{"cook"} }, "missing json key: my.roles"},
		{"an end that is none", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { c["exp"] = "never" }, "Invalid exp"},
		{"without exp", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { delete(c, "exp") }, "Missing exp claim"},
		{"of somebody else", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { c["iss"] = "you" }, "iss"},
		{"a critical header", jwt.SigningMethodHS256, nil, secret, nil, "crit"},
		{"of nobody", jwt.SigningMethodHS256, nil, secret, func(c jwt.MapClaims) { delete(c, "sub") }, "sub"},
	} {
		token := jwt.NewWithClaims(c.method, claims(c.change))
		if c.kid != nil {
			token.Header["kid"] = c.kid
		}
		if c.name == "a critical header" {
			token.Header["crit"] = []string{"exp"}
		}
		text, err := token.SignedString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		u, _, err := a.Authenticate(request("Authorization", "Bearer "+text))
		refused, _ := errors.AsType[*TokenError](err)
		switch {
		case c.reason == "" && (err != nil || u.Name != "anna" || !slices.Equal(u.Roles, []string{"cook"}) || u.By != ByJWT):
			t.Errorf("%s: %+v, %v", c.name, u, err)
		case c.reason != "" && (refused == nil || !strings.Contains(refused.Reason, c.reason) || !u.Anonymous()):
			t.Errorf("%s: %+v, %v", c.name, u, err)
		}
	}
	for _, bad := range []JWTSettings{
		{Keys: map[string]string{"hmac:x": "!"}}, {Keys: map[string]string{"x": "eA=="}}, {Keys: map[string]string{"ec:x": rsaPEM}},
		{Keys: map[string]string{"rsa:x": "x"}}, {Required: "{iss}"},
	} {
		if err := a.Configure(Settings{JWT: bad}); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// typ, alg and kid may be required as in CouchDB: they are the header's.
func TestRequiredOfTheHeader(t *testing.T) {
	secret := []byte("a secret of a fair length")
	encoded := base64.StdEncoding.EncodeToString(secret)
	for _, c := range []struct {
		required, typ, kid string // "": the token does not have it
		reason             string // "" if it is taken
	}{
		{"exp, kid", "JWT", "k", ""}, {"exp, kid", "JWT", "", "Missing kid claim"},
		{`{kid, "k"}`, "JWT", "k", ""}, {`{kid, "k"}`, "JWT", "other", "Invalid kid claim"},
		{"typ,alg", "JWT", "", ""}, {"typ", "", "", "Missing typ header parameter"}, {"typ", "at+jwt", "", "Invalid typ header parameter"},
		{`{typ, "at+jwt"}`, "at+jwt", "", ""}, {`{alg, "RS256"}`, "JWT", "", "Invalid alg header parameter"},
	} {
		a, err := New(Options{Settings: Settings{Handlers: []string{ByJWT}, JWT: JWTSettings{
			Keys: map[string]string{"hmac:_default": encoded, "hmac:k": encoded, "hmac:other": encoded}, Required: c.required,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "anna", "exp": time.Now().Add(time.Minute).Unix()})
		for name, value := range map[string]string{"typ": c.typ, "kid": c.kid} {
			if token.Header[name] = value; value == "" {
				delete(token.Header, name)
			}
		}
		text, err := token.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		u, _, err := a.Authenticate(request("Authorization", "Bearer "+text))
		refused, _ := errors.AsType[*TokenError](err)
		switch {
		case c.reason == "" && (err != nil || u.Name != "anna"):
			t.Errorf("%+v: %+v, %v", c, u, err)
		case c.reason != "" && (refused == nil || refused.Reason != c.reason || !refused.Bad || !u.Anonymous()):
			t.Errorf("%+v: %+v, %v", c, u, err)
		}
	}
}

// CouchDB reads both forms in which RSA keys are written in PEM.
func TestRSAKeysInTheirOlderForm(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	older := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)}))
	older = strings.ReplaceAll(strings.TrimSpace(older), "\n", `\n`)
	a, err := New(Options{Settings: Settings{Handlers: []string{ByJWT}, JWT: JWTSettings{Keys: map[string]string{"rsa:_default": older}}}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"sub": "anna"}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	if u, _, err := a.Authenticate(request("Authorization", "Bearer "+text)); err != nil || u.Name != "anna" {
		t.Errorf("%+v, %v", u, err)
	}
	if err := (Settings{JWT: JWTSettings{Keys: map[string]string{"ec:x": older}}}).Check(); err == nil {
		t.Error("it is taken for a key of another kind")
	}
}

// Whatever stands in the headers: nobody becomes somebody, and nothing panics.
func FuzzHeaders(f *testing.F) {
	secret := []byte("k")
	a, err := New(Options{
		Admins: map[string]string{"root": "x"}, Devices: noDevices{},
		Settings: Settings{Handlers: []string{ByCookie, ByBasic, ByProxy, ByJWT}, Secret: secret,
			JWT: JWTSettings{Keys: map[string]string{"hmac:_default": "c2VjcmV0IG9mIHRoZSB0ZXN0"}, Required: "exp"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	device, err := a.SignDevice(&Device{ID: "1", Owner: "root", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer "+device, "AuthSession=x", "root", "00")
	f.Add("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.", "", "", "")
	f.Add("Basic cm9vdDp5", "AuthSession=cm9vdDo2NTUzRjEwMDp4", "root", "")
	f.Fuzz(func(t *testing.T, authorization, cookie, name, token string) {
		r := request()
		r.Header = http.Header{"Authorization": {authorization}, "Cookie": {cookie},
			"X-Auth-Couchdb-Username": {name}, "X-Auth-Couchdb-Token": {token}, "X-Auth-Couchdb-Roles": {"_admin"}}
		if user, _, _ := a.Authenticate(r); !user.Anonymous() && authorization != "Basic cm9vdDp4" {
			t.Fatalf("%q, %q, %q, %q is %+v", authorization, cookie, name, token, user)
		}
	})
}

type noDevices struct{}

func (noDevices) Device(_ context.Context, _ string) (*Device, error) { return nil, nil }

func FuzzAccount(f *testing.F) {
	f.Add([]byte(`{"name":"a","roles":["_admin","x"],"password_scheme":"pbkdf2","iterations":1,"salt":"s","derived_key":"00112233445566778899aabbccddeeff00112233"}`))
	f.Add([]byte(`{"name":"a","roles":null,"password_sha":"00112233445566778899aabbccddeeff00112233","salt":1}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		account, err := ParseAccount(doc)
		if err != nil {
			return
		}
		if account.User.Admin || account.User.Has("_admin") {
			t.Fatalf("%s makes an administrator", doc)
		}
		if account.password.iterations <= 1000 && account.password.scheme != SchemeScrypt && account.password.scheme != SchemeArgon2 && account.password.Matches("guess") {
			t.Fatalf("%s takes any password", doc)
		}
	})
}
