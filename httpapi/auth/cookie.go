package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// CookieName is the name of the session cookie.
const CookieName = "AuthSession"

// ErrBadCookie tells of a session cookie that is none, rather than one that ended.
var ErrBadCookie = errors.New("malformed session cookie")

// A cookie is base64url("name:TIME:" + HMAC-SHA256(secret + salt, "name:TIME")), TIME
// being the second of its making in upper-case hex. The salt is that of the password's
// hash, so that a new password ends all sessions.
func sealCookie(secret []byte, salt, name string, now time.Time) string {
	data := name + ":" + strings.ToUpper(strconv.FormatInt(now.Unix(), 16))
	return base64.RawURLEncoding.EncodeToString(append([]byte(data+":"), sign(secret, salt, data)...))
}

func sign(secret []byte, salt, data string) []byte {
	key := make([]byte, 0, 64)
	mac := hmac.New(sha256.New, append(append(key, secret...), salt...))
	mac.Write([]byte(data))
	return mac.Sum(nil)
}

// session is what a cookie says before it is believed.
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
	// The signature is raw bytes and may hold colons of its own.
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

// signedWith tells whether the server made it.
func (s session) signedWith(secret []byte, salt string) bool {
	return hmac.Equal([]byte(s.mac), sign(secret, salt, s.data))
}
