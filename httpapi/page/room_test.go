package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
)

func open(t *testing.T, files map[string]string) *Room {
	t.Helper()
	from := fstest.MapFS{}
	for name, text := range files {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, text)
		z.Close()
		from[name+".gz"] = &fstest.MapFile{Data: b.Bytes()}
	}
	from["README.md"] = &fstest.MapFile{Data: []byte("a note")}
	c, err := config.Open(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := New(c)
	loaded := load(from)
	r.files = func() map[string]*file { return loaded }
	return r
}

func get(r *Room, name string, headers ...string) (*httptest.ResponseRecorder, error) {
	req := httptest.NewRequest("GET", "/_utils/"+name, nil)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	at := wire.Place{Names: []string{"rest"}, Values: [wire.MaxParts]string{"/" + name}}
	err := r.Serve(w, req.WithContext(wire.WithPlace(req.Context(), &at)))
	return w, err
}

func TestFilesForBrowsers(t *testing.T) {
	r := open(t, map[string]string{"index.html": "<p>page", "main-ABC.js": "run()", "stdin-ABC.css": "p{}"})
	for _, c := range []struct{ name, kind, caching, text string }{
		{"", "text/html; charset=utf-8", "no-cache", "<p>page"},
		{"main-ABC.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "run()"},
		{"stdin-ABC.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable", "p{}"},
	} {
		plain, err := get(r, c.name)
		if err != nil || plain.Body.String() != c.text {
			t.Fatalf("%s: %v %q", c.name, err, plain.Body)
		}
		h := plain.Header()
		if h.Get("Content-Type") != c.kind || h.Get("Cache-Control") != c.caching || !strings.Contains(h.Get("Content-Security-Policy"), "script-src 'self';") {
			t.Errorf("%s: %v", c.name, h)
		}
		packed, err := get(r, c.name, "Accept-Encoding", "gzip")
		if err != nil || packed.Header().Get("Content-Encoding") != "gzip" || packed.Header()["Etag"][0] == h["Etag"][0] {
			t.Fatalf("%s: %v %v", c.name, err, packed.Header())
		}
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || string(b) != c.text {
			t.Errorf("%s: %q %v", c.name, b, err)
		}
		again, err := get(r, c.name, "Accept-Encoding", "gzip", "If-None-Match", packed.Header()["Etag"][0])
		if err != nil || again.Code != http.StatusNotModified {
			t.Errorf("%s with its ETag: %d %v", c.name, again.Code, err)
		}
	}
	for _, name := range []string{"none.js", "README.md", "../room.go", "main-ABC.js.gz"} {
		if w, err := get(r, name); err == nil {
			t.Errorf("%s: %q", name, w.Body)
		}
	}
}

// Without its slash the page is where it stands, below a path that only a proxy knows.
func TestTheSlashIsAdded(t *testing.T) {
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "Via"} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/_utils", nil)
		r.Header.Set(header, "x")
		if err := open(t, nil).Serve(w, r); err != nil || w.Code != http.StatusMovedPermanently || w.Header().Get("Location") != "_utils/" {
			t.Errorf("%s: %v %d %v", header, err, w.Code, w.Header())
		}
	}
}

func TestAPageThatWasNotBuilt(t *testing.T) {
	r := open(t, nil)
	if _, err := get(r, "", "Accept", "application/json"); err != errNotBuilt {
		t.Errorf("a program gets %v", err)
	}
	w, err := get(r, "", "Accept", "text/html,application/xhtml+xml")
	if err != nil || w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("a person gets %d %q %v", w.Code, w.Body, err)
	}
}
