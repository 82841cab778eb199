package document

import (
	"errors"
	"strconv"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/jsonscan"
)

// ofBody reports whether a member stays in the body although its name begins with an
// underscore.
func ofBody(name []byte) bool {
	switch string(name) {
	case "_replication_id", "_replication_state", "_replication_state_time",
		"_replication_state_reason", "_replication_stats", "_access":
		return true
	}
	return false
}

// special reads a member of the document that is not part of its body, and returns the index
// after its value.
func (p *parser) special(d *Doc, name []byte, i int) (int, error) {
	if string(name) == "_attachments" && i < len(p.src) && p.src[i] == '{' {
		return p.attachments(d, i)
	}
	end, err := jsonscan.Skip(p.src, i)
	if err != nil {
		return i, errSyntax
	}
	value := p.src[i:end]
	kind := jsonscan.Kind(value)
	switch string(name) {
	case "_id":
		if kind != '"' {
			return i, errIDType
		}
		d.ID, _ = jsonscan.Text(value)
		d.HasID = true
		if p.maxID > 0 && int64(len(d.ID)) > p.maxID {
			return end, ErrIDTooLong
		}
		return end, ValidID(d.ID)
	case "_rev":
		if kind != '"' {
			return i, errBadRev
		}
		text, _ := jsonscan.Text(value)
		if d.Rev, err = revtree.Parse(text); err != nil {
			return i, errBadRev
		}
		d.HasRev = true
	case "_deleted":
		if kind != 't' && kind != 'f' {
			return i, badMember("_deleted")
		}
		d.Deleted = kind == 't'
	case "_revisions":
		if kind != '{' {
			return i, badMember("_revisions")
		}
		d.Path, err = revisions(value)
	case "_conflicts", "_deleted_conflicts", "_revs_info", "_local_seq":
	default:
		return i, badMember(string(name))
	}
	return end, err
}

// revisions reads {"start": 3, "ids": ["c", "b", "a"]}. Generations before the first become 0;
// CheckPath judges them, since local documents have nothing else.
func revisions(value []byte) (path []revtree.Rev, err error) {
	start := int64(-1)
	ids, listed := []string{}, false
	err = jsonscan.EachMember(value, func(name, v []byte) error {
		switch string(name) {
		case "start":
			n, err := strconv.ParseInt(string(v), 10, 64)
			if err != nil || n < 0 {
				return &Error{Validation, "_revisions.start isn't an integer."}
			}
			start = n
		case "ids":
			if jsonscan.Kind(v) != '[' {
				return &Error{Validation, "_revisions.ids isn't a array."}
			}
			listed, ids = true, ids[:0]
			return jsonscan.EachElement(v, func(e []byte) error {
				text, err := jsonscan.Text(e)
				if err != nil {
					return &Error{Validation, "RevId isn't a string"}
				}
				id, err := revtree.ParseID(text)
				if err != nil {
					return errBadRev
				}
				ids = append(ids, id)
				return nil
			})
		}
		return nil
	})
	switch {
	case errors.Is(err, jsonscan.ErrSyntax):
		return nil, errSyntax
	case err != nil:
		return nil, err
	case start < 0:
		return nil, &Error{Validation, "_revisions.start isn't an integer."}
	case !listed:
		return nil, &Error{Validation, "_revisions.ids isn't a array."}
	}
	for k, id := range ids {
		path = append(path, revtree.Rev{Gen: uint64(max(start-int64(k), 0)), ID: id})
	}
	return path, nil
}
