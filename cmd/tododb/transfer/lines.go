package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/tododb/tododb/store/jsonscan"
)

// maxLine is how long a line may be. A server takes no document that long.
const maxLine = 256 << 20

var errLongLine = errors.New("the line is longer than any document may be")

// lineIsValue tells whether the first line that is not empty is a JSON value, or is meant to be one and
// broken. all says that begin is the whole file.
func lineIsValue(begin []byte, all bool) bool {
	for {
		line, rest, ended := bytes.Cut(begin, []byte("\n"))
		if !ended && !all {
			return false // a line that long is read as a stream
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return jsonscan.Valid(line) || isBraced(line) && bytes.HasPrefix(bytes.TrimSpace(rest), []byte("{"))
		}
		if !ended {
			return true // the file is empty
		}
		begin = rest
	}
}

// isBraced tells whether a line looks like an object of its own, whatever is between its braces.
func isBraced(line []byte) bool { return line[0] == '{' && len(line) > 1 && line[len(line)-1] == '}' }

// lines reads a file of JSON values, one a line.
type lines struct {
	r       *bufio.Reader
	most    int  // bytes that a line may have
	plain   bool // every line is a document, whatever is in it
	line    int64
	n       int64
	waiting []found // further documents of the line
	seen    dumps
}

func (l *lines) Next() (Item, error) {
	for len(l.waiting) == 0 {
		line, err := l.read()
		if err != nil {
			return Item{}, err
		}
		if len(line) == 0 {
			continue
		}
		if l.plain || !mayWrap(line) {
			l.waiting = []found{{doc: line, at: l.at()}}
		} else if l.waiting, err = l.unwrap(line); err != nil {
			return Item{}, &BadItem{l.at(), err}
		}
	}
	next := l.waiting[0]
	l.waiting = l.waiting[1:]
	if next.err == nil {
		next.err = checkDoc(next.doc)
	}
	if next.err != nil {
		return Item{}, &BadItem{next.at, next.err}
	}
	l.n++
	return Item{Doc: next.doc, At: next.at, N: l.n}, nil
}

func (l *lines) at() string { return fmt.Sprintf("line %d", l.line) }

// found is a document of a line, or why there is none.
type found struct {
	doc []byte
	at  string
	err error
}

// read reads the next line, without blanks around it.
func (l *lines) read() (line []byte, err error) {
	l.line++
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil && line == nil {
			return bytes.Clone(bytes.TrimSpace(part)), nil
		}
		if len(line)+len(part) > l.most {
			if err := l.skip(err); err != nil {
				return nil, err
			}
			return nil, &BadItem{l.at(), errLongLine}
		}
		line = append(line, part...)
		switch {
		case err == nil || err == io.EOF && len(line) > 0:
			return bytes.TrimSpace(line), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// skip leaves out the rest of a line.
func (l *lines) skip(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// mayWrap tells whether a value may be something around documents. It only saves work.
func mayWrap(value []byte) bool {
	if value[0] != '{' {
		return value[0] == '['
	}
	for _, word := range []string{`"docs"`, `"rows"`, `"results"`, `"seq"`, `"db_info"`, "@cloudant/couchbackup"} {
		if bytes.Contains(value, []byte(word)) {
			return true
		}
	}
	return false
}

// unwrap finds the documents in a value: in an array of them, or in an answer of a server. One that is
// bad harms no other, but in a line that is no JSON there are none.
func (l *lines) unwrap(value []byte) (docs []found, err error) {
	s := newStream(bytes.NewReader(value))
	s.seen = &l.seen
	for {
		item, err := s.Next()
		if err == io.EOF {
			break
		}
		one := found{doc: bytes.Clone(item.Doc), at: l.at() + ", " + s.at()}
		if bad, is := errors.AsType[*BadItem](err); is {
			one.err = bad.Err
		} else if err != nil {
			return nil, err
		}
		docs = append(docs, one)
	}
	if len(docs) == 1 {
		docs[0].at = l.at()
	}
	return docs, nil
}

// checkDoc refuses what is no JSON object.
func checkDoc(doc []byte) error {
	if !jsonscan.Valid(doc) {
		return errors.New("that is no JSON, or has a number that no server takes")
	}
	if jsonscan.Kind(doc) != '{' {
		return errors.New("that is no JSON object")
	}
	return nil
}
