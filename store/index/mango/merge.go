package mango

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
)

// An index can serve a sort that begins with its second field if the first has only a few
// values: within each value the rows are in the right order, and the rows of all are merged.
// CouchDB answers such a query with no_usable_index.

// maxMerged is the most ranges that are merged.
const maxMerged = 100

// merges reports whether merging gives the requested order. The fields before the sort must
// have single values; arrays are allowed, since $in looks at their elements.
func (ix *Index) merges(s *Sort, sel *Selector) bool {
	before := ix.before(s)
	if before <= 0 {
		return false
	}
	n := 1
	for _, f := range ix.Fields.Fields[:before] {
		all := sel.norm.spansOf(f, rowsOf(f))
		if n *= len(all); n > maxMerged {
			return false
		}
		for _, one := range all {
			if !one.point && !(spans{one}).within(rows{}.kind("array")) {
				return false
			}
		}
	}
	return true
}

// before is how many fields of an index come before the sort fields; negative if it does not
// have them in that order.
func (ix *Index) before(s *Sort) int {
	if len(s.Fields) == 0 {
		return -1
	}
	i := slices.Index(ix.Fields.Fields, s.Fields[0])
	if i < 0 || len(ix.Fields.Fields)-i < len(s.Fields) || !slices.Equal(ix.Fields.Fields[i:i+len(s.Fields)], s.Fields) {
		return -1
	}
	return i
}

// merger merges the rows of several prefixes. Rows whose other fields are equal come in the
// order of the prefixes, then of the documents.
type merger struct {
	streams    []*stream
	before     int // how many fields a prefix covers
	descending bool
	rows       []foundRow
}

// stream is the rows of one prefix.
type stream struct {
	read   rowReader
	prefix string
	rows   []foundRow // read, not yet returned
	suffix []byte     // collated, of the first of them
	ended  bool
}

// errManyValues says that more ranges than maxMerged would have to be merged.
var errManyValues = errors.New("too many values before the sort")

// newMerger makes a merger of the rows of a query, starting after a row if there is one.
func newMerger(ctx context.Context, ix *view.Index, of *Index, q *Query, after *foundRow) (*merger, error) {
	m := &merger{before: of.before(&q.Sort), descending: q.Sort.Descending}
	prefixes := []string{arrayKey}
	for i := range m.before {
		var next []string
		for _, p := range prefixes {
			below, err := of.valuesBelow(ctx, ix, p, i, q)
			if err != nil {
				return nil, err
			}
			if next = append(next, below...); len(next) > maxMerged {
				return nil, errManyValues
			}
		}
		prefixes = next
	}
	for _, p := range prefixes {
		s := &stream{prefix: p, read: rowReader{ix: ix, fresh: q.Update, partition: q.Partition, ranges: of.rangesBelow(p, q.Selector.norm, m.before), descending: m.descending}}
		if after != nil {
			if err := m.skip(s, after); err != nil {
				return nil, err
			}
		}
		m.streams = append(m.streams, s)
	}
	return m, nil
}

// valuesBelow lists the prefixes that are one field longer.
func (ix *Index) valuesBelow(ctx context.Context, of *view.Index, prefix string, field int, q *Query) (out []string, err error) {
	f := ix.Fields.Fields[field]
	for _, one := range q.Selector.norm.spansOf(f, rowsOf(f)) {
		if one.point {
			out = append(out, prefix+one.lo)
			continue
		}
		rg := index.Range{View: ix.number, Low: index.Bound{Key: []byte(prefix + one.lo)}, High: index.Bound{Key: []byte(prefix + one.hi)}}
		for len(out) <= maxMerged {
			read := rowReader{ix: of, partition: q.Partition, ranges: []index.Range{rg}}
			found, err := read.next(ctx, 1)
			if err != nil {
				return nil, err
			}
			if len(found) == 0 {
				break
			}
			key, err := collate.AppendKey(nil, elements(found[0].key)[field])
			if err != nil {
				return nil, err
			}
			out = append(out, prefix+string(key))
			rg.Low = index.Bound{Key: []byte(prefix + string(key) + behind)}
		}
	}
	return out, nil
}

// split splits the key of a row into the part that prefixes cover, and the rest.
func (m *merger) split(key []byte) (prefix string, suffix []byte, err error) {
	p := []byte(arrayKey)
	for i, e := range elements(key) {
		if i < m.before {
			p, err = collate.AppendKey(p, e)
		} else {
			suffix, err = collate.AppendKey(suffix, e)
		}
		if err != nil {
			return "", nil, err
		}
	}
	return string(p), suffix, nil
}

// skip makes a stream begin after a row, which may be another stream's.
func (m *merger) skip(s *stream, after *foundRow) error {
	prefix, suffix, err := m.split(after.key)
	if err != nil {
		return err
	}
	at := index.Bound{Key: append([]byte(s.prefix+string(suffix)), 0)}
	switch {
	case s.prefix == prefix:
		at.ID, at.Past = after.id, !m.descending
	default: // of two otherwise equal rows, the one with the lesser prefix comes first
		at.Past = s.prefix < prefix
	}
	s.read.ranges = rest(s.read.ranges, m.descending, at)
	return nil
}

// fill makes a stream ready to return a row, if it has one.
func (m *merger) fill(ctx context.Context, s *stream, n int) error {
	if len(s.rows) == 0 && !s.ended {
		n = max(n/len(m.streams), 8)
		found, err := s.read.next(ctx, n)
		if err != nil {
			return err
		}
		s.rows, s.ended, s.suffix = found, s.read.ended, nil
	}
	if len(s.rows) > 0 && s.suffix == nil {
		var err error
		_, s.suffix, err = m.split(s.rows[0].key)
		return err
	}
	return nil
}

// maxBatchBytes is about the most bytes of rows that next returns.
const maxBatchBytes = 1 << 20

// next returns the next rows of all streams.
func (m *merger) next(ctx context.Context, n int) ([]foundRow, error) {
	m.rows = m.rows[:0]
	for size := 0; len(m.rows) < n && size < maxBatchBytes; {
		var first *stream
		for _, s := range m.streams {
			if err := m.fill(ctx, s, n); err != nil {
				return nil, err
			}
			if len(s.rows) > 0 && (first == nil || m.order(s, first) < 0) {
				first = s
			}
		}
		if first == nil {
			break
		}
		m.rows = append(m.rows, first.rows[0])
		size += len(first.rows[0].id) + len(first.rows[0].key)
		first.rows, first.suffix = first.rows[1:], nil
	}
	return m.rows, nil
}

// state says how far the reading is. The streams are read at different times; what they have in
// common is the oldest state.
func (m *merger) state() (seq uint64, ended bool) {
	ended = true
	for i, s := range m.streams {
		if i == 0 || s.read.seq < seq {
			seq = s.read.seq
		}
		ended = ended && s.ended && len(s.rows) == 0
	}
	return seq, ended
}

// place orders the rows of all streams.
func (m *merger) place(key []byte, id string) ([]byte, error) {
	prefix, suffix, err := m.split(key)
	return append(append(suffix, prefix...), id...), err
}

// order says which of two streams returns its row first.
func (m *merger) order(a, b *stream) int {
	c := cmp.Or(bytes.Compare(a.suffix, b.suffix), cmp.Compare(a.prefix, b.prefix))
	if m.descending {
		return -c
	}
	return c
}
