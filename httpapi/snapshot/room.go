package snapshot

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/filter"
)

// Room answers requests for snapshots.
type Room struct {
	access  *access.Access
	filters *filter.Opener
	files   *Files // nil: there are none
}

// New makes a Room. Without files it answers 501.
func New(a *access.Access, filters *filter.Opener, files *Files) *Room {
	return &Room{access: a, filters: filters, files: files}
}

var (
	errPartial = wire.Errorf(http.StatusForbidden, "forbidden", "A snapshot is for those who may see the whole database; replicate instead.")
	errFilter  = wire.BadRequest("A snapshot can be filtered by `_view`, `_doc_ids` and `_design` only: what a filter function says may depend on who asks.")
	errKeys    = wire.BadRequest("Keys need a view of a design document that keeps its changes (`options.changes`).")
)

// Get answers GET and HEAD /{db}/_snapshot.
func (a *Room) Get(w http.ResponseWriter, r *http.Request) error {
	if a.files == nil {
		return wire.ErrNotBuilt
	}
	w.Header().Add("Vary", "Accept, Accept-Encoding")
	f := formOf(r)
	s, err := a.open(r, f)
	if err != nil {
		return err
	}
	defer s.Close()
	wire.ExchangeOf(r).EndReading()
	return s.serve(w, r, f)
}

// open finds or makes the snapshot that a request asks for. What it needed for that is released
// when it returns: a client may take its time with the bytes.
func (a *Room) open(r *http.Request, f form) (*Snapshot, error) {
	db, err := a.access.Open(r)
	if err != nil {
		return nil, err
	}
	defer db.Release()
	if db.Hides() {
		return nil, errPartial
	}
	q, wanted, err := parseQuery(r)
	if err != nil {
		return nil, err
	}
	chosen, err := a.filters.Open(r.Context(), db, q)
	if err != nil {
		return nil, err
	}
	defer chosen.Release()
	if !q.Keys.IsZero() && !chosen.Indexed() {
		return nil, errKeys
	}
	text, same := chosen.Text()
	if !same {
		return nil, errFilter
	}
	if wanted.All {
		text = "attachments " + text
	}
	if len(text) > 200 { // many ids or keys
		text = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	}
	h := holding{DB: db.Name(), Instance: db.Instance(), Query: text, Coding: f.name}
	// Who goes on with a download wants the bytes that he has begun with.
	if begun := r.Header.Get("If-Range") + r.Header.Get("If-Match"); begun != "" {
		s, err := a.files.earlier(r.Context(), db, h, func(c *cut) bool { return strings.Contains(begun, f.etag(c)) })
		if s != nil || err != nil {
			return s, err
		}
	}
	return a.files.newest(r.Context(), h, &reader{db: db, filter: chosen, attachments: wanted, turns: a.access.Shared().Turns()})
}

// parseQuery reads which documents are wanted, in the words of _changes.
func parseQuery(r *http.Request) (*filter.Query, attachments.Wanted, error) {
	q := &filter.Query{Request: func() ([]byte, error) { return nil, errFilter }}
	var wanted attachments.Wanted
	query, err := wire.QueryOf(r)
	if err != nil {
		return nil, wanted, err
	}
	wanted.All = query.Is("attachments")
	err = query.Each(func(name, value string) error {
		switch word := strings.ToLower(name); word {
		case "since", "limit", "skip", "descending", "feed": // a program that sends these takes this for a feed
			return wire.BadRequest("A snapshot has all documents, and takes no `%s`; `_changes` goes on from its last line.", word)
		}
		_, err := q.Set(name, value)
		return err
	})
	switch {
	case err != nil:
	case q.Name != "_view" && (q.View != "" || !q.Keys.IsZero()):
		err = wire.BadRequest("`view` and keys belong to `filter=_view`.")
	case q.Name != "_doc_ids" && q.DocIDs != nil:
		err = wire.BadRequest("`doc_ids` belongs to `filter=_doc_ids`.")
	}
	return q, wanted, err
}
