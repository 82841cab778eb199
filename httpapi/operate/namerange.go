package operate

import (
	"context"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// nameRange is the part of the list of databases that a request asks for.
type nameRange struct {
	start, end  string
	hasEnd      bool
	excludeEnd  bool
	descending  bool
	nothing     bool // the bounds leave no name
	skip, limit int  // limit < 0: none
	count       bool // how many there are without skip and limit is wanted too
}

// parseNameRange reads the options of _all_dbs and _dbs_info. They are the options of a view
// whose keys are database names. Others are ignored.
func parseNameRange(query wire.Params) (nameRange, error) {
	n := nameRange{limit: -1}
	var start, end *bound
	err := query.Each(func(name, value string) (err error) {
		switch name {
		case "startkey", "start_key":
			start, err = parseBound(value)
		case "endkey", "end_key":
			end, err = parseBound(value)
		case "key":
			if start, err = parseBound(value); err == nil {
				end = start
			}
		case "inclusive_end":
			var inclusive bool
			inclusive, err = wire.ParseBool(value)
			n.excludeEnd = !inclusive
		case "descending":
			n.descending, err = wire.ParseBool(value)
		case "limit":
			n.limit, err = wire.ParsePositive(value)
		case "count":
			n.count, err = wire.ParseBool(value)
		case "skip":
			n.skip, err = wire.ParsePositive(value)
		}
		return err
	})
	if err != nil {
		return nameRange{}, err
	}
	if n.descending {
		start, end = end, start
	}
	// From here on start is the lesser bound. A name is greater than any JSON value
	// that sorts before strings and less than any that sorts after them.
	if start != nil {
		n.nothing = n.nothing || start.side > 0
		n.start = start.text
	}
	if end != nil {
		n.nothing = n.nothing || end.side < 0
		n.end, n.hasEnd = end.text, end.side == 0
	}
	return n, nil
}

// bound is a JSON value as a bound for names: a string, or something on one side of
// all strings.
type bound struct {
	text string
	side int
}

func parseBound(value string) (*bound, error) {
	if !utf8.ValidString(value) || !json.Valid([]byte(value)) {
		return nil, wire.ErrNotJSON
	}
	b := &bound{}
	switch value[0] {
	case '"':
		if err := json.Unmarshal([]byte(value), &b.text); err != nil {
			return nil, wire.ErrNotJSON
		}
	case '[', '{':
		b.side = 1
	default:
		b.side = -1
	}
	return b, nil
}

// names reads the part of the list, and returns how many names it has between its bounds if that is wanted.
func (o *Room) names(ctx context.Context, n nameRange) (part []string, count int, err error) {
	if n.nothing || n.limit == 0 && !n.count {
		return nil, 0, nil
	}
	enough := -1
	if !n.descending && n.limit > 0 && !n.count {
		enough = n.skip + n.limit
	}
	var found []string
	after := justBefore(n.start)
	lowest, highest := n.start, n.end
	for enough < 0 || len(found) < enough {
		const page = 1000
		batch, err := o.store.Names(ctx, after, page)
		if err != nil {
			return nil, 0, err
		}
		for _, name := range batch {
			if n.hasEnd && name > highest {
				batch = nil
				break
			}
			if name >= lowest && n.inside(name) {
				found = append(found, name)
			}
		}
		if len(batch) < page {
			break
		}
		after = batch[len(batch)-1]
	}
	if n.descending {
		slices.Reverse(found)
	}
	count = len(found)
	found = found[min(n.skip, len(found)):]
	if n.limit >= 0 && n.limit < len(found) {
		found = found[:n.limit]
	}
	return found, count, nil
}

// inside applies inclusive_end, which concerns the bound where reading ends. It also leaves out
// the server's private database.
func (n nameRange) inside(name string) bool {
	if store.Hidden(name) {
		return false
	}
	if !n.excludeEnd {
		return true
	}
	if n.descending {
		return name != n.start
	}
	return !n.hasEnd || name != n.end
}

// justBefore returns a text that sorts before s and after every relevant name less than s. A
// list begins after a given name, and this one should include s.
func justBefore(s string) string {
	if s == "" {
		return ""
	}
	last := len(s) - 1
	if s[last] == 0 {
		return s[:last]
	}
	return s[:last] + string([]byte{s[last] - 1, 0xff})
}
