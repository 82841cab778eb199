package httpapi_test

import (
	"io"
	"net"
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
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "couchdb/max_attachment_size", "1048576")})
	serveFuzz(s, "PUT", "/db", "", "")
	for name, length := range map[string]int64{"announced": 10 << 20, "not announced": -1} {
		body := &endless{}
		r := httptest.NewRequest(http.MethodPut, "/db/a/f", io.NopCloser(body))
		r.ContentLength = length
		r.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"attachment_too_large","reason":"f"`) {
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

// If the chunks of an attachment are broken in any way, it is the client's fault, and nothing is
// left of it.
func TestAttachmentCutShort(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	serveFuzz(s, "PUT", "/db", "", "")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for name, rest := range map[string]string{
		"too long":  "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
		"no length": "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		io.WriteString(conn, "PUT /db/a/f HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\n"+rest)
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), "The attachment was cut short") {
			t.Errorf("%s: %v %s", name, err, answer)
		}
	}
	if w := serveFuzz(s, "GET", "/db/a", "", ""); w.Code != http.StatusNotFound {
		t.Errorf("there is a document: %s", w.Body)
	}
}
