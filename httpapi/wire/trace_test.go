package wire

import (
	"net/http/httptest"
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

func TestCameFrom(t *testing.T) {
	for value, want := range map[string]string{"ab12-XY": "ab12-XY", "": "", "a b": "", "a\nb": "", `"`: "", string(make([]byte, 65)): ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header[requestIDHeader] = []string{value}
		if got := cameFrom(r); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}
