package wire

import (
	"net/http/httptest"
	"testing"
)

func TestKindOfPath(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/_all_dbs": "/_all_dbs", "/db": "/{db}", "/db/doc": "/{db}/{docid}", "/db/doc/att": "/{db}/{docid}/{name}", "/db/_bulk_docs": "/{db}/_bulk_docs",
		"/db/_local/x": "/{db}/_local/{docid}", "/db/_design/d/_view/v": "/{db}/_design/{docid}/_view/{name}", "/_node/_local/_config/a/b": "/_node/_local/_config/{name}/{name}",
	} {
		if got := kindOfPath(path); got != want {
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
