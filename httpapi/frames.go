package httpapi

import (
	"net/http"
	"slices"

	"github.com/tododb/tododb/httpapi/wire"
)

// frames says which pages may show an answer in a frame (X-Frame-Options), as in CouchDB.
type frames struct {
	sameOrigin bool
	hosts      []string // this server's names, with their scheme, that get ALLOW-FROM; "*": all
}

func (f *frames) option(r *http.Request) string {
	if f.sameOrigin {
		return "SAMEORIGIN"
	}
	own := wire.Absolute(r, "")
	if slices.Contains(f.hosts, "*") || slices.Contains(f.hosts, own) {
		return "ALLOW-FROM " + own
	}
	return "DENY"
}
