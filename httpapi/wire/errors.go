package wire

import (
	"fmt"
	"net/http"
)

// Error is an error that knows its answer. Handlers make one if the answer is about the
// request itself. Package fault knows the answers to errors from below.
type Error struct {
	status int
	word   string
	reason string
}

func (e *Error) Error() string { return e.word + ": " + e.reason }

// Errorf makes the answer to a request that cannot be served as it is.
func Errorf(status int, word, format string, args ...any) error {
	return &Error{status, word, fmt.Sprintf(format, args...)}
}

// BadRequest makes the most common one.
func BadRequest(format string, args ...any) error {
	return Errorf(http.StatusBadRequest, "bad_request", format, args...)
}

// NotAllowed makes the answer to a method that is not one of those in allow.
func NotAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return Errorf(http.StatusMethodNotAllowed, "method_not_allowed", "Only %s allowed", allow)
}

// ErrNotBuilt is the answer to what CouchDB has and this server does not have yet.
var ErrNotBuilt = Errorf(http.StatusNotImplemented, "not_implemented", "This server does not have this feature yet.")

// Failure is the answer to a request that ended with an error.
type Failure struct {
	Status     int
	Word       string // CouchDB's
	Reason     string
	JSON       []byte // stands for Reason if a function threw what is no text; nil: nothing does
	Challenge  string // header WWW-Authenticate; "": what the settings say
	RetryAfter string // header, in seconds; "": none
}

// Unforeseen is the answer to an error that nobody has thought of.
var Unforeseen = Failure{
	Status: http.StatusInternalServerError, Word: "internal_server_error",
	Reason: "An unexpected error occurred; the server's log has the details.",
}

// Failure returns the answer that the error knows.
func (e *Error) Failure() Failure { return Failure{Status: e.status, Word: e.word, Reason: e.reason} }

// Append appends the members of a failure to a JSON object.
func (f *Failure) Append(b []byte) []byte {
	b = AppendString(append(b, `"error":`...), f.Word)
	b = append(b, `,"reason":`...)
	if f.JSON != nil {
		return append(b, f.JSON...)
	}
	return AppendString(b, f.Reason)
}
