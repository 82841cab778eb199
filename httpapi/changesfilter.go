package httpapi

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/jsonscan"
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
}

// release gives back what the filter holds.
func (f *changesFilter) release() {
	if f.view != nil {
		f.view.Release()
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
		return f, s.judgeView(r, db, q)
	case strings.HasPrefix(name, "_"):
		return f, errNoSuchFilter
	}
	ddoc, function, ok := strings.Cut(q.filter, "/")
	if !ok || strings.Contains(function, "/") {
		return f, errFilterForm
	}
	if err := designMember(r, db, ddoc, "filters", function); err != nil {
		return f, err
	}
	return f, errNotBuilt
}

// chosenDocIDs reads the list of ids, from the body or else from the query.
func chosenDocIDs(q *changesQuery, body []byte) ([]string, error) {
	list := member(body, "doc_ids")
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
	selector := member(body, "selector")
	if jsonscan.Kind(selector) != '{' {
		return errSelectorObject
	}
	if f.selector, err = mango.Compile(selector); err != nil {
		return badRequest("%s", err)
	}
	if fields := member(body, "fields"); fields != nil {
		if f.fields, err = mango.CompileFields(fields); err != nil {
			return badRequest("Selector error: fields must be JSON array")
		}
	}
	return nil
}

func (s *Server) judgeView(r *http.Request, db *store.DB, q *changesQuery) error {
	if q.view == "" {
		return errNoView
	}
	ddoc, view, ok := strings.Cut(q.view, "/")
	if !ok || strings.Contains(view, "/") {
		return errViewForm
	}
	if err := designMember(r, db, ddoc, "views", view); err != nil {
		return err
	}
	return errNotBuilt
}

// designMember checks that a design document has a function of a name in one of its
// groups.
func designMember(r *http.Request, db *store.DB, ddoc, group, name string) error {
	doc, err := db.Get(r.Context(), "_design/"+ddoc, store.ReadOptions{})
	if err != nil {
		return err
	}
	functions := member(doc.Body, group)
	if functions == nil {
		return errorf(http.StatusNotFound, "not_found", "missing json key: %s", group)
	}
	if member(functions, name) == nil {
		return errorf(http.StatusNotFound, "not_found", "missing json key: %s", name)
	}
	return nil
}

// member finds a member of an object; nil if it is absent or there is no object.
func member(object []byte, name string) (value []byte) {
	if jsonscan.Kind(object) != '{' {
		return nil
	}
	err := jsonscan.EachMember(object, func(n, v []byte) error {
		if string(n) == name {
			value = v
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return value
}
