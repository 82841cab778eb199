package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tododb/tododb/store/jsonscan"
)

// stream reads JSON values one after the other: documents, arrays of documents, and what servers
// and other programs write around documents. An array may be longer than memory.
type stream struct {
	dec   *jsontext.Decoder
	state streamState
	rows  bool // the array has rows, whose documents are in a member doc
	seen  *dumps
	n     int64
}

type streamState int

const (
	outside streamState = iota
	inArray
	inWrapped // in an array that is a member of an object
)

// dumps remembers what a file has been found to be.
type dumps struct{ pouch bool }

func newStream(r io.Reader) *stream {
	return &stream{dec: jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true)), seen: &dumps{}}
}

// wrappers are the members of answers and dumps that may stand before the array of documents: those of
// _all_docs, _changes, _find, _bulk_docs and pouchdb-dump.
var wrappers = []string{
	"total_rows", "offset", "update_seq", "last_seq", "pending", "new_edits", "bookmark", "warning", "execution_stats",
	"version", "db_type", "start_time", "db_info", "seq",
}

func (s *stream) Next() (Item, error) {
	for {
		doc, err := s.step()
		if bad, is := errors.AsType[*BadItem](err); is {
			s.n++
			bad.At = s.at()
			return Item{}, bad
		}
		switch {
		case err == io.EOF && s.state == outside:
			return Item{}, io.EOF
		case err == io.EOF:
			return Item{}, fmt.Errorf("the file ends in the middle, behind document %d", s.n)
		case err != nil:
			return Item{}, s.broken(err)
		case doc != nil:
			s.n++
			return Item{Doc: doc, At: s.at(), N: s.n}, nil
		}
	}
}

var errNoJSON = errors.New("the file is neither JSON nor compressed; --format csv says that it is a table, and --format tsv that there are tabs between its cells")

// broken says where a file is no JSON.
func (s *stream) broken(err error) error {
	wrong, is := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case !is:
		return fmt.Errorf("behind document %d: %w", s.n, err)
	case s.n == 0 && s.state == outside && s.dec.InputOffset() == 0 && wrong.ByteOffset == 0:
		return errNoJSON
	}
	return fmt.Errorf("behind document %d, at byte %d, is no JSON: %w. What stands behind it is not read", s.n, wrong.ByteOffset+1, wrong.Err)
}

func (s *stream) at() string { return fmt.Sprintf("document %d", s.n) }

// step reads the next piece. It may be one without a document.
func (s *stream) step() ([]byte, error) {
	kind := s.dec.PeekKind()
	switch {
	case s.state == outside && kind == '[':
		s.state, s.rows = inArray, false
		_, err := s.dec.ReadToken()
		return nil, err
	case s.state == outside && kind == '{':
		return s.object()
	case s.state == inArray && kind == ']':
		s.state = outside
		_, err := s.dec.ReadToken()
		return nil, err
	case s.state == inWrapped && kind == ']':
		if _, err := s.dec.ReadToken(); err != nil {
			return nil, err
		}
		return nil, s.leave()
	}
	value, err := s.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if value.Kind() != '{' {
		return nil, &BadItem{Err: errors.New("that is no JSON object")}
	}
	if s.rows {
		return inRow(value)
	}
	return value, nil
}

// leave skips what stands behind the array of documents.
func (s *stream) leave() error {
	for s.dec.PeekKind() != '}' {
		if err := s.dec.SkipValue(); err != nil {
			return err
		}
	}
	s.state = outside
	_, err := s.dec.ReadToken()
	return err
}

// object reads an object up to its end, or up to the array of documents in it.
func (s *stream) object() ([]byte, error) {
	if _, err := s.dec.ReadToken(); err != nil {
		return nil, err
	}
	out, maybe := []byte("{"), true
	var names []string
	for s.dec.PeekKind() != '}' {
		raw, err := s.dec.ReadValue()
		if err != nil {
			return nil, eofInside(err)
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, raw...), ':')
		name, err := jsonscan.Text(raw)
		if err != nil {
			return nil, err
		}
		if maybe && s.dec.PeekKind() == '[' && slices.Contains([]string{"docs", "rows", "results"}, name) {
			s.state, s.rows = inWrapped, name != "docs"
			_, err := s.dec.ReadToken()
			return nil, err
		}
		maybe = maybe && slices.Contains(wrappers, name)
		names = append(names, name)
		value, err := s.dec.ReadValue()
		if err != nil {
			return nil, eofInside(err)
		}
		out = append(out, value...)
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return nil, eofInside(err)
	}
	out = append(out, '}')
	if s.header(out, names) {
		return nil, nil
	}
	return out, nil
}

func eofInside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header tells whether an object is about the file: of pouchdb-dump, or of couchbackup.
func (s *stream) header(object []byte, names []string) bool {
	if slices.Contains(names, "db_info") && slices.Contains(names, "start_time") {
		s.seen.pouch = true
		return true
	}
	if s.seen.pouch && len(names) == 1 && names[0] == "seq" {
		return true
	}
	return len(names) > 0 && names[0] == "name" && bytes.HasPrefix(object, []byte(`{"name":"@cloudant/couchbackup"`))
}

// inRow finds the document in a row.
func inRow(row []byte) (doc []byte, err error) {
	err = jsonscan.EachMember(row, func(name, value []byte) error {
		if string(name) == "doc" && jsonscan.Kind(value) == '{' {
			doc = value
		}
		return nil
	})
	if err == nil && doc == nil {
		err = &BadItem{Err: errors.New("the row has no document: a dump needs include_docs=true")}
	}
	return doc, err
}
