package httpapi_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/httpapitest"
)

// inPaths are parts that paths may have where the table has a name. Some are fixed names elsewhere in it.
var inPaths = []string{"db", "_users", "_replicator", "_global_changes", "_other", "a%2Fb", "%5Fusers", "_", "", "%", "favicon.ico", "_design", "_design%2Fd", "_local", "_view", "_all_docs", "queries", "x/y", "_changes/"}

// wantsSameLine compares the line that a path is found to lead to with the one that mux finds.
func wantsSameLine(t *testing.T, s *httpapitest.Server, path string) {
	t.Helper()
	u := &url.URL{Path: path}
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = plain, path
	}
	if found, byMux := s.Leads(&http.Request{Method: "GET", URL: u}); found != byMux {
		t.Errorf("%s leads to %s, by mux to %s", path, found, byMux)
	}
}

var namedPart = regexp.MustCompile(`\{\w+\}`)

// The lines are found by their names, without trying all; mux tries all.
func TestPathsLeadToTheFirstLineThatFits(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	for _, rt := range s.Routes() {
		path, dots := strings.CutSuffix(rt.Path, "...")
		for n := 0; n < len(inPaths); n += 4 {
			n := n
			filled := namedPart.ReplaceAllStringFunc(path, func(string) string {
				n += 5
				return inPaths[n%len(inPaths)]
			})
			for _, one := range []string{filled, filled + "/", filled + "/_view", filled + "x", strings.Replace(filled, "/", "//", 1), "/_users" + filled, "/db" + filled, "/db/_design/d" + filled} {
				wantsSameLine(t, s, one)
			}
			if dots {
				wantsSameLine(t, s, filled+"/more/of/it")
			}
		}
	}
	for _, path := range []string{"", "*", "/", "//", "db", "/db//doc", "/_", "/%2F", "/_utils/", "/_utils/x/y.js"} {
		wantsSameLine(t, s, path)
	}
}

func FuzzPathsLeadToTheFirstLineThatFits(f *testing.F) {
	s := openServer(f, Options{})
	for _, rt := range s.Routes() {
		f.Add(strings.TrimSuffix(rt.Path, "..."))
	}
	f.Fuzz(func(t *testing.T, path string) { wantsSameLine(t, s, path) })
}
