package auth

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// iterations of a new hash, as CouchDB 3.5 has them.
const iterations = 600000

// Password is what is stored of a password. It is the hash in a user's document, or an
// administrator's hash in [admins], where it may also be plain text.
//
//	-pbkdf2:sha256-KEY,SALT,ITERATIONS   what Hash writes; sha, sha224, sha384 and sha512 are read too
//	-pbkdf2-KEY,SALT,ITERATIONS          with SHA-1, from CouchDB before 3.4
//	-hashed-KEY,SALT                     SHA-1 of password and salt, from CouchDB 1
type Password struct {
	scheme     string // of a document of _users; schemeClear
	prf        func() hash.Hash
	prfName    string
	key        []byte
	salt       string
	iterations int // of pbkdf2
}

// schemeClear is a plain password. Key and salt are then its SHA-256.
const schemeClear = "clear"

// IsHash tells whether a value of [admins] is already a hash.
func IsHash(value string) bool {
	return strings.HasPrefix(value, "-pbkdf2-") || strings.HasPrefix(value, "-pbkdf2:") || strings.HasPrefix(value, "-hashed-")
}

// Hash makes the value of [admins] for a password. It is one of pbkdf2 whatever the scheme is, so
// CouchDB can read it. With DefaultHashing it takes a good part of a second, which makes guessing slow.
func Hash(password string, h Hashing) (string, error) {
	prf := prfs[h.PRF]
	if prf == nil {
		return "", fmt.Errorf("hash a password: there is no hash function %q", h.PRF)
	}
	var random [16]byte
	rand.Read(random[:])
	salt := hex.EncodeToString(random[:]) // CouchDB uses the text as the salt, not the bytes
	key, err := pbkdf2.Key(prf, password, []byte(salt), h.Iterations, prf().Size())
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return fmt.Sprintf("-pbkdf2:%s-%x,%s,%d", h.PRF, key, salt, h.Iterations), nil
}

var prfs = map[string]func() hash.Hash{
	"sha": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

// ParsePassword reads a value of [admins].
func ParsePassword(value string) (Password, error) {
	if !IsHash(value) {
		sum := sha256.Sum256([]byte(value))
		return Password{scheme: schemeClear, key: sum[:], salt: hex.EncodeToString(sum[:])}, nil
	}
	scheme, rest, _ := strings.Cut(value[1:], "-")
	fields := strings.Split(rest, ",")
	p := Password{scheme: SchemeSimple}
	if want := 3; scheme == "hashed" {
		want = 2
		if len(fields) != want {
			return Password{}, errBadHash
		}
	} else {
		_, name, named := strings.Cut(scheme, ":")
		if !named {
			name = "sha"
		}
		p.scheme = SchemePBKDF2
		if p.prfName, p.prf = name, prfs[name]; p.prf == nil || len(fields) != want {
			return Password{}, errBadHash
		}
		n, err := strconv.Atoi(fields[2])
		if err != nil || n < 1 {
			return Password{}, errBadHash
		}
		p.iterations = n
	}
	key, err := hex.DecodeString(fields[0])
	if err != nil || len(key) < 16 {
		return Password{}, errBadHash
	}
	p.key, p.salt = key, fields[1]
	return p, nil
}

// errBadHash does not show the hash.
var errBadHash = fmt.Errorf("not a password hash of the form -pbkdf2:sha256-KEY,SALT,ITERATIONS")

// Matches compares in constant time.
func (p Password) Matches(password string) bool {
	var key []byte
	switch p.scheme {
	case schemeClear:
		sum := sha256.Sum256([]byte(password))
		key = sum[:]
	case SchemeSimple:
		sum := sha1.Sum([]byte(password + p.salt))
		key = sum[:]
	case SchemePBKDF2:
		var err error
		if key, err = pbkdf2.Key(p.prf, password, []byte(p.salt), p.iterations, len(p.key)); err != nil {
			return false
		}
	default:
		key = p.with(password)
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1
}
