package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A setting that is not in the table means nothing to the server. It is kept, because
// applications keep their own settings here, as in CouchDB.

// Bounds of settings. All of them are in memory, and every change writes the whole file.
const (
	maxName  = 1 << 10 // bytes of a section, and of a name
	maxValue = 64 << 10
	maxFree  = 4 << 20 // bytes of all settings together that have no row of their own
)

// FormError says that a section, a key or a value is not of a form that a file can hold.
type FormError struct {
	Name
	Part string // section, key or value
}

func (e *FormError) Error() string { return "Invalid configuration " + e.Part }

// RoomError says that there are too many settings of names that the server does not know.
type RoomError struct{}

func (*RoomError) Error() string {
	return fmt.Sprintf("settings that the server does not know may have %d bytes all together", maxFree)
}

// check tells whether there can be a setting of the name with the value.
func check(n Name, value string) error {
	for _, one := range []struct{ part, text string }{{"section", n.Section}, {"key", n.Name}} {
		if one.text == "" || len(one.text) > maxName || !printable(one.text) || strings.ContainsAny(one.text, "[]") {
			return &FormError{n, one.part}
		}
	}
	row, known := lookup(n)
	if known {
		named := *row // a row for any name does not say which one it is
		named.Name = n
		return named.check(value)
	}
	if len(value) > maxValue || !printable(value) || strings.TrimSpace(value) != value {
		return &FormError{n, "value"}
	}
	return nil
}

// printable tells whether text fits into a line.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// size is how much a setting counts among the ones without a row of their own.
func size(n Name, value string) int {
	if rows[n] != nil {
		return 0
	}
	return len(n.Section) + len(n.Name) + len(value)
}

// checkRoom refuses a file with too much.
func checkRoom(values map[Name]string) error {
	sum := 0
	for n, value := range values {
		sum += size(n, value)
	}
	if sum > maxFree {
		return &RoomError{}
	}
	return nil
}

// checkRoom refuses to grow beyond what there may be.
func (v values) checkRoom(before values) error {
	if sum := v.sum(); sum > maxFree && sum > before.sum() {
		return &RoomError{}
	}
	return nil
}

func (v values) sum() (sum int) {
	for n, e := range v {
		sum += size(n, e.text)
	}
	return sum
}
