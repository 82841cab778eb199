package filter

import (
	"strings"

	"github.com/tododb/tododb/store/jsonscan"
)

// Query says which changes a client wants.
type Query struct {
	Name   string // of the filter: a built-in with an underscore, or DESIGN/FUNCTION; "": all
	DocIDs []byte // of _doc_ids, a JSON array
	// Selector is the selector of _selector, as JSON. Fields says what to show of a document,
	// nil: all. As in CouchDB, both come in the body of a POST.
	Posted           bool
	Selector, Fields []byte

	View string // of _view: DESIGN/VIEW
	Keys Keys
	// Descending reads a view from its newest change backward.
	Descending bool

	// Request returns the request object for functions, as JSON (design.Request).
	Request func() ([]byte, error)
}

// Keys are the keys of a view whose changes a client wants, as JSON; nil: no bound.
type Keys struct {
	Start, End []byte
	List       []byte // an array
	ExcludeEnd bool
}

// IsZero tells whether there are no bounds.
func (k *Keys) IsZero() bool { return k.Start == nil && k.End == nil && k.List == nil }

// Set takes a query parameter. It ignores parameters that are not a filter's: known is then
// false.
func (q *Query) Set(name, value string) (known bool, err error) {
	switch name = strings.ToLower(name); name {
	case "filter":
		q.Name = value
	case "view":
		q.View = value
	case "key", "keys", "startkey", "start_key", "endkey", "end_key":
		key, err := jsonscan.Trim([]byte(value))
		if err != nil {
			return true, errNotJSON
		}
		return true, q.Keys.set(name, key)
	case "inclusive_end":
		q.Keys.ExcludeEnd = value == "false"
	case "doc_ids":
		q.DocIDs = []byte(value)
	default:
		return false, nil
	}
	return true, nil
}

// Post takes the body of a POST, a JSON object, nil: none. It overrides the parameters.
func (q *Query) Post(body []byte) error {
	q.Posted = true
	if jsonscan.Kind(body) != '{' {
		return nil
	}
	return jsonscan.EachMember(body, func(name, value []byte) error {
		switch string(name) {
		case "doc_ids":
			q.DocIDs = value
		case "selector":
			q.Selector = value
		case "fields":
			q.Fields = value
		case "keys":
			q.Keys.List = value
		}
		return nil
	})
}

func (k *Keys) set(name string, key []byte) error {
	switch name {
	case "key":
		k.Start, k.End = key, key
	case "startkey", "start_key":
		k.Start = key
	case "endkey", "end_key":
		k.End = key
	case "keys":
		if jsonscan.Kind(key) != '[' {
			return errKeysList
		}
		k.List = key
	}
	return nil
}

// docIDs reads the list of ids.
func (q *Query) docIDs() ([]string, error) {
	if q.DocIDs == nil {
		return nil, errDocIDs
	}
	list, err := jsonscan.Trim(q.DocIDs)
	if err != nil {
		return nil, errNotJSON
	}
	if jsonscan.Kind(list) != '[' {
		return nil, errDocIDs
	}
	ids := []string{}
	err = jsonscan.EachElement(list, func(value []byte) error {
		id, err := jsonscan.Text(value)
		if err != nil {
			return errDocIDs
		}
		ids = append(ids, id)
		return nil
	})
	return ids, err
}
