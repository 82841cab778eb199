package view

import (
	"errors"

	"github.com/tododb/tododb/store/jsonscan"
)

// A built-in reduce that cannot do its work shows an error as the value, in an answer that
// is a 200. On disk it is a part like any other, so it is kept short.

// errRange says that a number has left the range of what JSON and Erlang can hold.
var errRange = errors.New("view: a number out of range")

// failure is such a value. cause, JSON, is what could not be taken; nil: nothing is named.
func failure(reason string, cause []byte) []byte {
	b := append([]byte(nil), `{"error":"builtin_reduce_error","reason":`...)
	b = jsonscan.AppendString(b, reason)
	if cause != nil {
		b = append(b, `,"caused_by":`...)
		if len(cause) <= maxCause {
			b = append(b, cause...)
		} else {
			b = jsonscan.AppendString(b, string(cause[:maxCause])+"...")
		}
	}
	return append(b, '}')
}

// maxCause is how many bytes of a value an error shows as they are.
const maxCause = 4096

// rangeFailure is the error of a function whose result left the range of numbers.
func rangeFailure(function string) []byte {
	return failure("The "+function+" of these values is out of the range of numbers.", nil)
}
