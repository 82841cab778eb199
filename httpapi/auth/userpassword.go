package auth

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/scrypt"

	"github.com/tododb/tododb/store/jsonscan"
)

// Schemes of passwords in documents of _users. The first two are CouchDB's. The others are
// our own: CouchDB keeps such a document but lets nobody log in with it.
const (
	SchemeSimple = "simple" // SHA-1 of password and salt; read, never made
	SchemePBKDF2 = "pbkdf2"
	SchemeScrypt = "tododb-scrypt"
	SchemeArgon2 = "tododb-argon2id"
)

// Hashing says how new passwords are stored.
type Hashing struct {
	Scheme     string // SchemePBKDF2, SchemeScrypt or SchemeArgon2
	PRF        string // of pbkdf2: sha, sha224, sha256, sha384 or sha512
	Iterations int    // of pbkdf2
}

// DefaultHashing is what CouchDB 3.5 does.
var DefaultHashing = Hashing{Scheme: SchemePBKDF2, PRF: "sha256", Iterations: iterations}

// The costs of the schemes without settings. Their authors recommend them for logins. They
// are about as slow as the pbkdf2 of DefaultHashing.
const (
	scryptN, scryptR, scryptP                 = 1 << 16, 8, 1
	argonTime, argonMemory, argonLanes uint32 = 2, 64 << 10, 1 // memory in KiB
)

// userPassword has the members of a user's document that hold the password.
type userPassword struct {
	Scheme     *string         `json:"password_scheme"`
	PRF        string          `json:"pbkdf2_prf"`
	Iterations json.RawMessage `json:"iterations"`
	Salt       string          `json:"salt"`
	Key        string          `json:"derived_key"`
	SHA        string          `json:"password_sha"` // of SchemeSimple
}

// passwordMembers are their names, and the name of a plain password.
var passwordMembers = []string{"password", "password_scheme", "pbkdf2_prf", "iterations", "salt", "derived_key", "password_sha"}

// parse returns what a password can be verified with. As in CouchDB, a document without a
// scheme has the simple one.
func (f *userPassword) parse() (Password, error) {
	scheme := SchemeSimple
	if f.Scheme != nil {
		scheme = *f.Scheme
	}
	text := f.Key
	if scheme == SchemeSimple {
		text = f.SHA
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) < 16 || len(key) > 64 {
		return Password{}, errNoLogin
	}
	// The salt is part of the key that signs the user's sessions. HMAC pads keys with zeros, so
	// with a salt of zeros the secret alone would sign them. A user may choose the salt, and
	// could get the token of a proxy that way.
	if strings.Trim(f.Salt, "\x00") == "" {
		return Password{}, errNoLogin
	}
	p := Password{scheme: scheme, key: key, salt: f.Salt}
	switch scheme {
	case SchemeSimple, SchemeScrypt, SchemeArgon2:
		return p, nil
	case SchemePBKDF2:
	default:
		return Password{}, errNoLogin
	}
	if f.PRF == "" {
		f.PRF = "sha" // CouchDB before 3.4 had no other
	}
	if p.prfName, p.prf = f.PRF, prfs[f.PRF]; p.prf == nil {
		return Password{}, errNoLogin
	}
	if err := json.Unmarshal(f.Iterations, &p.iterations); err != nil || p.iterations < 1 {
		return Password{}, errNoLogin
	}
	return p, nil
}

// with hashes with scrypt or argon2id.
func (p Password) with(password string) []byte {
	if p.scheme == SchemeArgon2 {
		return argon2.IDKey([]byte(password), []byte(p.salt), argonTime, argonMemory, uint8(argonLanes), uint32(len(p.key)))
	}
	key, err := scrypt.Key([]byte(password), []byte(p.salt), scryptN, scryptR, scryptP, len(p.key))
	if err != nil {
		return nil // only for bad costs, which these are not
	}
	return key
}

// outdated tells whether new passwords are stored differently.
func (p Password) outdated(h Hashing) bool {
	if p.scheme != h.Scheme {
		return true
	}
	return h.Scheme == SchemePBKDF2 && (p.prfName != h.PRF || p.iterations != h.Iterations)
}

// append appends the members for a password to an open JSON object. If the salt is too short,
// it makes a new one.
func (h Hashing) append(object []byte, password, salt string) ([]byte, error) {
	if len(salt) < 32 {
		var random [16]byte
		rand.Read(random[:])
		salt = hex.EncodeToString(random[:])
	}
	p := Password{scheme: h.Scheme, salt: salt, key: make([]byte, sha256.Size)}
	if len(object) > 1 {
		object = append(object, ',')
	}
	if h.Scheme != SchemePBKDF2 {
		object = fmt.Appendf(object, `"password_scheme":%q,"salt":`, h.Scheme)
		return fmt.Appendf(jsonscan.AppendString(object, p.salt), `,"derived_key":"%x"`, p.with(password)), nil
	}
	prf := prfs[h.PRF]
	if prf == nil {
		return nil, fmt.Errorf("hash a password: no function %q", h.PRF)
	}
	key, err := pbkdf2.Key(prf, password, []byte(p.salt), h.Iterations, prf().Size())
	if err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	object = fmt.Appendf(object, `"password_scheme":%q,"pbkdf2_prf":%q,"salt":`, h.Scheme, h.PRF)
	return fmt.Appendf(jsonscan.AppendString(object, p.salt), `,"iterations":%d,"derived_key":"%x"`, h.Iterations, key), nil
}

// without copies the members of a JSON object except some, and leaves the copy open.
func without(object []byte, names []string) ([]byte, error) {
	out := append(make([]byte, 0, len(object)+256), '{')
	err := jsonscan.EachMember(object, func(name, value []byte) error {
		for _, n := range names {
			if n == string(name) {
				return nil
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = jsonscan.AppendString(out, name)
		out = append(append(out, ':'), value...)
		return nil
	})
	return out, err
}

// Hash gives a user's document another password.
func (h Hashing) Hash(doc []byte, password string) ([]byte, error) { return h.hash(doc, password, "") }

// hash is Hash with a given salt. If the same password is hashed again, it keeps its salt:
// sessions and tokens are bound to the salt, and only a new password may end them.
func (h Hashing) hash(doc []byte, password, salt string) ([]byte, error) {
	open, err := without(doc, passwordMembers)
	if err != nil {
		return nil, err
	}
	if open, err = h.append(open, password, salt); err != nil {
		return nil, err
	}
	return append(open, '}'), nil
}
