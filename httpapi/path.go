package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// cleanPath brings the path into the form that routes are written for: no doubled and
// no trailing slashes, as CouchDB ignores them. Escaped slashes stay what they are.
func cleanPath(r *http.Request) {
	u := r.URL
	path := u.Path
	if u.RawPath != "" {
		path = u.RawPath
	}
	if !untidy(path) {
		return
	}
	clean := tidy(path)
	next := *u // the request's URL belongs to the server above us
	if u.RawPath == "" {
		next.Path = clean
	} else if unescaped, err := url.PathUnescape(clean); err == nil {
		next.Path, next.RawPath = unescaped, clean
	}
	r.URL = &next
}

func untidy(path string) bool {
	return len(path) > 1 && path[len(path)-1] == '/' || strings.Contains(path, "//")
}

func tidy(path string) string {
	b := make([]byte, 0, len(path))
	for i := range len(path) {
		if c := path[i]; c != '/' || len(b) == 0 || b[len(b)-1] != '/' {
			b = append(b, c)
		}
	}
	if len(b) > 1 && b[len(b)-1] == '/' {
		b = b[:len(b)-1]
	}
	return string(b)
}
