package wire

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPeerRoute(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/_session": "/_session", "/db": "/{db}", "/db/doc": "/{db}/{doc}", "/db/doc/att": "/{db}/{doc}/{name}", "/db/_bulk_docs": "/{db}/_bulk_docs",
		"/db/_local/x": "/{db}/_local/{doc}", "/db/_design/d/_view/v": "/{db}/_design/{ddoc}/_view/{name}",
	} {
		if got := peerRoute(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// As in CouchDB, a client may choose the id of its request.
func TestRequestID(t *testing.T) {
	for given, echoed := range map[string]bool{
		"a": true, "ab12-XY_9": true, strings.Repeat("x", 36): true,
		"": false, strings.Repeat("x", 37): false, "a b": false, "a\nb": false, `"`: false, "é": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Couch-Request-ID", given)
		if got := requestID(r); (got == given) != echoed || !echoed && len(got) != 10 {
			t.Errorf("%q: %q", given, got)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["X-Couch-Request-Id"] = []string{"a", "b"}
	if got := requestID(r); len(got) != 10 {
		t.Errorf("of two: %q", got)
	}
}
