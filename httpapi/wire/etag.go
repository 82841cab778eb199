package wire

import (
	"net/http"
	"strings"
	"time"
)

// MatchesETag looks for an entity tag, with its quotes, in If-None-Match. As in CouchDB, an
// asterisk matches nothing.
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

// SetModified sets Last-Modified. A client that sends it back as since misses nothing. It is
// never later than the newest change in the answer, and later changes in the same second count
// for that second.
func SetModified(h http.Header, t time.Time) {
	h["Last-Modified"] = []string{t.UTC().Format(http.TimeFormat)}
}
