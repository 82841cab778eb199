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

// lineIsValue tells whether the first line that is not empty is a JSON value. all says that begin is
// the whole file.
func lineIsValue(begin []byte, all bool) bool {
	for {
		line, rest, ended := bytes.Cut(begin, []byte("\n"))
		if !ended && !all {
			return false // a line that long is read as a stream
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return jsonscan.Valid(line)
		}
		if !ended {
			return true // the file is empty
		}
		begin = rest
	}
}

// lines reads a file of JSON values, one a line.
type lines struct {
	r       *bufio.Reader
	most    int  // bytes that a line may have
	plain   bool // every line is a document, whatever is in it
	line    int64
	n       int64
	waiting [][]byte // further documents of the line
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
			l.waiting = [][]byte{line}
		} else if l.waiting, err = l.unwrap(line); err != nil {
			return Item{}, &BadItem{l.at(), err}
		}
	}
	doc := l.waiting[0]
	l.waiting = l.waiting[1:]
	if err := checkDoc(doc); err != nil {
		return Item{}, &BadItem{l.at(), err}
	}
	l.n++
	return Item{Doc: doc, At: l.at(), N: l.n}, nil
}

func (l *lines) at() string { return fmt.Sprintf("line %d", l.line) }

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

// unwrap finds the documents in a value: in an array of them, or in an answer of a server. If one of
// them is bad, so is the line.
func (l *lines) unwrap(value []byte) (docs [][]byte, err error) {
	s := newStream(bytes.NewReader(value))
	s.seen = &l.seen
	for {
		item, err := s.Next()
		if err == io.EOF {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, bytes.Clone(item.Doc))
	}
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
