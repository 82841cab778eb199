package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// endless is a body that nobody may read to its end.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	return len(p), nil
}

// An attachment that is too large is refused before it has been read, whether its length
// is announced or not, and nothing is left of it.
func TestAttachmentLimit(t *testing.T) {
	s := openServer(t, Options{Config: settings(t, "couchdb/max_attachment_size", "1048576")})
	serveFuzz(s, "PUT", "/db", "", "")
	for name, length := range map[string]int64{"announced": 10 << 20, "not announced": -1} {
		body := &endless{}
		r := httptest.NewRequest(http.MethodPut, "/db/a/f", io.NopCloser(body))
		r.ContentLength = length
		r.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "attachment_too_large") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if body.read > 4<<20 || length > 0 && body.read > 0 {
			t.Errorf("%s: %d bytes were read", name, body.read)
		}
	}
	if w := serveFuzz(s, "GET", "/db/a", "", ""); w.Code != http.StatusNotFound {
		t.Errorf("there is a document: %s", w.Body)
	}
	if w := serveFuzz(s, "PUT", "/db/a/f", strings.Repeat("x", 1<<20), ""); w.Code != http.StatusCreated {
		t.Errorf("one of just the size: %d %s", w.Code, w.Body)
	}
}
