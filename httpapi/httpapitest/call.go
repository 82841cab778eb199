package httpapitest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Call asks the server. The headers come in pairs, and "Admin", "" is the administrator. A body
// is JSON, unless a header says something else.
func Call(s http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Admin" {
			r.SetBasicAuth("admin", "secret")
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// BasicAuth is the Authorization header of a name and a password.
func BasicAuth(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// Answer is an answer that is complete.
type Answer interface {
	Result() *http.Response
}

// Wants compares an answer with a status and a part of its body, and returns the body.
func Wants(t testing.TB, w Answer, status int, part string) string {
	t.Helper()
	res := w.Result()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status || !strings.Contains(b.String(), part) {
		t.Errorf("status %d, want %d with %q: %s", res.StatusCode, status, part, b.String())
	}
	return b.String()
}

// Text is the string that an object in JSON has under a name; empty if there is none.
func Text(t testing.TB, object, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(object), &members); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	text, _ := members[name].(string)
	return text
}

// RevOf is the revision of the document at a path, as the administrator gets it.
func RevOf(t testing.TB, s http.Handler, path string) string {
	t.Helper()
	return Text(t, Wants(t, Call(s, "GET", path, "", "Admin", ""), http.StatusOK, ""), "_rev")
}
