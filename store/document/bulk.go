package document

import (
	"github.com/tododb/tododb/store/jsonscan"
)

// Bulk is a _bulk_docs request.
type Bulk struct {
	Docs []Doc
	// Replicated is set by "new_edits": false.
	Replicated bool
	// AllOrNothing is set by "all_or_nothing": true, which CouchDB no longer has.
	AllOrNothing bool
	// Atomic is set by "atomic": true: all documents are to be written or none.
	Atomic bool
}

// ParseBulk reads the body of a _bulk_docs request. Its errors are *Error; they come
// before anything is known of the documents behind the faulty one.
func ParseBulk(src []byte, opt Options) (Bulk, error) {
	var b Bulk
	p := newParser(src)
	i := jsonscan.Space(src, 0)
	if i >= len(src) || src[i] != '{' {
		if !jsonscan.Valid(src) {
			return b, errSyntax
		}
		return b, &Error{BadRequest, "Request body must be a JSON object"}
	}
	found := false
	i = jsonscan.Space(src, i+1)
	for first := true; ; first = false {
		if i >= len(src) {
			return b, errSyntax
		}
		if src[i] == '}' && first {
			break
		}
		end, _, err := jsonscan.SkipString(src, i)
		if err != nil || src[i] != '"' {
			return b, errSyntax
		}
		name, _ := jsonscan.Text(src[i:end])
		if i = jsonscan.Space(src, end); i >= len(src) || src[i] != ':' {
			return b, errSyntax
		}
		i = jsonscan.Space(src, i+1)
		if name == "docs" {
			found = true
			if i, err = p.docs(i, &b, opt); err != nil {
				return b, err
			}
		} else {
			if end, err = jsonscan.Skip(src, i); err != nil {
				return b, errSyntax
			}
			switch name {
			case "new_edits":
				b.Replicated = string(src[i:end]) == "false"
			case "all_or_nothing":
				b.AllOrNothing = string(src[i:end]) == "true"
			case "atomic":
				b.Atomic = string(src[i:end]) == "true"
				if !b.Atomic && string(src[i:end]) != "false" {
					return b, &Error{BadRequest, "`atomic` must be true or false."}
				}
			}
			i = end
		}
		if i = jsonscan.Space(src, i); i >= len(src) {
			return b, errSyntax
		}
		if src[i] == '}' {
			break
		}
		if src[i] != ',' {
			return b, errSyntax
		}
		i = jsonscan.Space(src, i+1)
	}
	if jsonscan.Space(src, i+1) != len(src) {
		return b, errSyntax
	}
	if !found {
		return b, &Error{BadRequest, "POST body must include `docs` parameter."}
	}
	return b, nil
}

// docs reads the array of documents at i.
func (p *parser) docs(i int, b *Bulk, opt Options) (int, error) {
	if i >= len(p.src) || p.src[i] != '[' {
		if !jsonscan.Valid(p.src) {
			return i, errSyntax
		}
		return i, &Error{BadRequest, "`docs` parameter must be an array."}
	}
	b.Docs = b.Docs[:0]
	i = jsonscan.Space(p.src, i+1)
	if i < len(p.src) && p.src[i] == ']' {
		return i + 1, nil
	}
	for {
		d, end, err := p.document(i, opt)
		if err != nil {
			if !jsonscan.Valid(p.src) {
				return i, errSyntax // broken JSON comes before what it says
			}
			return i, err
		}
		b.Docs = append(b.Docs, d)
		if i = jsonscan.Space(p.src, end); i >= len(p.src) {
			return i, errSyntax
		}
		switch p.src[i] {
		case ',':
			i = jsonscan.Space(p.src, i+1)
		case ']':
			return i + 1, nil
		default:
			return i, errSyntax
		}
	}
}
