package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// cleanPath brings the path into the form that routes are written for, so that all later code
// sees one spelling of a name. As in CouchDB, doubled and trailing slashes do not count, and an
// escaped letter, digit or underscore is that character. Escaped slashes stay escaped.
func cleanPath(r *http.Request) {
	u := r.URL
	path := u.Path
	if u.RawPath != "" {
		path = u.RawPath
	}
	if !untidy(path, u.RawPath != "") {
		return
	}
	clean := tidy(path, u.RawPath != "")
	next := *u // the request's URL belongs to the server above us
	if u.RawPath == "" {
		next.Path = clean
	} else if unescaped, err := url.PathUnescape(clean); err == nil {
		next.Path, next.RawPath = unescaped, clean
	}
	r.URL = &next
}

func untidy(path string, escaped bool) bool {
	return len(path) > 1 && path[len(path)-1] == '/' || strings.Contains(path, "//") || escaped && strings.Contains(path, "%")
}

func tidy(path string, escaped bool) string {
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && escaped && i+2 < len(path) {
			if plain := unhex(path[i+1])<<4 | unhex(path[i+2]); isWord(plain) {
				c, i = plain, i+2
			}
		}
		if c != '/' || len(b) == 0 || b[len(b)-1] != '/' {
			b = append(b, c)
		}
	}
	if len(b) > 1 && b[len(b)-1] == '/' {
		b = b[:len(b)-1]
	}
	return string(b)
}

// isWord tells whether the names in the table of routes use a character. Escaped or not, such a
// character means the same.
func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// unhex is the value of a hex digit.
func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}
