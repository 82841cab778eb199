package wire

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Place is where in the table of routes a request's path has led: the parts of the path, as they
// came, that have a name there.
type Place struct {
	Names  []string // requests share them
	Values [MaxParts]string
}

// MaxParts is how many parts of a path have a name at most.
const MaxParts = 8

type placeKey struct{}

// WithPlace puts a place into a context, instead of the place that the exchange has.
func WithPlace(ctx context.Context, at *Place) context.Context {
	return context.WithValue(ctx, placeKey{}, at)
}

// Part returns a part of the path as it came. named tells whether the route has one of this name.
func Part(r *http.Request, name string) (value string, named bool) {
	if at, ok := r.Context().Value(placeKey{}).(*Place); ok {
		if i := slices.Index(at.Names, name); i >= 0 {
			return at.Values[i], true
		}
	}
	return "", false
}

// SetPart has a request go on as if its path had this part.
func SetPart(r *http.Request, name, value string) {
	at := r.Context().Value(placeKey{}).(*Place)
	i := slices.Index(at.Names, name)
	if i < 0 {
		i = len(at.Names)
		at.Names = append(at.Names[:i:i], name)
	}
	at.Values[i] = value
}

// Segment returns an unescaped part of the path.
func Segment(r *http.Request, name string) (string, error) {
	part, _ := Part(r, name)
	return Unescape(r, part)
}

// Unescape reads a part of a path as it is in a request. CouchDB reads a plus as a space
// unless it is told not to.
func Unescape(r *http.Request, part string) (s string, err error) {
	if SettingsOf(r).PlusIsPlus {
		s, err = url.PathUnescape(part)
	} else {
		s, err = url.QueryUnescape(part)
	}
	if err != nil {
		return "", ErrURLEncoding
	}
	return s, nil
}

// Rest returns the unescaped parts of the path behind its route's, where the table has dots; none
// if it ends there.
func Rest(r *http.Request) ([]string, error) {
	rest, _ := Part(r, "rest")
	rest = strings.TrimPrefix(rest, "/")
	if rest == "" {
		return nil, nil
	}
	parts := strings.Split(rest, "/")
	for i := range parts {
		var err error
		if parts[i], err = Unescape(r, parts[i]); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// Absolute turns a path of this server into a URL as the client sees it. It uses what a trusted
// proxy says, or the request itself.
func Absolute(r *http.Request, path string) string {
	return scheme(r) + Host(r) + path
}

func scheme(r *http.Request) string {
	if SettingsOf(r).Secure(r) {
		return "https://"
	}
	return "http://"
}

// DocumentURL is the URL of a document of the database that a request is about.
func DocumentURL(r *http.Request, id string) string {
	db, err := Segment(r, "db")
	if err != nil { // then it could not have been opened
		return Absolute(r, "//"+EscapeSegment(id))
	}
	return scheme(r) + Host(r) + "/" + EscapeSegment(db) + "/" + EscapeSegment(id)
}

// Secure tells whether the client speaks HTTPS, to this server or to a trusted proxy.
func (set *Settings) Secure(r *http.Request) bool {
	return r.TLS != nil || set.Proxies.Sent(r) && (r.Header.Get(set.ForwardedProto) == "https" || r.Header.Get(set.ForwardedSSL) == "on")
}

// Host returns the host that the client asked, with its port if it named one. It uses what a
// trusted proxy says, or the request itself.
func Host(r *http.Request) string {
	set := SettingsOf(r)
	if forwarded := r.Header.Get(set.ForwardedHost); forwarded != "" && set.Proxies.Sent(r) {
		return forwarded
	}
	return r.Host
}

// EscapeSegment writes a name as one segment of a path. It escapes the slash of a design
// document's id too, as CouchDB does in Location (couch_util.erl, url_encode).
func EscapeSegment(s string) string {
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.:", c) >= 0
	}
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+16), s[:i]...)
	for ; i < len(s); i++ {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

const upperHex = "0123456789ABCDEF"

// DBPath returns the path of the database that a request is about.
func DBPath(r *http.Request) string {
	name, err := Segment(r, "db")
	if err != nil { // then it could not have been opened
		return "/"
	}
	return "/" + EscapeSegment(name)
}

// MaxDBName is how long the name of a database may be, as in CouchDB.
const MaxDBName = 238

// BadDBName returns the answer to a name that no database can have.
func BadDBName(name string) error {
	return Errorf(http.StatusBadRequest, "illegal_database_name",
		"Name: '%s'. Only lowercase characters (a-z), digits (0-9), and any of the characters _, $, (, ), +, -, and / are allowed. Must begin with a letter.", name)
}
