package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// file is an ini file, line by line, in CouchDB's form. What a change does not concern stays
// as somebody has written it: comments, order, blanks.
//
//	[section]
//	; a comment
//	name = value ; another one
//
// The value is the literal rest of the line, up to a blank with a semicolon behind it. The
// name ends before the first " = ", so it may contain "=", as the ids of keys do. Without
// blanks around it, the first "=" counts.
type file struct{ lines []line }

type line struct {
	text    string // without the end of the line
	section string // that it is in
	kind    lineKind
	name    string // of a setting
	value   string
}

type lineKind int

const (
	blank lineKind = iota
	comment
	header
	setting
)

// byteOrderMark is what some editors begin a file with.
const byteOrderMark = "\ufeff"

// readFile reads and checks a file. Unless it must exist, a missing file is empty.
func readFile(path string, must bool) (*file, error) {
	text, err := os.ReadFile(path)
	if !must && errors.Is(err, fs.ErrNotExist) {
		return &file{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	f, err := parse(text)
	if err != nil {
		return nil, &FileError{path, err}
	}
	return f, nil
}

// FileError says what is wrong in a file of settings.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("read settings: %s: %v", e.Path, e.Err) }
func (e *FileError) Unwrap() error { return e.Err }

// parse reads the text of a file and checks every setting.
func parse(text []byte) (*file, error) {
	f := &file{}
	section := ""
	for raw := range strings.SplitSeq(string(text), "\n") {
		read := raw
		if len(f.lines) == 0 {
			read = strings.TrimPrefix(raw, byteOrderMark)
		}
		l, err := readLine(read, section)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(f.lines)+1, err)
		}
		l.text = raw
		section = l.section
		f.lines = append(f.lines, l)
	}
	values := f.values()
	for n, value := range values {
		if err := check(n, value); err != nil {
			if _, is := errors.AsType[*FormError](err); is {
				err = fmt.Errorf("%s: %w", n, err)
			}
			return nil, err
		}
	}
	return f, checkRoom(values)
}

func readLine(raw, section string) (line, error) {
	l := line{section: section}
	text := strings.TrimSpace(raw)
	switch {
	case text == "":
	case text[0] == ';' || text[0] == '#':
		l.kind = comment
	case text[0] == '[':
		name, rest, closed := strings.Cut(text[1:], "]")
		if rest = strings.TrimSpace(rest); !closed || name == "" || rest != "" && rest[0] != ';' && rest[0] != '#' {
			return l, fmt.Errorf("%s is not a [section]", text)
		}
		l.kind, l.section = header, name
	default:
		l.kind = setting
		var found bool
		if l.name, l.value, found = splitLine(text); !found {
			return l, fmt.Errorf("%s is neither a [section] nor name = value", text)
		}
		if section == "" {
			return l, fmt.Errorf("%s appears before the first [section]", l.name)
		}
	}
	return l, nil
}

// splitLine splits "name = value".
func splitLine(text string) (name, value string, found bool) {
	name, value, found = strings.Cut(text, " = ")
	if !found {
		if name, found = strings.CutSuffix(text, " ="); !found {
			name, value, found = strings.Cut(text, "=")
		}
	}
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if end := commentIn(value); end >= 0 {
		value = strings.TrimSpace(value[:end])
	}
	return name, value, found && name != ""
}

// commentIn finds where the comment behind a value begins; -1 if there is none.
func commentIn(value string) int {
	for i := 1; i < len(value); i++ {
		if value[i] == ';' && (value[i-1] == ' ' || value[i-1] == '\t') {
			return i - 1
		}
	}
	return -1
}

// values returns what the file sets.
func (f *file) values() map[Name]string {
	found := map[Name]string{}
	for _, l := range f.lines {
		if l.kind == setting {
			found[Name{l.section, l.name}] = l.value
		}
	}
	return found
}

// set writes the line of a setting in place of its old one, or after the last setting of its
// section. A name that cannot be written is found when the text is parsed again.
func (f *file) set(n Name, value string) {
	l := line{text: strings.TrimSuffix(n.Name+" = "+value, " "), section: n.Section, kind: setting, name: n.Name, value: value}
	place := -1
	for i, old := range f.lines {
		if old.section != n.Section || old.kind != header && old.kind != setting {
			continue
		}
		place = i
		if old.kind == setting && old.name == n.Name {
			f.delete(n)
			f.lines = slices.Insert(f.lines, i, l) // nothing before i has the name
			return
		}
	}
	if place >= 0 {
		f.lines = slices.Insert(f.lines, place+1, l)
		return
	}
	end := len(f.lines)
	if end > 0 && f.lines[end-1].text == "" {
		end-- // the file ends in a newline
	}
	added := []line{{text: "[" + n.Section + "]", section: n.Section, kind: header}, l}
	if end > 0 && f.lines[end-1].kind != blank {
		added = slices.Insert(added, 0, line{section: f.lines[end-1].section})
	}
	f.lines = slices.Insert(f.lines, end, added...)
	if end+len(added) == len(f.lines) {
		f.lines = append(f.lines, line{section: n.Section})
	}
}

func (f *file) delete(n Name) {
	f.lines = slices.DeleteFunc(f.lines, func(l line) bool { return l.kind == setting && l.section == n.Section && l.name == n.Name })
}

// dropEmpty removes the headers of a section that has neither settings nor comments any more,
// so that sections which come and go do not pile up.
func (f *file) dropEmpty(section string) {
	for _, l := range f.lines {
		if l.section == section && (l.kind == setting || l.kind == comment) {
			return
		}
	}
	last := len(f.lines) - 1
	f.lines = slices.DeleteFunc(f.lines, func(l line) bool { return l.section == section && (l.kind == header || l.kind == blank) })
	if n := len(f.lines); n > 0 && n <= last && f.lines[n-1].text != "" {
		f.lines = append(f.lines, line{section: f.lines[n-1].section})
	}
}

func (f *file) text() []byte {
	var b bytes.Buffer
	for i, l := range f.lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.text)
	}
	return b.Bytes()
}

func (f *file) clone() *file { return &file{slices.Clone(f.lines)} }
