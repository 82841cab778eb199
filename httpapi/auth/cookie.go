package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// CookieName is the name of the session cookie.
const CookieName = "AuthSession"

// ErrBadCookie says that a session cookie is malformed, not that it has expired.
var ErrBadCookie = errors.New("malformed session cookie")

// A cookie is base64url("name:TIME:" + HMAC(secret + salt, "name:TIME")). TIME is the second
// of its creation in upper-case hex. The salt is the salt of the password's hash, so a new
// password ends all sessions.
func (set *Settings) seal(salt, name string, now time.Time) string {
	data := name + ":" + strings.ToUpper(strconv.FormatInt(now.Unix(), 16))
	signature := mac(set.Algorithms[0], set.cookieKey(salt), data)
	return base64.RawURLEncoding.EncodeToString(append([]byte(data+":"), signature...))
}

func (set *Settings) cookieKey(salt string) []byte {
	return append(append(make([]byte, 0, 64), set.Secret...), salt...)
}

// session is what a cookie says. It is not verified yet.
type session struct {
	name string
	made time.Time
	data string
	mac  string
}

func parseCookie(value string) (session, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil {
		return session{}, ErrBadCookie
	}
	// The signature is raw bytes and may contain colons.
	parts := strings.SplitN(string(raw), ":", 3)
	if len(parts) != 3 {
		return session{}, ErrBadCookie
	}
	seconds, err := strconv.ParseInt(parts[1], 16, 64)
	if err != nil {
		return session{}, ErrBadCookie
	}
	return session{name: parts[0], made: time.Unix(seconds, 0), data: string(raw[:len(parts[0])+1+len(parts[1])]), mac: parts[2]}, nil
}

// signedWith tells whether the server has signed the session.
func (s session) signedWith(set *Settings, salt string) bool {
	return set.signed(set.cookieKey(salt), s.data, []byte(s.mac))
}

// cookie makes a Set-Cookie header. Scripts cannot read the cookie, and one that was set over
// TLS is sent only over TLS. CouchDB adds a Version; package http has no field for it.
func (set *Settings) cookie(value string, now time.Time, secure bool) string {
	text := CookieName + "=" + value + "; Version=1"
	if seconds := int(set.Timeout / time.Second); value == "" {
		text += "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0"
	} else if !set.ToTheEnd {
		text += fmt.Sprintf("; Expires=%s; Max-Age=%d", now.Add(set.Timeout).UTC().Format(http.TimeFormat), seconds)
	}
	text += "; Path=/; HttpOnly"
	if secure {
		text += "; Secure"
	}
	if set.SameSite != "" {
		text += "; SameSite=" + strings.ToUpper(set.SameSite[:1]) + strings.ToLower(set.SameSite[1:])
	}
	if set.Domain != "" {
		text += "; Domain=" + set.Domain
	}
	return text
}
