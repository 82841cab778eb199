package replicate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/widetest"
)

// A document in many conflicts is had from any source: neither the URL nor the body of a request for them gets longer than
// a server takes, and none is left out.
func TestFetchOfManyConflicts(t *testing.T) {
	widetest.Only(t)
	for name, c := range map[string]struct {
		id   string
		revs int
		bulk bool
	}{
		"by URL":           {"a", 1000, false},
		"by URL, long id":  {strings.Repeat("i", 5000), 100, false},
		"in bulk":          {"a", 1000, true},
		"in bulk, long id": {strings.Repeat("i", 300<<10), 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			document := func(rev string) string {
				hash := strings.TrimPrefix(rev, "1-")
				return fmt.Sprintf(`{"ok":{"_id":%q,"_rev":%q,"_revisions":{"start":1,"ids":[%q]}}}`, c.id, rev, hash)
			}
			p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
				if len(r.RequestURI) > 8000 {
					w.WriteHeader(http.StatusRequestURITooLong)
					return
				}
				var rows []string
				if r.URL.Path == "/db/_bulk_get" {
					if !c.bulk {
						w.WriteHeader(http.StatusNotFound)
						return
					}
					if r.ContentLength > 2<<20 {
						t.Errorf("a body of %d bytes", r.ContentLength)
					}
					var body struct{ Docs []struct{ Rev string } }
					if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
						t.Error(err)
					}
					for _, d := range body.Docs {
						rows = append(rows, fmt.Sprintf(`{"id":%q,"docs":[%s]}`, c.id, document(d.Rev)))
					}
					fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(rows, ","))
					return
				}
				var revs []string
				if err := json.Unmarshal([]byte(r.URL.Query().Get("open_revs")), &revs); err != nil {
					t.Error(err)
				}
				for _, rev := range revs {
					rows = append(rows, document(rev))
				}
				fmt.Fprintf(w, `[%s]`, strings.Join(rows, ","))
			})
			wanted := []Wanted{{ID: c.id}}
			for i := range c.revs {
				rev, err := revtree.Parse(fmt.Sprintf("1-%032x", i))
				if err != nil {
					t.Fatal(err)
				}
				wanted[0].Revs = append(wanted[0].Revs, rev)
			}
			due := dueOf(wanted)
			if err := p.Fetch(t.Context(), wanted, due.came); err != nil {
				t.Fatalf("%.300v", err)
			}
			if left := due[c.id]; len(left) > 0 {
				t.Errorf("%d of %d revisions do not come", len(left), c.revs)
			}
		})
	}
}
