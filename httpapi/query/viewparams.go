package query

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
)

// viewParams are the options of a range over a view, of which _all_docs is one. Keys
// are JSON as they came; nil means absent.
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
	reduce               choice
	group                bool // by the whole key
	groupLevel           int  // 0: as group says
	update               view.Freshness
	partition            string // "": none
}

// choice is a boolean that may be left open.
type choice int8

const (
	unsaid choice = iota
	yes
	no
)

func choose(b bool) choice {
	if b {
		return yes
	}
	return no
}

// grouped tells whether rows are asked for by groups of keys.
func (p *viewParams) grouped() bool { return p.group || p.groupLevel > 0 }

var (
	errKeysList   = wire.QueryError("`keys` must be an array of strings.")
	errKeysRange  = wire.QueryError("`keys` is incompatible with `key`, `start_key` and `end_key`")
	errKeysMember = wire.BadRequest("`keys` member must be an array.")
	errKeysOfDocs = wire.BadRequest("`keys` body member must be an array.")
	errMapReduce  = wire.QueryError("Reduce is invalid for map-only views.")
	errMapGroup   = wire.QueryError("Invalid use of grouping on a map view.")
)

// readViewParams reads the options of one range. The URL takes precedence over the body. check,
// which views and lists have, may refuse the body.
func readViewParams(w http.ResponseWriter, r *http.Request, check func(body []byte) error) (viewParams, error) {
	p := viewParams{limit: -1}
	query, err := wire.QueryOf(r)
	if err != nil {
		return p, err
	}
	if r.Method == http.MethodPost {
		if err := wire.RequireJSON(r); err != nil {
			return p, err
		}
		body, err := wire.ReadBody(w, r)
		if err != nil {
			return p, err
		}
		if err := wire.RequireObject(body); err != nil {
			return p, err
		}
		if check != nil {
			if err := check(body); err != nil {
				return p, err
			}
		}
		if err := p.readBody(body); err == errKeysList && check == nil {
			return p, errKeysOfDocs // a range over documents has words of its own, as in CouchDB
		} else if err == errKeysList {
			return p, errKeysMember
		} else if err != nil {
			return p, err
		}
	}
	keysInBody := p.keys != nil
	if err := p.readURL(r, query); err != nil {
		return p, err
	}
	if _, twice := query.Get("keys"); twice && keysInBody {
		return p, errKeysRange
	}
	return p, nil
}

// readURL takes in what the URL says: the query, and the partition that the path may name.
func (p *viewParams) readURL(r *http.Request, query wire.Params) error {
	if err := p.readQuery(query); err != nil {
		return err
	}
	name, err := PartitionOf(r)
	if name != "" {
		p.partition = name
	}
	return err
}

// readQuery takes in the parameters of a query, in their order.
func (p *viewParams) readQuery(query wire.Params) error {
	return query.Each(func(name, value string) error {
		switch name {
		case "key", "keys", "startkey", "start_key", "endkey", "end_key":
			key, err := jsonscan.Trim([]byte(value))
			if err != nil {
				return wire.ErrNotJSON
			}
			return p.setKey(name, key)
		}
		return p.set(name, value, wire.ErlangString(value))
	})
}

// readBody takes in the members of a JSON object that has been checked. The query is read
// after it and wins.
func (p *viewParams) readBody(body []byte) error {
	return jsonscan.EachMember(body, func(name, value []byte) error {
		switch option := string(name); option {
		case "key", "keys", "startkey", "start_key", "endkey", "end_key":
			return p.setKey(option, value)
		case "limit", "skip", "group_level":
			return p.set(option, string(value), string(value)) // numbers, not texts of digits
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

// set takes in an option. shown is its value as an error's reason shows it. Unknown
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
		p.limit, err = viewLimit(value, shown)
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
		var reduce bool
		reduce, err = viewBool(value, shown)
		p.reduce = choose(reduce)
	case "group":
		p.group, err = viewBool(value, shown)
	case "group_level":
		p.groupLevel, err = viewPositive(value, shown)
	case "partition":
		p.partition = value
		return document.ValidPartition(value)
	case "stable", "sorted":
		_, err = viewBool(value, shown) // one node has its rows in order, and the same ones each time
	case "stale":
		return p.setUpdate(name, value, map[string]view.Freshness{"ok": view.Stale, "update_after": view.Lazy})
	case "update":
		return p.setUpdate(name, value, map[string]view.Freshness{"true": view.Wait, "false": view.Stale, "lazy": view.Lazy})
	}
	return err
}

func (p *viewParams) setUpdate(name, value string, known map[string]view.Freshness) error {
	update, ok := known[value]
	if !ok {
		return wire.QueryError("Invalid value for `%s`.", name)
	}
	p.update = update
	return nil
}

func viewBool(value, shown string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, wire.QueryError("Invalid boolean parameter: %s", shown)
}

// maxLimit is the greatest limit that CouchDB takes. Other numbers may be of any size, but a
// greater one has no other effect than this.
const maxLimit = math.MaxInt / 16

var errLimit = wire.QueryError("Limit is too large, must not exceed %d", maxLimit)

// viewLimit is viewPositive for a limit.
func viewLimit(value, shown string) (int, error) {
	n, err := viewPositive(value, shown)
	if n > maxLimit {
		err = errLimit
	}
	return n, err
}

// viewPositive reads a number that is all digits. A number beyond maxLimit becomes maxLimit + 1.
func viewPositive(value, shown string) (int, error) {
	digits, negative := strings.CutPrefix(value, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, wire.QueryError("Invalid value for integer: %s", shown)
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > maxLimit {
		n = maxLimit + 1
	}
	if negative && n > 0 {
		return 0, wire.QueryError("Invalid value for positive integer: %s", shown)
	}
	return n, nil
}
