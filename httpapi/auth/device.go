package auth

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Device is what a device may do. It has a token of its own instead of its user's password.
// The token is a JSON Web Token that this server signs. Its rights are in the server's
// record, so a token without a record is worth nothing.
type Device struct {
	ID      string    `json:"id"`
	Owner   string    `json:"owner"`
	Name    string    `json:"device"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Scope

	// Account is the mark of the account that it was issued for (Authenticator.Mark). Only the
	// record has it.
	Account string `json:"-"`
}

// Scope is the part of its owner's rights that a token has. It never gives rights of an
// administrator.
type Scope struct {
	Databases []string        `json:"databases"`
	Access    string          `json:"access"` // ReadOnly or ReadWrite
	Prefix    string          `json:"id_prefix,omitempty"`
	Selector  json.RawMessage `json:"selector,omitempty"`
}

const (
	ReadOnly  = "read"
	ReadWrite = "read-write"
)

// Covers tells whether a database is within the scope.
func (s *Scope) Covers(db string) bool { return slices.Contains(s.Databases, db) }

// Partial tells whether only some documents of the databases are within the scope.
func (s *Scope) Partial() bool { return s.Prefix != "" || s.Selector != nil }

// Devices finds the records of tokens.
type Devices interface {
	// Device finds a record by its id. It returns nil if it was revoked or has expired.
	Device(ctx context.Context, id string) (*Device, error)
}

const (
	deviceType   = "tododb-device+jwt"
	deviceIssuer = "tododb"
)

// deviceClaims is what a device can read in its token. The server uses only the registered
// claims.
type deviceClaims struct {
	jwt.RegisteredClaims
	Device    string   `json:"device,omitempty"`
	Databases []string `json:"databases"`
	Access    string   `json:"access"`
}

// deviceKey signs only tokens of devices. So nothing else that the secret signs can pass as
// one.
func (set *Settings) deviceKey() []byte { return mac("sha256", set.Secret, "tokens of devices") }

// SignDevice makes the token for a record.
func (a *Authenticator) SignDevice(d *Device) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, deviceClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: deviceIssuer, Subject: d.Owner, ID: d.ID,
			IssuedAt: jwt.NewNumericDate(d.Issued), ExpiresAt: jwt.NewNumericDate(d.Expires),
		},
		Device: d.Name, Databases: d.Databases, Access: d.Access,
	})
	t.Header["typ"] = deviceType
	token, err := t.SignedString(a.set.Load().deviceKey())
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

// IsDeviceToken tells from the header whether a token is a device's. That proves nothing.
func IsDeviceToken(token string) bool {
	head, _, ok := strings.Cut(token, ".")
	if !ok || len(head) > 1024 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return false
	}
	var header struct {
		Type string `json:"typ"`
	}
	return json.Unmarshal(raw, &header) == nil && header.Type == deviceType
}

// byDevice finds the user whose device a token is for.
func (a *Authenticator) byDevice(ctx context.Context, token string) (User, error) {
	set := a.set.Load()
	var claims deviceClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(a.opt.Now),
		jwt.WithIssuer(deviceIssuer), jwt.WithExpirationRequired())
	_, err := parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != deviceType {
			return nil, errors.New("another kind of token")
		}
		return set.deviceKey(), nil
	})
	if err != nil {
		return User{}, tokenRefused(err)
	}
	d, err := a.opt.Devices.Device(ctx, claims.ID)
	if err != nil {
		return User{}, err
	}
	if d == nil || d.Owner != claims.Subject {
		return User{}, refuseToken("The token has been revoked.")
	}
	if !a.opt.Now().Before(d.Expires) {
		return User{}, refuseToken("The token has expired.")
	}
	owner, err := a.owner(ctx, d)
	if err != nil {
		return User{}, err
	}
	if owner == nil {
		return User{}, refuseToken("The owner of the token is no user any more, or has another password.")
	}
	u := userBy(owner, ByToken)
	u.Device, u.OwnerAdmin, u.Admin = d, u.Admin, false
	u.Roles = slices.DeleteFunc(slices.Clone(u.Roles), func(r string) bool { return strings.HasPrefix(r, "_") })
	return u, nil
}

// Mark identifies the account that has a name now. Earlier and later accounts with the same
// name have another mark, and so does the same account with another password. It is "" if
// there is no account. A device's token is valid only for the account that it was issued for.
func (a *Authenticator) Mark(ctx context.Context, name string) (string, error) {
	known, err := a.account(ctx, name)
	if known == nil || err != nil {
		return "", err
	}
	return known.mark(), nil
}

// mark depends on the salt, as sessions do: a new account and a new password have a new one.
// It does not depend on the secret, which may change during the life of an account.
func (a *Account) mark() string {
	return hex.EncodeToString(mac("sha256", []byte("account"), a.User.Name+"\x00"+a.password.salt))
}

// owner returns the account that a token was issued for; nil if it is gone.
func (a *Authenticator) owner(ctx context.Context, d *Device) (*Account, error) {
	known, err := a.account(ctx, d.Owner)
	if known == nil || err != nil || known.mark() != d.Account {
		return nil, err
	}
	return known, nil
}

// Owned tells whether the account that a token was issued for still exists.
func (a *Authenticator) Owned(ctx context.Context, d *Device) (bool, error) {
	known, err := a.owner(ctx, d)
	return known != nil, err
}
