package document

import (
	"errors"

	"github.com/tododb/tododb/store/jsonscan"
)

// ErrManyDocs says that a _bulk_docs request has more documents than Options.MaxDocs.
var ErrManyDocs = errors.New("more documents than the caller allows at once")

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

// ParseBulk reads the body of a _bulk_docs request. Its errors are *Error, or ErrManyDocs with
// Options.MaxDocs. It stops at the first faulty document and looks at none after it.
func ParseBulk(src []byte, opt Options) (Bulk, error) {
	var b Bulk
	p := newParser(src, opt)
	defer p.release()
	err := walkBulk(src, &b, func(i int) (int, error) {
		b.Docs = b.Docs[:0]
		return p.eachDoc(i, opt, func(d *Doc) error {
			if opt.MaxDocs > 0 && len(b.Docs) == opt.MaxDocs {
				return ErrManyDocs
			}
			b.Docs = append(b.Docs, *d)
			return nil
		})
	})
	return b, err
}

// walkBulk reads the members of a _bulk_docs request. It passes docs the index where the list
// of documents begins; docs returns the index where the list ends.
func walkBulk(src []byte, b *Bulk, docs func(i int) (int, error)) error {
	i := jsonscan.Space(src, 0)
	if i >= len(src) || src[i] != '{' {
		if !jsonscan.Valid(src) {
			return errSyntax
		}
		return &Error{BadRequest, "Request body must be a JSON object"}
	}
	found := false
	i = jsonscan.Space(src, i+1)
	for first := true; ; first = false {
		if i >= len(src) {
			return errSyntax
		}
		if src[i] == '}' && first {
			break
		}
		end, _, err := jsonscan.SkipString(src, i)
		if err != nil || src[i] != '"' {
			return errSyntax
		}
		name, _ := jsonscan.Text(src[i:end])
		if i = jsonscan.Space(src, end); i >= len(src) || src[i] != ':' {
			return errSyntax
		}
		i = jsonscan.Space(src, i+1)
		if name == "docs" {
			found = true
			if i, err = docs(i); err != nil {
				return err
			}
		} else {
			if end, err = jsonscan.Skip(src, i); err != nil {
				return errSyntax
			}
			switch name {
			case "new_edits":
				b.Replicated = string(src[i:end]) == "false"
				if !b.Replicated && string(src[i:end]) != "true" {
					return &Error{BadRequest, "`new_edits` parameter must be a boolean."}
				}
			case "all_or_nothing":
				b.AllOrNothing = string(src[i:end]) == "true"
			case "atomic":
				b.Atomic = string(src[i:end]) == "true"
				if !b.Atomic && string(src[i:end]) != "false" {
					return &Error{BadRequest, "`atomic` must be true or false."}
				}
			}
			i = end
		}
		if i = jsonscan.Space(src, i); i >= len(src) {
			return errSyntax
		}
		if src[i] == '}' {
			break
		}
		if src[i] != ',' {
			return errSyntax
		}
		i = jsonscan.Space(src, i+1)
	}
	if jsonscan.Space(src, i+1) != len(src) {
		return errSyntax
	}
	if !found {
		return &Error{BadRequest, "POST body must include `docs` parameter."}
	}
	return nil
}

// eachDoc calls fn with each document of the array at i, and returns the index after it.
func (p *parser) eachDoc(i int, opt Options, fn func(d *Doc) error) (int, error) {
	if i >= len(p.src) || p.src[i] != '[' {
		if !jsonscan.Valid(p.src) {
			return i, errSyntax
		}
		return i, &Error{BadRequest, "`docs` parameter must be an array."}
	}
	i = jsonscan.Space(p.src, i+1)
	if i < len(p.src) && p.src[i] == ']' {
		return i + 1, nil
	}
	for n := 1; ; n++ {
		if opt.MostDocs > 0 && n > opt.MostDocs {
			return i, tooMany(opt.MostDocs)
		}
		d, end, err := p.document(i, opt)
		if err != nil {
			if !jsonscan.Valid(p.src) {
				return i, errSyntax // broken JSON is reported before other faults
			}
			return i, err
		}
		if err := fn(&d); err != nil {
			return i, err
		}
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
