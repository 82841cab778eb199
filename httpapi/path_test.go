package httpapi

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTidyPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/": "/", "//": "/", "/a/": "/a", "//a///b//": "/a/b", "/a%2F/b/": "/a%2F/b", "/a//%2F": "/a/%2F", "/a b/": "/a%20b", "/a+b//": "/a+b", "/100%25//x%2F/": "/100%25/x%2F",
	} {
		req := httptest.NewRequest("GET", strings.ReplaceAll("http://h"+path, " ", "%20"), nil)
		cleanPath(req)
		if got := req.URL.EscapedPath(); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
