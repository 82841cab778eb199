package view

import (
	"errors"

	"github.com/tododb/tododb/store/jsonscan"
)

// A built-in reduce that fails shows an error as the value, in an answer with status 200. On
// disk that value is a part like any other, so it is kept short.

// errRange says that a number is outside the range that JSON and Erlang can hold.
var errRange = errors.New("view: a number out of range")

// failure makes such a value. cause, as JSON, is the value that was not accepted; nil: none is
// named.
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

// maxCause is the most bytes of a value that an error shows in full.
const maxCause = 4096

// rangeFailure is the error of a function whose result is out of range.
func rangeFailure(function string) []byte {
	return failure("The "+function+" of these values is out of the range of numbers.", nil)
}
