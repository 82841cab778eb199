package wire

import (
	"net/http"
	"strings"
)

// MatchesETag looks for an entity tag, with its quotes, in If-None-Match. As in CouchDB
// an asterisk matches nothing.
func MatchesETag(r *http.Request, etag string) bool {
	header := r.Header.Get("If-None-Match")
	if header == "" {
		return false
	}
	for tag := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == etag {
			return true
		}
	}
	return false
}
