package document

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrIDTooLong says that an id is longer than Options.MaxID.
var ErrIDTooLong = &Error{IllegalID, "Document id is too long"}

// ValidID checks that a document may have this id (couch_doc.erl, validate_docid); if not, the
// error is an *Error of kind IllegalID. An id must be UTF-8: otherwise JSON could not show it,
// and a replica would get a different id.
func ValidID(id string) error {
	switch {
	case !utf8.ValidString(id):
		return &Error{IllegalID, "Document id must be valid UTF-8"}
	case id == "":
		return &Error{IllegalID, "Document id must not be empty"}
	case id[0] != '_':
		return nil
	case id == "_design/" || id == "_local/":
		return &Error{IllegalID, fmt.Sprintf("Illegal document id `%s`", id)}
	case strings.HasPrefix(id, "_design/"), strings.HasPrefix(id, "_local/"):
		return nil
	}
	return &Error{IllegalID, "Only reserved document ids may start with underscore."}
}
