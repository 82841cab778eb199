package replicate_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tododb/tododb/replicate"
)

// Documents with long ids are replicated. The exception is one with attachments if a server
// refuses its URL, in whatever way. Then the others are replicated, and the refusal is counted.
func TestLongIDsAreReplicated(t *testing.T) {
	for name, refuse := range map[string]http.HandlerFunc{
		"said":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge) },
		"closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		for _, n := range []int{7000, 60_000} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				t.Parallel()
				a, b := startServer(t), startServer(t)
				a.must(201, "PUT", "/db", "")
				front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if len(r.RequestURI) > 20_000 {
						refuse(w, r)
						return
					}
					a.api.ServeHTTP(w, r)
				}))
				defer front.Close()
				behind := strings.Replace(front.URL, "http://", "http://admin:secret@", 1) + "/"
				m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: b.store, Open: replicate.Everything(b.store)})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				id := strings.Repeat("i", n)
				att := base64.StdEncoding.EncodeToString([]byte("bytes"))
				a.must(201, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"short"},{"_id":"`+id+`","v":1},{"_id":"`+id+`2","_attachments":{"f":{"data":"`+att+`"}}},{"_id":"z"}]}`)
				refused := int64(0)
				if n > 20_000 {
					refused = 1
				}
				run := func(source, target string, want int64) {
					t.Helper()
					res, err := m.Run(t.Context(), spec(t, source, target, `,"create_target":true`))
					if err != nil {
						t.Fatalf("%.500v", err)
					}
					if _, written, failed := res.Counts(); written != 4-want || failed != want {
						t.Errorf("%d written, %d refused", written, failed)
					}
				}
				run(behind+"db", "pulled", refused)
				run(a.url("db"), "whole", 0)
				run("whole", behind+"pushed", refused)
				run("whole", "local", 0)
				for _, db := range []string{"pulled", "whole", "local"} {
					if b.must(200, "GET", "/"+db+"/"+id, ""); refused == 0 || db != "pulled" {
						b.must(200, "GET", "/"+db+"/"+id+"2/f", "")
					}
					b.check(db)
				}
				a.must(200, "GET", "/pushed/"+id, "")
			})
		}
	}
}
