package mango

import (
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
)

// maxRanges is the most ranges of an index that a query is split into. It is less than the ranges that
// one snapshot looks at, however empty they are (index.Rows), so the first rows that a rowReader finds
// are of the state that it is told first.
const maxRanges = 1000

// arrayKey is the beginning of every row's key: keys are arrays of the fields' values.
var arrayKey = func() string {
	key, err := collate.AppendKey(nil, []byte("[]"))
	if err != nil {
		panic(err)
	}
	return string(key[:len(key)-1])
}()

// ranges are the ranges of an index's rows, in order, that contain all matching documents:
// those of the first field and, within each single value of it, those of the next.
func (ix *Index) ranges(n *node) []index.Range { return ix.rangesBelow(arrayKey, n, 0) }

// rangesBelow are the ranges within a prefix, which covers the fields before from.
func (ix *Index) rangesBelow(prefix string, n *node, from int) []index.Range {
	var all []spans
	for _, f := range ix.Fields.Fields[from:] {
		all = append(all, n.spansOf(f, rowsOf(f)))
	}
	return ix.within(prefix, all, maxRanges)
}

// within are the ranges within a prefix by the spans of the next fields, as many as there is
// room for.
func (ix *Index) within(prefix string, all []spans, room int) []index.Range {
	if len(all) == 0 || all[0].whole() {
		return []index.Range{index.Prefix(ix.number, []byte(prefix))}
	}
	s := all[0]
	if len(s) > room { // one span, from the first to the last
		s = spans{{lo: s[0].lo, hi: s[len(s)-1].hi}}
	}
	var out []index.Range
	for _, one := range s {
		if one.point {
			out = append(out, ix.within(prefix+one.lo, all[1:], room/len(s))...)
			continue
		}
		out = append(out, index.Range{View: ix.number, Low: index.Bound{Key: []byte(prefix + one.lo)}, High: index.Bound{Key: []byte(prefix + one.hi)}})
	}
	return out
}
