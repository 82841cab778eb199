package replicate

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
