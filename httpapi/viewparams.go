package httpapi

import (
	"strconv"

	"github.com/tododb/tododb/store/jsonscan"
)

// viewParams are the options of a range over a view, of which _all_docs is one. Keys
// are JSON as they came; nil is an absent one.
type viewParams struct {
	startKey, endKey     []byte
	startDocID, endDocID string
	hasStartDocID        bool
	hasEndDocID          bool
	keys                 []byte // a JSON array
	descending           bool
	excludeEnd           bool
	skip                 int
	limit                int // negative: none
	includeDocs          bool
	conflicts            bool
	attachments          bool
	attEncodingInfo      bool
	updateSeq            bool
	reduce               bool
	group                bool
}

var (
	errKeysList   = queryError("`keys` must be an array of strings.")
	errKeysRange  = queryError("`keys` is incompatible with `key`, `start_key` and `end_key`")
	errKeysMember = badRequest("`keys` body member must be an array.")
	errMapReduce  = queryError("Reduce is invalid for map-only views.")
	errMapGroup   = queryError("Invalid use of grouping on a map view.")
)

// readQuery takes the parameters of a query in, in their order.
func (p *viewParams) readQuery(query params) error {
	return query.each(func(name, value string) error {
		switch name {
		case "key", "keys", "startkey", "start_key", "endkey", "end_key":
			key, err := jsonscan.Trim([]byte(value))
			if err != nil {
				return errNotJSON
			}
			return p.setKey(name, key)
		}
		return p.set(name, value, erlangString(value))
	})
}

// readBody takes the members of a JSON object in, checked before; what a query says
// comes after it and wins.
func (p *viewParams) readBody(body []byte) error {
	return jsonscan.EachMember(body, func(name, value []byte) error {
		switch option := string(name); option {
		case "key", "keys", "startkey", "start_key", "endkey", "end_key":
			return p.setKey(option, value)
		default:
			text := string(value)
			if jsonscan.Kind(value) == '"' {
				text, _ = jsonscan.Text(value)
			}
			return p.set(option, text, string(value))
		}
	})
}

func (p *viewParams) setKey(name string, key []byte) error {
	switch name {
	case "key":
		p.startKey, p.endKey = key, key
	case "startkey", "start_key":
		p.startKey = key
	case "endkey", "end_key":
		p.endKey = key
	case "keys":
		if jsonscan.Kind(key) != '[' {
			return errKeysList
		}
		p.keys = key
	}
	return nil
}

// set takes an option in; shown is its value as an error's reason shows it. Unknown
// options are ignored.
func (p *viewParams) set(name, value, shown string) (err error) {
	switch name {
	case "startkey_docid", "start_key_doc_id":
		p.startDocID, p.hasStartDocID = value, true
	case "endkey_docid", "end_key_doc_id":
		p.endDocID, p.hasEndDocID = value, true
	case "descending":
		p.descending, err = viewBool(value, shown)
	case "inclusive_end":
		var inclusive bool
		inclusive, err = viewBool(value, shown)
		p.excludeEnd = !inclusive
	case "limit":
		p.limit, err = viewPositive(value, shown)
	case "skip":
		p.skip, err = viewPositive(value, shown)
	case "include_docs":
		p.includeDocs, err = viewBool(value, shown)
	case "conflicts":
		p.conflicts, err = viewBool(value, shown)
	case "attachments":
		p.attachments, err = viewBool(value, shown)
	case "att_encoding_info":
		p.attEncodingInfo, err = viewBool(value, shown)
	case "update_seq":
		p.updateSeq, err = viewBool(value, shown)
	case "reduce":
		p.reduce, err = viewBool(value, shown)
	case "group":
		p.group, err = viewBool(value, shown)
	case "group_level":
		var level int
		level, err = viewPositive(value, shown)
		p.group = level > 0
	case "stable", "sorted":
		_, err = viewBool(value, shown)
	case "stale":
		if value != "ok" && value != "update_after" {
			err = queryError("Invalid value for `stale`.")
		}
	case "update":
		if value != "true" && value != "false" && value != "lazy" {
			err = queryError("Invalid value for `update`.")
		}
	}
	return err
}

func viewBool(value, shown string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, queryError("Invalid boolean parameter: %s", shown)
}

func viewPositive(value, shown string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, queryError("Invalid value for integer: %s", shown)
	}
	if n < 0 {
		return 0, queryError("Invalid value for positive integer: %s", shown)
	}
	return n, nil
}
