package mango

import (
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
)

// maxRanges is how many ranges of an index a query is taken apart into.
const maxRanges = 1000

// arrayKey is what the keys of all rows begin with: they are arrays of the fields' values.
var arrayKey = func() string {
	key, err := collate.AppendKey(nil, []byte("[]"))
	if err != nil {
		panic(err)
	}
	return string(key[:len(key)-1])
}()

// ranges are the ranges of an index's rows, in order, in which all documents that match
// are: those of each value that the first field may have, and within each those of the
// next field, until a field may have more than single values.
func (ix *Index) ranges(n *node) []index.Range { return ix.rangesBelow(arrayKey, n, 0) }

// rangesBelow are the ranges within a prefix, which the fields up to a number have led to.
func (ix *Index) rangesBelow(prefix string, n *node, from int) []index.Range {
	prefixes := []string{prefix}
	for i, f := range ix.Fields.Fields[from:] {
		s := n.spansOf(f, rows{id: f == "_id"})
		if s.whole() {
			break
		}
		if len(prefixes)*len(s) > maxRanges {
			if i > 0 {
				break
			}
			s = spans{{lo: s[0].lo, hi: s[len(s)-1].hi}}
		}
		points := true
		for _, one := range s {
			points = points && one.point
		}
		if points {
			next := make([]string, 0, len(prefixes)*len(s))
			for _, p := range prefixes {
				for _, one := range s {
					next = append(next, p+one.lo)
				}
			}
			prefixes = next
			continue
		}
		var out []index.Range
		for _, p := range prefixes {
			for _, one := range s {
				// A single value among stretches is not taken further: what follows the
				// stretch in order may not come before it.
				out = append(out, index.Range{View: ix.number, Low: index.Bound{Key: []byte(p + one.lo)}, High: index.Bound{Key: []byte(p + one.hi)}})
			}
		}
		return out
	}
	out := make([]index.Range, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, index.Prefix(ix.number, []byte(p)))
	}
	return out
}
