package document

import "fmt"

// Kind says what is wrong with a document, as far as callers treat it differently.
type Kind int

const (
	Syntax     Kind = iota // it is not JSON
	BadRequest             // it is not a document
	Validation             // a member that begins with an underscore is not allowed or malformed
	IllegalID              // its id is not allowed
	TooLarge
	TooMany          // documents in one request
	IllegalPartition // the partition that its id names is not allowed
)

// Error says what is wrong with a document.
type Error struct {
	Kind   Kind
	Reason string // in CouchDB's words
}

func (e *Error) Error() string { return e.Reason }

var (
	errSyntax    = &Error{Syntax, "invalid UTF-8 JSON"}
	errNotObject = &Error{BadRequest, "Document must be a JSON object"}
	errBadRev    = &Error{BadRequest, "Invalid rev format"}
	errLongPath  = &Error{Validation, "_revisions.ids has more revisions than _revisions.start"}
	errIDType    = &Error{IllegalID, "Document id must be a string"}
)

func tooMany(most int) error {
	return &Error{TooMany, fmt.Sprintf("One request may have %d documents at most; send the others in another one.", most)}
}

func badMember(name string) error {
	return &Error{Validation, fmt.Sprintf("Bad special document member: %s", name)}
}
