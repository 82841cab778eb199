package auth

//lint:file-ignore ST1005 These texts are shown to users as they are, as sentences.

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName tells why nobody can log in with a name. Basic and the session cookie put a colon
// after it, and headers cannot carry control characters.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("A username must not be empty.")
	case strings.Contains(name, ":"):
		return errors.New("Character `:` is not allowed in usernames.")
	case !utf8.ValidString(name):
		return errors.New("Usernames are UTF-8.")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("Control characters are not allowed in usernames.")
	}
	return nil
}
