package httpapi

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/tododb/tododb/store/jsonscan"
)

// errNotJSON is what CouchDB calls every body and parameter that does not parse.
var errNotJSON = badRequest("invalid UTF-8 JSON")

var errBodyObject = badRequest("Request body must be a JSON object")

// requireObject checks that a body is a JSON object and nothing else.
func requireObject(body []byte) error {
	value, err := jsonscan.Trim(body)
	if err != nil {
		return errNotJSON
	}
	if jsonscan.Kind(value) != '{' {
		return errBodyObject
	}
	return nil
}

// memberOf finds a member of an object; nil if it is absent or there is no object.
func memberOf(object []byte, name string) (value []byte) {
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

// jsonObject takes a small body apart; what is not JSON, and what is no object, is
// refused in CouchDB's words.
func jsonObject(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, errNotJSON
	}
	if bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return nil, badRequest("Request body must be a JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, errNotJSON
	}
	return members, nil
}
