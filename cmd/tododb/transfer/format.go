package transfer

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Formats are the forms of files: one document a line, a JSON array, and a table with commas or with tabs.
var Formats = []string{"ndjson", "json", "csv", "tsv"}

// IsTable tells whether a form is that of a table.
func IsTable(format string) bool { return format == "csv" || format == "tsv" }

// FormatOf tells the form of a file by its name, "" if the name does not say.
func FormatOf(name string) string {
	plain, _ := suffix(strings.ToLower(name))
	for end, format := range map[string]string{".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json", ".csv": "csv", ".tsv": "tsv"} {
		if strings.HasSuffix(plain, end) {
			return format
		}
	}
	return ""
}

// CheckFormat refuses a form that there is not.
func CheckFormat(format string) error {
	if format != "" && !slices.Contains(Formats, format) {
		return fmt.Errorf("a format is one of %s", strings.Join(Formats, ", "))
	}
	return nil
}

// Item is a document in a file.
type Item struct {
	Doc []byte // valid until the next call
	At  string // where: line 7, or document 7
	N   int64  // its number in the file, from 1 on
}

// BadItem is a place in a file that is no document. Reading can go on behind it.
type BadItem struct {
	At  string
	Err error
}

func (e *BadItem) Error() string { return e.At + ": " + e.Err.Error() }
func (e *BadItem) Unwrap() error { return e.Err }

// Reader finds the documents of a file. Next returns io.EOF behind the last one, and *BadItem for
// what is none.
type Reader interface {
	Next() (Item, error)
}

// ReadOptions say how a file is read.
type ReadOptions struct {
	Format string // one of Formats; "": as its first bytes look
	Text   bool   // of a table: cells that look like numbers are text all the same
}

// Some programs on Windows begin a text with a mark, and write it in UTF-16.
const (
	byteOrderMark = "\xef\xbb\xbf" // UTF-8
	littleEndian  = "\xff\xfe"
	bigEndian     = "\xfe\xff"
)

// peeked is how far the beginning of a file is looked at.
const peeked = 1 << 20

// NewReader reads a file.
func NewReader(r io.Reader, opt ReadOptions) (Reader, error) {
	b := bufio.NewReaderSize(r, peeked)
	if mark, err := b.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		b.Discard(len(byteOrderMark))
	}
	if mark, err := b.Peek(len(littleEndian)); err == nil && (string(mark) == littleEndian || string(mark) == bigEndian) {
		b = bufio.NewReaderSize(transform.NewReader(b, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()), peeked)
	}
	switch opt.Format {
	case "csv", "tsv":
		return newTable(b, opt), nil
	case "ndjson":
		return &lines{r: b, most: maxLine, plain: true}, nil
	}
	begin, err := b.Peek(peeked)
	if err != nil && err != io.EOF {
		return nil, err
	}
	// Line by line if lines are values of their own: a bad one is then known, and harms no other.
	if lineIsValue(begin, err == io.EOF) {
		return &lines{r: b, most: maxLine}, nil
	}
	return newStream(b), nil
}
