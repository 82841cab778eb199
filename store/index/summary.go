package index

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

const (
	// levelBits is how many bits of a row's hash decide a level: a segment has about 16
	// segments of the level below.
	levelBits = 4
	maxLevel  = 12
)

// levelOf is the highest level at which the row with this record key begins a segment, 0 if it
// begins none. The result is on disk: it never changes.
func levelOf(k []byte) int {
	const prime = 0x9e3779b97f4a7c15
	h := uint64(len(k)) * prime
	for len(k) >= 8 {
		h = (h ^ binary.LittleEndian.Uint64(k)) * prime
		h ^= h >> 29
		k = k[8:]
	}
	for _, c := range k {
		h = (h ^ uint64(c)) * prime
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return min(bits.TrailingZeros64(h)/levelBits, maxLevel)
}

// A segment's record has the key view | level | the rest of the record key of its first row,
// and the value version | uvarint rows | the reducer's partial result.

// appendSegmentKey appends the key of a level's segment that begins at a row. For the end of a
// view, which is one byte, it is the end of the level.
func appendSegmentKey(dst []byte, level int, view byte, row []byte) []byte {
	if row[0] != view {
		return append(dst, view, byte(level)+1)
	}
	dst = append(dst, view, byte(level))
	return append(dst, row[1:]...)
}

func parseSegment(v []byte) (rows uint64, partial []byte, err error) {
	r := record.Read(v)
	version := r.Byte()
	rows = r.Uvarint()
	if r.Bad || version != record.Version {
		return 0, nil, corrupt("segment of %d bytes", len(v))
	}
	return rows, r.Rest, nil
}

// sink takes in the rows and segments of a range.
type sink interface {
	// row takes in the rows of a record; false ends the walk before the record.
	row(k, v []byte) (bool, error)
	// segment takes in a segment. false makes the walk visit its parts instead.
	segment(rows uint64, partial []byte) (bool, error)
}

// walk reads a range of row records, [from, to), into s: segments where they fit, rows
// elsewhere, all in order. Both bounds lie in the view, or to is its end.
type walk struct {
	r    engine.Reader
	view byte
	to   []byte
	s    sink
	pos  []byte // what was read ends here; equal to to if all was read
	done bool   // the sink ended the walk

	key []byte
}

func (w *walk) run(from []byte) error {
	w.pos = append([]byte(nil), from...)
	level, up := 0, true
	for bytes.Compare(w.pos, w.to) < 0 && !w.done {
		var turn turn
		var err error
		if level == 0 {
			turn, err = w.rows(up)
		} else {
			turn, err = w.level(level, up)
		}
		switch {
		case err != nil:
			return err
		case turn == climb:
			level++
		default: // nothing more of this size fits
			if level == 0 {
				return nil
			}
			level, up = level-1, false
		}
	}
	return nil
}

// turn says how a walk continues from pos.
type turn int

const (
	climb turn = iota
	descend
)

// rows reads rows up to one that begins a segment, or to the end.
func (w *walk) rows(up bool) (turn, error) {
	t := descend
	reached := true
	err := w.r.Scan(spaceRows, engine.Range{From: w.pos, To: w.to, Brief: true}, func(k, v []byte) (bool, error) {
		if up && levelOf(k) > 0 {
			t, reached = climb, false
			w.pos = append(w.pos[:0], k...)
			return false, nil
		}
		more, err := w.s.row(k, v)
		if !more {
			w.done, reached = true, false
			w.pos = append(w.pos[:0], k...)
		}
		return more, err
	})
	if reached && err == nil {
		w.pos = append(w.pos[:0], w.to...)
	}
	return t, err
}

// level reads segments of a level, the first of which begins at pos, as long as they fit. On
// the way up it stops at one that begins a larger segment.
func (w *walk) level(level int, up bool) (turn, error) {
	w.key = appendSegmentKey(w.key[:0], level, w.view, w.pos)
	c := w.r.Cursor(spaceSummary, engine.Range{From: w.key, To: appendSegmentKey(nil, level, w.view, w.to), Brief: true})
	k, v, err := c.Next()
	for k != nil && err == nil {
		w.pos = append(append(w.pos[:0], w.view), k[2:]...)
		if up && level < maxLevel && levelOf(w.pos) > level {
			return climb, nil
		}
		var nextK, nextV []byte
		if nextK, nextV, err = c.Next(); err != nil {
			return descend, err
		}
		if nextK == nil && w.to[0] == w.view {
			return descend, nil // it may extend beyond the range
		}
		rows, partial, err := parseSegment(v)
		if err != nil {
			return descend, err
		}
		if took, err := w.s.segment(rows, partial); !took || err != nil {
			return descend, err
		}
		k, v = nextK, nextV
	}
	if err == nil {
		w.pos = append(w.pos[:0], w.to...)
	}
	return descend, err
}

// counter counts rows, up to a limit if that is not negative.
type counter struct{ n, limit int }

func (c *counter) row(_, v []byte) (bool, error) {
	r := record.Read(v)
	r.Byte()
	r.Uvarint()
	n := int(r.Uvarint())
	if r.Bad {
		return false, corrupt("row of %d bytes", len(v))
	}
	if c.limit >= 0 && c.n+n > c.limit {
		return false, nil
	}
	c.n += n
	return true, nil
}

func (c *counter) segment(rows uint64, _ []byte) (bool, error) {
	if c.limit >= 0 && c.n+int(rows) > c.limit {
		return false, nil
	}
	c.n += int(rows)
	return true, nil
}

// reduction counts and reduces.
type reduction struct {
	counter
	red Reducer
}

func (d *reduction) row(k, v []byte) (bool, error) {
	rec, err := parseRow(k, v)
	if err != nil {
		return false, err
	}
	d.n += rec.n
	return true, rec.each(func(key, value []byte) error { return d.red.Add(key, rec.id, value) })
}

func (d *reduction) segment(rows uint64, partial []byte) (bool, error) {
	d.n += int(rows)
	return true, d.red.Merge(partial)
}
