package wire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/tododb/tododb/store/jsonscan"
)

// ErrNotJSON is what CouchDB calls every body and parameter that does not parse.
var ErrNotJSON = BadRequest("invalid UTF-8 JSON")

var errBodyObject = BadRequest("Request body must be a JSON object")

// RequireObject checks that a body is a JSON object and nothing else.
func RequireObject(body []byte) error {
	value, err := jsonscan.Trim(body)
	if err != nil {
		return ErrNotJSON
	}
	if jsonscan.Kind(value) != '{' {
		return errBodyObject
	}
	return nil
}

// MemberOf finds a member of an object; nil if it is absent or there is no object.
func MemberOf(object []byte, name string) (value []byte) {
	if jsonscan.Kind(object) != '{' {
		return nil
	}
	err := jsonscan.EachMember(object, func(n, v []byte) error {
		if string(n) == name {
			value = v
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return value
}

// ParseObject splits a small body into its members. It refuses what is not JSON or not an
// object in CouchDB's words.
func ParseObject(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, ErrNotJSON
	}
	if bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return nil, BadRequest("Request body must be a JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, ErrNotJSON
	}
	return members, nil
}
