package replicate

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// sourceOf is a peer behind HTTP with documents d1 to dN, each of one revision. bend, if not nil, may answer instead.
func sourceOf(t *testing.T, docs int, bend func(w http.ResponseWriter, r *http.Request) bool) Peer {
	t.Helper()
	return remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		if bend != nil && bend(w, r) {
			return
		}
		switch r.URL.Path {
		case "/db":
			fmt.Fprintf(w, `{"db_name":"db","update_seq":"%d-x","instance_start_time":"0"}`, docs)
		case "/db/_changes":
			since, _ := strconv.Atoi(r.URL.Query().Get("since"))
			limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
			var rows []string
			for since < docs && len(rows) < limit {
				since++
				rows = append(rows, fmt.Sprintf(`{"seq":"%d","id":"d%d","changes":[{"rev":"1-a"}]}`, since, since))
			}
			fmt.Fprintf(w, `{"results":[%s],"last_seq":"%d","pending":%d}`, strings.Join(rows, ","), since, docs-since)
		case "/db/_bulk_get":
			var body struct{ Docs []struct{ ID string } }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			var rows []string
			for _, d := range body.Docs {
				rows = append(rows, fmt.Sprintf(`{"id":%q,"docs":[{"ok":{"_id":%q,"_rev":"1-a","_revisions":{"start":1,"ids":["a"]}}}]}`, d.ID, d.ID))
			}
			fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(rows, ","))
		default:
			switch {
			case strings.HasPrefix(r.URL.Path, "/db/_local/") && r.Method == http.MethodPut:
				w.WriteHeader(http.StatusCreated)
				io.WriteString(w, `{"ok":true}`)
			case strings.HasPrefix(r.URL.Path, "/db/_local/"):
				w.WriteHeader(http.StatusNotFound)
			default:
				t.Errorf("asked for %s", r.URL)
			}
		}
	})
}

// A source that gives fewer rows than it is asked for, and says that there are more, is asked for the rest.
func TestSourceGivesFewRows(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	target := localPeerOf(s, "target")
	if err := target.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	source := sourceOf(t, 25, func(_ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query(); q.Has("limit") { // something on the way knows better
			q.Set("limit", "10")
			r.URL.RawQuery = q.Encode()
		}
		return false
	})
	result, err := NewJob(Spec{}, JobOptions{Server: "s", Source: source, Target: target}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, written, _ := result.Counts(); written != 25 {
		t.Errorf("%d of 25 documents came, and the replication says that it is done", written)
	}
}

// A source may list a document in several rows. All its revisions come, each once, to a target that reads the last of two
// members of the same name.
func TestSourceNamesADocumentTwice(t *testing.T) {
	type revs = map[string][]string
	fetched := revs{}
	source := sourceOf(t, 2, func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/db/_changes":
			io.WriteString(w, `{"results":[{"seq":"1","id":"d1","changes":[{"rev":"1-a"}]},{"seq":"2","id":"d1","changes":[{"rev":"1-b"}]},{"seq":"3","id":"d1","changes":[{"rev":"1-b"}]}],"last_seq":"3","pending":0}`)
		case "/db/_bulk_get":
			var body struct{ Docs []struct{ ID, Rev string } }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			var rows []string
			for _, d := range body.Docs {
				fetched[d.ID] = append(fetched[d.ID], d.Rev)
				rows = append(rows, fmt.Sprintf(`{"id":%q,"docs":[{"ok":{"_id":%q,"_rev":%q,"_revisions":{"start":1,"ids":[%q]}}}]}`, d.ID, d.ID, d.Rev, d.Rev[2:]))
			}
			fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(rows, ","))
		default:
			return false
		}
		return true
	})
	written := revs{}
	target := sourceOf(t, 0, func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/db/_revs_diff":
			var asked revs
			if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
				t.Error(err)
			}
			missing := map[string]revs{}
			for id, list := range asked {
				missing[id] = revs{"missing": list}
			}
			_ = json.NewEncoder(w).Encode(missing)
		case "/db/_bulk_docs":
			var body struct {
				Docs []struct {
					ID  string `json:"_id"`
					Rev string `json:"_rev"`
				}
			}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			for _, d := range body.Docs {
				written[d.ID] = append(written[d.ID], d.Rev)
			}
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, "[]")
		case "/db/_ensure_full_commit":
			io.WriteString(w, `{"ok":true,"instance_start_time":"0"}`)
		default:
			return false
		}
		return true
	})
	if _, err := NewJob(Spec{}, JobOptions{Server: "s", Source: source, Target: target}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]revs{"fetched": fetched, "written": written} {
		slices.Sort(got["d1"])
		if fmt.Sprint(got) != "map[d1:[1-a 1-b]]" {
			t.Errorf("%s: %v", what, got)
		}
	}
}
