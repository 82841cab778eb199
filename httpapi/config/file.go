package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/ini.v1"
)

// file is an ini file. Comments and order survive a change.
type file struct{ ini *ini.File }

// form is CouchDB's: only '=' separates, the rest of the line is the literal value, and a
// comment has a line of its own. So a password may contain any character.
var form = ini.LoadOptions{
	KeyValueDelimiters:      "=",
	IgnoreInlineComment:     true,
	IgnoreContinuation:      true,
	PreserveSurroundedQuote: true,
}

func newFile() *file { return &file{ini.Empty(form)} }

// readFile reads and checks a file. Unless it must exist, a missing file is empty.
func readFile(path string, must bool) (*file, error) {
	text, err := os.ReadFile(path)
	if !must && errors.Is(err, fs.ErrNotExist) {
		return newFile(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	f, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read settings: %s: %w", path, err)
	}
	return f, nil
}

// parse reads the text of a file and checks every setting.
func parse(text []byte) (*file, error) {
	parsed, err := ini.LoadSources(form, text)
	if err != nil {
		return nil, err
	}
	f := &file{parsed}
	for n, value := range f.values() {
		if n.Section == ini.DefaultSection {
			return nil, fmt.Errorf("%s appears before the first [section]", n.Name)
		}
		if err := check(n, value); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// values returns what the file sets.
func (f *file) values() map[Name]string {
	found := map[Name]string{}
	for _, section := range f.ini.Sections() {
		for _, key := range section.Keys() {
			// Value is the literal text; String would expand %(name)s in a password.
			found[Name{section.Name(), key.Name()}] = key.Value()
		}
	}
	return found
}

func (f *file) set(n Name, value string) {
	// Not Key: if [a.b] lacks the name, Key returns the one of [a]. A name that cannot be
	// written is found when the text is parsed again.
	_, _ = f.ini.Section(n.Section).NewKey(n.Name, value)
}

func (f *file) delete(n Name) { f.ini.Section(n.Section).DeleteKey(n.Name) }

func (f *file) text() ([]byte, error) {
	var b bytes.Buffer
	_, err := f.ini.WriteTo(&b)
	return b.Bytes(), err
}

func (f *file) clone() (*file, error) {
	text, err := f.text()
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// checkWritable refuses a name that would be read back as something else.
func checkWritable(n Name) error {
	first := n.Name + "="
	if n.Name == "" || n.Name == "-" || strings.ContainsAny(n.Name, "=\"`") ||
		strings.ContainsAny(first[:1], ";#[ ") || strings.TrimSpace(n.Name) != n.Name ||
		strings.ContainsFunc(n.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return &ValueError{Name: n, Value: n.Name, Want: "a name that an ini file can hold"}
	}
	return nil
}

// save replaces a file as a whole. It writes a new file, syncs it, renames it, and syncs the
// rename too. The file has secrets, so only its owner may read it.
func save(text []byte, path string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
