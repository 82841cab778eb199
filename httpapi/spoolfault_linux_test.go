package httpapi_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/intake"
)

// failing is a body that cuts the file it is kept in after its last byte. Reading that file then
// fails as on a broken disk.
type failing struct {
	io.Reader
	t      *testing.T
	folder string
	cut    bool
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != io.EOF {
		return n, err
	}
	open, dirErr := os.ReadDir("/proc/self/fd")
	if dirErr != nil {
		f.t.Fatal(dirErr)
	}
	for _, e := range open {
		path := "/proc/self/fd/" + e.Name()
		if name, err := os.Readlink(path); err == nil && strings.HasPrefix(name, f.folder) {
			if err := os.Truncate(path, 1<<20); err != nil {
				f.t.Fatal(err)
			}
			f.cut = true
		}
	}
	return n, err
}

// If a long body cannot be kept, the request is not at fault.
func TestBodyThatCannotBeKept(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "spool")
	spool, err := intake.OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := openServer(t, Options{Spool: spool})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	wants(t, call(s, "PUT", "/db/d", `{"v":"`+strings.Repeat("x", 2<<20)+`"}`, "Admin", ""), 500, "internal_server_error")
}

// If a long body cannot be read again from disk, only its request fails.
func TestBodyThatCannotBeReadAgain(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "spool")
	spool, err := intake.OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := openServer(t, Options{Spool: spool})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	long := strings.Repeat("QUJD", 1<<20)
	for name, c := range map[string][3]string{
		"a document":      {"PUT", "/db/d", `{"v":"` + long + `"}`},
		"an attachment":   {"PUT", "/db/d", `{"_attachments":{"a":{"data":"` + long + `"}}}`},
		"many documents":  {"POST", "/db/_bulk_docs", `{"docs":[` + many(3000, func(i int) string { return fmt.Sprintf(`{"v":%q}`, long[:1000]) }) + `]}`},
		"all or nothing":  {"POST", "/db/_bulk_docs", `{"atomic":true,"docs":[{"v":"` + long + `"}]}`},
		"keys":            {"POST", "/db/_all_docs", `{"keys":[` + many(300000, func(i int) string { return `"abcdef"` }) + `]}`},
		"a selector":      {"POST", "/db/_find", `{"selector":{"a":"` + long[:2<<20] + `"}}`},
		"what is missing": {"POST", "/db/_revs_diff", `{` + many(100000, func(i int) string { return fmt.Sprintf(`"d%d":["1-a"]`, i) }) + `}`},
	} {
		body := &failing{Reader: strings.NewReader(c[2]), t: t, folder: folder}
		r := httptest.NewRequest(c[0], c[1], body)
		r.ContentLength = int64(len(c[2]))
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if !body.cut || w.Code != 500 {
			t.Errorf("%s: %d %.200s (cut: %t)", name, w.Code, w.Body, body.cut)
		}
		wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, `"doc_count":0`)
	}
	wants(t, call(s, "PUT", "/db/d", `{"v":"`+long+`"}`, "Admin", ""), 201, "ok")
}
