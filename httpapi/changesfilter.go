package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

var (
	errDocIDs         = badRequest("`doc_ids` filter parameter is not a list of doc ids.")
	errSelectorPost   = badRequest("Selector must be specified in POST payload")
	errSelectorObject = badRequest("Selector error: expected a JSON object")
	errNoView         = badRequest("`view` filter parameter is not provided.")
	errViewForm       = badRequest("`view` must be of the form `designname/viewname`")
	errFilterForm     = badRequest("`filter` must be of the form `designname/filtername`")
	errNoSuchFilter   = badRequest("unknown builtin filter name")
)

// changesFilter says which changes a client wants to hear of.
type changesFilter struct {
	docIDs   []string        // if not nil: of these documents alone
	design   bool            // of design documents alone
	selector *mango.Selector // if not nil: of the revisions that match
	fields   *mango.Fields   // with selector: what to show of a document; nil: all
	view     *viewChanges    // if not nil: of what has rows in a view
	function script.Matcher  // if not nil: of the revisions that a function lets pass
}

// release gives back what the filter holds.
func (f *changesFilter) release() {
	if f.view != nil {
		f.view.Release()
	}
	f.pause()
}

// matchLeaves is the store's part of a function; nil lets everything through.
func (f *changesFilter) matchLeaves(ctx context.Context) func([]*store.Document) ([]bool, error) {
	if f.function == nil {
		return nil
	}
	var b []byte
	var docs [][]byte
	return func(page []*store.Document) ([]bool, error) {
		b, docs = b[:0], docs[:0]
		for _, d := range page {
			from := len(b)
			b = d.AppendJSON(b, store.JSONOptions{})
			docs = append(docs, b[from:]) // if b moves, what was written stays where it was
		}
		// What it runs in is not held while a client takes its time with the rows.
		defer f.function.Release()
		return f.function.MatchAll(ctx, docs)
	}
}

// functionRows is how many documents a function judges in one snapshot. Between snapshots
// there is time for a heartbeat.
const functionRows = 100

// pageRows is the store's ChangesQuery.PageRows.
func (f *changesFilter) pageRows() int {
	if f.function != nil {
		return functionRows
	}
	return 0
}

// pause lets others have what a function runs in, while nothing is read.
func (f *changesFilter) pause() {
	if f.function != nil {
		f.function.Release()
	}
}

// chosen tells that documents are chosen by id. As in CouchDB, pending then counts
// what the filter left out as well.
func (f *changesFilter) chosen() bool { return f.docIDs != nil || f.design }

// match is the store's part of the filter; nil lets everything through.
func (f *changesFilter) match() func(*store.Change) (bool, error) {
	if !f.design {
		return nil
	}
	prefix := []byte("_design/")
	return func(c *store.Change) (bool, error) { return bytes.HasPrefix(c.ID, prefix), nil }
}

// parseChangesFilter reads the filter of a feed; body is nil unless one was posted.
func (s *Server) parseChangesFilter(r *http.Request, db *store.DB, q *changesQuery, body []byte) (f changesFilter, err error) {
	switch name := q.filter; {
	case name == "":
		return f, nil
	case name == "_doc_ids":
		f.docIDs, err = chosenDocIDs(q, body)
		return f, err
	case name == "_design":
		f.design = true
		return f, nil
	case name == "_selector":
		return f, f.readSelector(r, body)
	case name == "_view":
		if f.view, err = s.changesByView(r, db, q, body); f.view != nil || err != nil {
			return f, err
		}
		f.function, err = s.viewFilter(r, db, q)
		return f, err
	case strings.HasPrefix(name, "_"):
		return f, errNoSuchFilter
	}
	ddoc, function, ok := strings.Cut(q.filter, "/")
	if !ok || strings.Contains(function, "/") {
		return f, errFilterForm
	}
	d, err := s.design(r.Context(), db, ddoc)
	if err != nil {
		return f, err
	}
	if err := d.Find("filters", function); err != nil {
		return f, err
	}
	req, err := s.requestObject(r, db, nil, body)
	if err != nil {
		return f, err
	}
	f.function, err = d.Filter(r.Context(), function, req)
	return f, err
}

// chosenDocIDs reads the list of ids, from the body or else from the query.
func chosenDocIDs(q *changesQuery, body []byte) ([]string, error) {
	list := memberOf(body, "doc_ids")
	if list == nil && q.hasDocIDs {
		var err error
		if list, err = jsonscan.Trim([]byte(q.docIDs)); err != nil {
			return nil, errNotJSON
		}
	}
	if jsonscan.Kind(list) != '[' {
		return nil, errDocIDs
	}
	ids := []string{}
	err := jsonscan.EachElement(list, func(value []byte) error {
		id, err := jsonscan.Text(value)
		if err != nil {
			return errDocIDs
		}
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

func (f *changesFilter) readSelector(r *http.Request, body []byte) (err error) {
	if r.Method != http.MethodPost {
		return errSelectorPost
	}
	selector := memberOf(body, "selector")
	if jsonscan.Kind(selector) != '{' {
		return errSelectorObject
	}
	if f.selector, err = mango.Compile(selector); err != nil {
		return badRequest("%s", err)
	}
	if fields := memberOf(body, "fields"); fields != nil {
		if f.fields, err = mango.CompileFields(fields); err != nil {
			return badRequest("Selector error: fields must be JSON array")
		}
	}
	return nil
}

// viewFilter makes a filter of a view's map function.
func (s *Server) viewFilter(r *http.Request, db *store.DB, q *changesQuery) (script.Matcher, error) {
	if q.view == "" {
		return nil, errNoView
	}
	ddoc, view, ok := strings.Cut(q.view, "/")
	if !ok || strings.Contains(view, "/") {
		return nil, errViewForm
	}
	d, err := s.design(r.Context(), db, ddoc)
	if err != nil {
		return nil, err
	}
	return d.ViewFilter(r.Context(), view)
}
