package mango

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Index is an index defined by a design document of the language "query". Without a design
// document, it is the documents themselves in the order of their ids.
type Index struct {
	DDoc    string // id of the design document
	Name    string
	Fields  Sort
	Partial *Selector // nil: all documents that have the fields
	Changes bool      // it also finds changes
	// scope is the option "partitioned" that was asked for: true, false, or "" for the database's
	// default.
	scope string

	raw    []byte           // its definition as sent: the design document's options hold it
	design *design.Document // whose view it is
	number int              // of the view
}

// allDocs is the index that always exists.
var allDocs = &Index{Name: "_all_docs", Fields: Sort{Fields: []string{"_id"}}}

// special reports whether this is allDocs.
func (ix *Index) special() bool { return ix.DDoc == "" }

// partitioned reports whether the index serves queries of one partition, and no others.
func (ix *Index) partitioned() bool { return ix.design != nil && ix.design.Partitioned }

// AppendJSON appends an index as GET /db/_index lists it.
func (ix *Index) AppendJSON(b []byte) []byte {
	b = append(b, `{"ddoc":`...)
	if ix.special() {
		b = append(b, "null"...)
	} else {
		b = jsonscan.AppendString(b, ix.DDoc)
	}
	b = jsonscan.AppendString(append(b, `,"name":`...), ix.Name)
	if ix.special() {
		b = append(b, `,"type":"special"`...)
	} else {
		b = strconv.AppendBool(append(b, `,"type":"json","partitioned":`...), ix.partitioned())
	}
	b = ix.Fields.appendArray(append(b, `,"def":{"fields":`...))
	if ix.Partial != nil {
		b = ix.Partial.AppendJSON(append(b, `,"partial_filter_selector":`...))
	}
	b = append(b, '}')
	if ix.Changes {
		b = append(b, `,"options":{"changes":true}`...)
	}
	return append(b, '}')
}

// ParseIndex reads the body of a request for an index, a JSON object that has been checked. The
// error is an *Error.
func ParseIndex(body []byte) (*Index, error) {
	ix := &Index{}
	kind, name, ddoc := "json", "", ""
	given := map[string]bool{}
	w := 2
	var options []byte
	err := readOptions(body, []option{
		{"index", true, func(v []byte) error { ix.raw = v; return nil }},
		{"type", false, readName(&kind)},
		{"name", false, func(v []byte) error { given["name"] = true; return readName(&name)(v) }},
		{"ddoc", false, func(v []byte) error { given["ddoc"] = true; return readName(&ddoc)(v) }},
		{"w", false, positive(&w)},
		{"partitioned", false, func(v []byte) error {
			if k := jsonscan.Kind(v); k != 't' && k != 'f' {
				return &Error{"invalid_partitioned_value", "Invalid value for partitioned: " + erlang(v, false)}
			}
			ix.scope = string(v)
			return nil
		}},
		{"options", false, func(v []byte) error { options = v; return ix.readOptions(v) }},
	})
	if err != nil {
		return nil, err
	}
	switch kind {
	case "json":
	case "text", "nouveau":
		return nil, &Error{Unavailable, kind}
	default:
		return nil, &Error{"invalid_index", "Invalid type for index: " + kind}
	}
	if given["name"] && name == "" || given["ddoc"] && ddoc == "" {
		return nil, &Error{"invalid_empty_string", "Index name or ddoc cannot be empty string"}
	}
	auto := ""
	if !given["name"] || !given["ddoc"] {
		auto, err = asked{name, ddoc, kind, w, cmp.Or(ix.scope, "db_default"), options}.generateName(ix.raw)
		if err != nil {
			return nil, err
		}
	}
	if ix.Name = name; !given["name"] {
		ix.Name = auto
	}
	if !given["ddoc"] {
		ddoc = auto
	}
	ix.DDoc = designID(ddoc)
	return ix, ix.readDefinition()
}

func designID(name string) string { return "_design/" + strings.TrimPrefix(name, "_design/") }

func readName(to *string) func([]byte) error {
	return func(v []byte) error {
		if jsonscan.Kind(v) != '"' {
			return &Error{"invalid_string", "Invalid string: " + erlang(v, false)}
		}
		*to = text(v)
		return nil
	}
}

// readDefinition reads the index as it was sent.
func (ix *Index) readDefinition() error {
	if jsonscan.Kind(ix.raw) != '{' {
		return &Error{"invalid_index", "JSON indexes must be an object, not: " + erlang(ix.raw, false)}
	}
	return readOptions(ix.raw, []option{
		{"fields", true, func(v []byte) (err error) { ix.Fields, err = parseSort(v); return err }},
		{"partial_filter_selector", false, func(v []byte) (err error) { return ix.readPartial(v) }},
	})
}

func (ix *Index) readPartial(v []byte) error {
	s, err := Compile(v)
	if err == nil && !s.Empty() {
		ix.Partial = s
	}
	return err
}

// readOptions reads an option that CouchDB lacks: {"changes": true}.
func (ix *Index) readOptions(v []byte) error {
	if jsonscan.Kind(v) != '{' {
		return &Error{"invalid_object", erlang(v, false) + " is not a JSON object"}
	}
	return readOptions(v, []option{{"changes", false, boolean(&ix.Changes)}})
}

// appendView appends the view that holds the index in a design document.
func (ix *Index) appendView(b []byte) []byte {
	b = ix.Fields.appendObject(append(b, `{"map":{"fields":`...))
	b = append(b, `,"partial_filter_selector":`...)
	if ix.Partial == nil {
		b = append(b, "{}"...)
	} else {
		b = ix.Partial.AppendJSON(b)
	}
	b = append(append(b, `},"reduce":"_count","options":{"def":`...), ix.raw...)
	if ix.Changes {
		b = append(b, `,"changes":true`...)
	}
	return append(b, "}}"...)
}

// indexOf reads an index from a view of a design document; false if the view is not one.
func indexOf(d *design.Document, number int) (*Index, bool) {
	def, options := d.Views[number].Map, d.Views[number].Options
	ix := &Index{DDoc: d.ID, Name: d.Views[number].Name, design: d, number: number}
	if jsonscan.Kind(def) != '{' || jsonscan.Kind(options) != '{' {
		return nil, false
	}
	fields := memberOf(def, "fields")
	switch jsonscan.Kind(fields) {
	case '{': // {"a": "asc", "b": "asc"}, which would be one direction too many in an array
		list := []byte{'['}
		for i, p := range pairs(fields) {
			if i > 0 {
				list = append(list, ',')
			}
			list = append(jsonscan.AppendString(append(list, '{'), p.name), ':')
			list = append(append(list, p.value...), '}')
		}
		fields = append(list, ']')
	case '[':
	default:
		return nil, false
	}
	var err error
	if ix.Fields, err = parseSort(fields); err != nil {
		return nil, false
	}
	for _, member := range []string{"partial_filter_selector", "selector"} { // the second is found in old design documents
		if partial := memberOf(def, member); partial != nil && ix.Partial == nil {
			if jsonscan.Kind(partial) != '{' || ix.readPartial(partial) != nil {
				return nil, false
			}
		}
	}
	ix.Changes = string(memberOf(options, "changes")) == "true"
	return ix, true
}

// asked is what a request for an index says apart from its definition.
type asked struct {
	name, ddoc, kind string
	w                int
	partitioned      string
	options          []byte // nil: none
}

// generateName derives a name from the request, as CouchDB does (mango_idx.erl, gen_name): the
// SHA-1 of Erlang's external form of the definition and the options.
func (a asked) generateName(def []byte) (string, error) {
	auto := func(b []byte, s string) []byte {
		if s == "" {
			return document.AppendAtom(b, "auto_name")
		}
		return document.AppendBinary(b, s)
	}
	tagged := func(b []byte, tag string) []byte { return document.AppendAtom(append(b, 'h', 2), tag) }
	n := byte(6)
	if a.options != nil {
		n++
	}
	b, err := document.AppendTerm([]byte{131, 'h', 2}, def)
	if err != nil {
		return "", err
	}
	b = auto(tagged(append(b, 'l', 0, 0, 0, n), "ddoc"), a.ddoc)
	if b, err = document.AppendTerm(tagged(b, "def"), def); err != nil {
		return "", err
	}
	b = auto(tagged(b, "name"), a.name)
	if a.options != nil {
		if b, err = document.AppendTerm(tagged(b, "options"), a.options); err != nil {
			return "", err
		}
	}
	b = document.AppendAtom(tagged(b, "partitioned"), a.partitioned)
	b = document.AppendBinary(tagged(b, "type"), a.kind)
	b = append(document.AppendInt(tagged(b, "w"), int64(a.w)), 'j')
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:]), nil
}
