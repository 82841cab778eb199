package transfer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tododb/tododb/store/jsonscan"
)

// table reads a table, whose first line names the members. A cell that is JSON, such as a number,
// true or an array, is that; any other is text. An empty cell is no member.
type table struct {
	r     *csv.Reader
	raw   *cells
	text  bool
	names []string
	n     int64
	doc   []byte
}

var errNotUTF8 = errors.New("the text is not UTF-8; iconv -f WINDOWS-1252 -t UTF-8 makes it so, if it comes from a western Windows")

func newTable(r *bufio.Reader, opt ReadOptions) *table {
	raw := &cells{r: r}
	t := &table{r: csv.NewReader(raw), raw: raw, text: opt.Text}
	t.r.Comma, t.r.ReuseRecord = '\t', true
	if opt.Format != "tsv" {
		t.r.Comma = separator(r)
	}
	return t
}

// cells hands a table on line by line, and doubles the \r of a \r\n inside quotes: of those package csv
// takes one away.
type cells struct {
	r      *bufio.Reader
	quoted bool // a cell is open
	last   byte // of what came before
	rest   []byte
	err    error
}

func (c *cells) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		var line []byte
		if line, c.err = c.r.ReadSlice('\n'); errors.Is(c.err, bufio.ErrBufferFull) {
			c.err = nil
		}
		if bytes.Count(line, []byte{'"'})%2 == 1 {
			c.quoted = !c.quoted
		}
		c.rest = append(c.rest, line...)
		if n := len(line); n > 0 {
			before := c.last
			if n > 1 {
				before = line[n-2]
			}
			if c.last = line[n-1]; c.quoted && before == '\r' && c.last == '\n' {
				c.rest = append(c.rest[:n-1], "\r\n"...)
			}
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// row reads the next one. No cell is open there, whatever was wrong with the last one.
func (t *table) row() ([]string, error) {
	t.raw.quoted = false
	return t.r.Read()
}

// separator is what the first line has most of.
func separator(r *bufio.Reader) rune {
	begin, _ := r.Peek(4096)
	line, _, _ := strings.Cut(string(begin), "\n")
	best := ','
	for _, c := range []rune{';', '\t'} {
		if strings.Count(line, string(c)) > strings.Count(line, string(best)) {
			best = c
		}
	}
	return best
}

func (t *table) Next() (Item, error) {
	if t.names == nil {
		if err := t.head(); err != nil {
			return Item{}, err
		}
	}
	row, err := t.row()
	if broken, is := errors.AsType[*csv.ParseError](err); is {
		at := fmt.Sprintf("line %d", broken.StartLine)
		if errors.Is(err, csv.ErrFieldCount) {
			return Item{}, &BadItem{at, fmt.Errorf("%d cells, and the first line has %d", len(row), len(t.names))}
		}
		return Item{}, &BadItem{at, broken.Err}
	}
	if err != nil {
		return Item{}, err
	}
	line, _ := t.r.FieldPos(0)
	at := fmt.Sprintf("line %d", line)
	t.doc = append(t.doc[:0], '{')
	for i, cell := range row {
		if cell == "" {
			continue
		}
		if !utf8.ValidString(cell) {
			return Item{}, &BadItem{at, errNotUTF8}
		}
		if len(t.doc) > 1 {
			t.doc = append(t.doc, ',')
		}
		t.doc = append(jsonscan.AppendString(t.doc, t.names[i]), ':')
		special := strings.HasPrefix(t.names[i], "_") && t.names[i] != "_attachments" && t.names[i] != "_deleted"
		if !t.text && !special && isJSON(cell) {
			t.doc = append(t.doc, cell...)
		} else {
			t.doc = jsonscan.AppendString(t.doc, cell)
		}
	}
	t.doc = append(t.doc, '}')
	if err := checkDoc(t.doc); err != nil {
		return Item{}, &BadItem{at, err}
	}
	t.n++
	return Item{Doc: t.doc, At: at, N: t.n}, nil
}

// head reads the names.
func (t *table) head() error {
	row, err := t.row()
	if err == io.EOF {
		return io.EOF
	}
	if err != nil {
		return fmt.Errorf("the first line, which names the columns: %w", err)
	}
	seen := map[string]bool{}
	for i, name := range row {
		if !utf8.ValidString(name) {
			return fmt.Errorf("the first line, which names the columns: %w", errNotUTF8)
		}
		if name == "" || seen[name] {
			return fmt.Errorf("the first line names the columns, and column %d has no name or one twice: %q", i+1, name)
		}
		seen[name] = true
		t.names = append(t.names, strings.Clone(name))
	}
	return nil
}

// isJSON tells whether a cell is a JSON value other than a string.
func isJSON(cell string) bool {
	switch c := cell[0]; {
	case c == '-' || '0' <= c && c <= '9', c == '{', c == '[', cell == "true", cell == "false", cell == "null":
		return strings.TrimSpace(cell) == cell && jsonscan.Valid([]byte(cell))
	}
	return false
}
