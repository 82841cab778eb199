package httpapi_test

import (
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slow is a body that takes some milliseconds for each read.
type slow struct{ io.Reader }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(3 * time.Millisecond)
	return s.Reader.Read(p)
}

// Every answer tells how many milliseconds its request's body took, and has the id that the
// client chose, if it chose one.
func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "cors/origins", "*")})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	for _, c := range []struct{ method, path string }{
		{"GET", "/"}, {"HEAD", "/"}, {"GET", "/_duck"}, {"GET", "/db/_changes"}, {"GET", "/none"}, {"PATCH", "/db"}, {"GET", "/favicon.ico"}, {"OPTIONS", "/db"},
	} {
		w := call(s, c.method, c.path, "", "Admin", "", "X-Couch-Request-ID", "mine-1_a", "Origin", "http://a", "Access-Control-Request-Method", "PUT")
		if w.Header().Get("X-CouchDB-Body-Time") != "0" || w.Header().Get("X-Couch-Request-ID") != "mine-1_a" {
			t.Errorf("%s %s: %d %v", c.method, c.path, w.Code, w.Header())
		}
	}
	for _, stall := range []string{"60", "0"} {
		set(t, s.Config, "limits/body_stall", stall)
		r := httptest.NewRequest("PUT", "/db/doc", slow{strings.NewReader(`{}`)})
		r.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if took, err := strconv.Atoi(w.Header().Get("X-CouchDB-Body-Time")); err != nil || took < 3 {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
}
