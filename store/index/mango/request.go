package mango

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Query is a request to find documents (mango_opts.erl, validate_find).
type Query struct {
	Selector *Selector
	// UseIndex is the design document of the index to use, with or without _design/, and
	// perhaps its name; nil: the planner chooses.
	UseIndex       []string
	AllowFallback  bool
	Bookmark       string // "": from the beginning
	Limit, Skip    int
	ScanWarning    int // documents looked at for each that matches, from which on the answer warns; 0: never (10)
	Sort           Sort
	Fields         *Fields
	Partition      string // "": all documents
	R              int
	Conflicts      bool
	Update, Stable bool
	Stale          bool
	ExecutionStats bool
}

const defaultLimit = 25

// option is one member of a request's object; read is called if it is there.
type option struct {
	name     string
	required bool
	read     func(v []byte) error
}

// readOptions reads an object's members in the order of the options, as CouchDB does, so that
// it reports the same one of several mistakes.
func readOptions(body []byte, options []option) error {
	list := pairs(body)
	for _, o := range options {
		i := slices.IndexFunc(list, func(p pair) bool { return p.name == o.name })
		if i < 0 {
			if o.required {
				return &Error{"missing_required_key", "Missing required key: " + o.name}
			}
			continue
		}
		if err := o.read(list[i].value); err != nil {
			return err
		}
		list = slices.Delete(list, i, i+1)
	}
	if len(list) > 0 {
		return &Error{"invalid_key", fmt.Sprintf("Invalid key %s for this request.", list[0].name)}
	}
	return nil
}

// ParseQuery reads the body of a request, a JSON object that has been checked. The error is an
// *Error.
func ParseQuery(body []byte) (*Query, error) {
	q := &Query{AllowFallback: true, Limit: defaultLimit, ScanWarning: 10, R: 1, Update: true}
	return q, readOptions(body, []option{
		{"selector", true, func(v []byte) (err error) { q.Selector, err = Compile(v); return err }},
		{"use_index", false, func(v []byte) (err error) { q.UseIndex, err = readUseIndex(v); return err }},
		{"bookmark", false, q.readBookmark},
		{"limit", false, count(&q.Limit)},
		{"skip", false, count(&q.Skip)},
		{"sort", false, func(v []byte) (err error) { q.Sort, err = parseSort(v); return err }},
		{"fields", false, func(v []byte) (err error) { q.Fields, err = CompileFields(v); return err }},
		{"partition", false, q.readPartition},
		{"r", false, positive(&q.R)},
		{"conflicts", false, boolean(&q.Conflicts)},
		{"stale", false, q.readStale},
		{"update", false, boolean(&q.Update)},
		{"stable", false, boolean(&q.Stable)},
		{"execution_stats", false, boolean(&q.ExecutionStats)},
		{"allow_fallback", false, boolean(&q.AllowFallback)},
	})
}

func (q *Query) readBookmark(v []byte) error {
	switch jsonscan.Kind(v) {
	case 'n':
		return nil
	case '"':
		if q.Bookmark = text(v); q.Bookmark == "" {
			return nil
		}
		_, err := parseBookmark(q.Bookmark)
		return err
	}
	return badBookmark(v)
}

func (q *Query) readPartition(v []byte) error {
	if jsonscan.Kind(v) != '"' {
		return &Error{"illegal_partition", "Partition must be a string"}
	}
	if q.Partition = text(v); q.Partition == "" {
		return nil
	}
	if err := document.ValidPartition(q.Partition); err != nil {
		return &Error{"illegal_partition", err.Error()}
	}
	return nil
}

// ids are the stretches of ids that documents which match a part of the query can have.
func (q *Query) ids(n *node) spans {
	s := n.spansOf("_id", ids{})
	if q.Partition != "" {
		from, to := document.PartitionBounds(q.Partition)
		s = s.intersect(spans{{lo: from, hi: to}})
	}
	return s
}

func (q *Query) readStale(v []byte) error {
	switch string(v) {
	case `"ok"`:
		q.Stale, q.Update = true, false
		return nil
	case `"false"`, `false`:
		return nil
	}
	return &Error{"invalid_ok_or_false_value", "Invalid value: " + erlang(v, false) + ", it should be ok or false"}
}

func boolean(to *bool) func([]byte) error {
	return func(v []byte) error {
		k := jsonscan.Kind(v)
		if k != 't' && k != 'f' {
			return &Error{"invalid_boolean", "Invalid boolean value: " + erlang(v, false)}
		}
		*to = k == 't'
		return nil
	}
}

// maxInteger replaces any greater number: CouchDB accepts any.
const maxInteger = math.MaxInt / 16

func integer(v []byte) (int, bool) {
	n, err := strconv.Atoi(string(v))
	if errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	return min(n, maxInteger), err == nil && jsonscan.Kind(v) == '0'
}

func count(to *int) func([]byte) error {
	return func(v []byte) error {
		n, ok := integer(v)
		if !ok || n < 0 {
			return &Error{"invalid_non_neg_integer", erlang(v, false) + " is not an integer greater than or equal to zero"}
		}
		*to = n
		return nil
	}
}

func positive(to *int) func([]byte) error {
	return func(v []byte) error {
		n, ok := integer(v)
		if !ok || n < 1 {
			return &Error{"invalid_pos_integer", erlang(v, false) + " is not an integer greater than zero"}
		}
		*to = n
		return nil
	}
}

// readUseIndex reads a design document's id, with or without _design/ and with or without a
// slash and an index's name, or an array of the two.
func readUseIndex(v []byte) ([]string, error) {
	invalid := &Error{"invalid_index_name", "Invalid index name: " + erlang(v, false)}
	switch jsonscan.Kind(v) {
	case 'n':
		return nil, nil
	case '"':
		ddoc, name, slash := strings.Cut(text(v), "/")
		switch {
		case !slash:
			return []string{ddoc}, nil
		case ddoc == "_design":
			return []string{name}, nil
		}
		return []string{ddoc, name}, nil
	case '[':
		var names []string
		for _, e := range elements(v) {
			if jsonscan.Kind(e) != '"' {
				return nil, invalid
			}
			names = append(names, text(e))
		}
		if len(names) <= 2 {
			return names, nil
		}
	}
	return nil, invalid
}

// Sort lists the fields to sort by, all in one direction.
type Sort struct {
	Fields     []string
	Descending bool
}

// parseSort reads an array of names, or of objects that map a name to its direction
// (mango_sort.erl).
func parseSort(v []byte) (s Sort, err error) {
	if jsonscan.Kind(v) != '[' {
		return s, &Error{"invalid_sort_json", "Sort must be an array of sort specs, not: " + erlang(v, true)}
	}
	ways := [2]bool{}
	for _, e := range elements(v) {
		invalid := &Error{"invalid_sort_field", "Invalid sort field: " + erlang(e, true)}
		name, way := "", "asc"
		switch jsonscan.Kind(e) {
		case '"':
			name = text(e)
		case '{':
			p := pairs(e)
			if len(p) != 1 || jsonscan.Kind(p[0].value) != '"' {
				return s, invalid
			}
			name, way = p[0].name, text(p[0].value)
		default:
			return s, invalid
		}
		if way != "asc" && way != "desc" {
			return s, invalid
		}
		if name == "" {
			return s, invalid
		}
		if _, err := parsePath(name); err != nil {
			return s, err
		}
		s.Descending = way == "desc"
		ways[len(way)-3] = true
		s.Fields = append(s.Fields, name)
	}
	if ways[0] && ways[1] {
		return s, &Error{"unsupported_mixed_sort", "Sorts currently only support a single direction for all fields."}
	}
	return s, nil
}

// direction is how the sort is written.
func (s *Sort) direction() string {
	if s.Descending {
		return "desc"
	}
	return "asc"
}

// appendObject appends the sort as an object; of a repeated name, CouchDB's readers see the
// last.
func (s *Sort) appendObject(b []byte) []byte {
	b = append(b, '{')
	for i, f := range s.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendString(b, f), `:"`...)
		b = append(append(b, s.direction()...), '"')
	}
	return append(b, '}')
}

// appendArray appends the sort as an array of objects.
func (s *Sort) appendArray(b []byte) []byte {
	b = append(b, '[')
	for i := range s.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		one := Sort{s.Fields[i : i+1], s.Descending}
		b = one.appendObject(b)
	}
	return append(b, ']')
}
