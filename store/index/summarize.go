package index

import (
	"bytes"
	"encoding/binary"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// change is a row record that a transaction wrote or removed.
type change struct {
	key     []byte
	present bool
}

// summarize updates the segments of a view for the rows that changed, which are in order and
// have been written. red is nil if there is nothing to reduce.
func summarize(tx engine.Tx, view byte, changed []change, red Reducer) error {
	for level := 1; level <= maxLevel && len(changed) > 0; level++ {
		z := summarizer{tx: tx, view: view, level: level, red: red}
		var err error
		if changed, err = z.run(changed); err != nil {
			return err
		}
	}
	return nil
}

// summarizer updates one level.
type summarizer struct {
	tx    engine.Tx
	view  byte
	level int
	red   Reducer

	dirty []segment // to be recomputed, in order
	above []change  // changes for the next level
	key   []byte
}

type segment struct{ begin, end []byte }

func (z *summarizer) run(changed []change) ([]change, error) {
	for _, c := range changed {
		if levelOf(c.key) < z.level {
			continue
		}
		key := appendSegmentKey(nil, z.level, z.view, c.key)
		var err error
		if c.present {
			err = z.tx.Put(spaceSummary, key, []byte{record.Version, 0}) // filled in below
		} else {
			err = z.tx.Delete(spaceSummary, key)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, c := range changed {
		if err := z.touch(c); err != nil {
			return nil, err
		}
	}
	if batch, ok := z.red.(BatchReducer); ok {
		return z.above, z.renewAll(batch)
	}
	for i := range z.dirty {
		if err := z.renew(&z.dirty[i]); err != nil {
			return nil, err
		}
	}
	return z.above, nil
}

// renewAll recomputes the dirty segments, many in each call of the reducer. No segment of a
// level is part of another.
func (z *summarizer) renewAll(red BatchReducer) error {
	var gathered []any
	var rows []int
	size, from := 0, 0
	for i := range z.dirty {
		red.Reset()
		d := reduction{counter: counter{limit: -1}, red: red}
		if err := z.parts(&z.dirty[i], &d); err != nil {
			return err
		}
		g, n := red.Take()
		gathered, rows = append(gathered, g), append(rows, d.n)
		if size += n; size < settleBytes && i < len(z.dirty)-1 {
			continue
		}
		partials, err := red.Partials(gathered)
		if err != nil {
			return err
		}
		for j, p := range partials {
			v := append(binary.AppendUvarint([]byte{record.Version}, uint64(rows[j])), p...)
			if err := z.tx.Put(spaceSummary, appendSegmentKey(nil, z.level, z.view, z.dirty[from+j].begin), v); err != nil {
				return err
			}
		}
		gathered, rows, size, from = nil, nil, 0, i+1
	}
	return nil
}

// touch marks the segments that a change belongs to. If a row that begins a segment comes or
// goes, it also marks the segment before, because its end moves.
func (z *summarizer) touch(c change) error {
	level := levelOf(c.key)
	begins := level >= z.level
	if !z.covers(c.key, begins && c.present) {
		begin, err := z.segmentOf(c.key, begins)
		if err != nil {
			return err
		}
		if err := z.mark(begin); err != nil {
			return err
		}
	}
	switch {
	case begins && c.present:
		return z.mark(c.key)
	case level > z.level:
		z.above = append(z.above, c)
	}
	return nil
}

// covers reports whether a place lies in the segment marked last or, if atEnd, at its end.
func (z *summarizer) covers(place []byte, atEnd bool) bool {
	if len(z.dirty) == 0 {
		return false
	}
	c := bytes.Compare(place, z.dirty[len(z.dirty)-1].end)
	return c < 0 || atEnd && c == 0
}

// mark marks a segment, nil for none, unless it was the last one marked.
func (z *summarizer) mark(begin []byte) error {
	if begin == nil || len(z.dirty) > 0 && bytes.Compare(begin, z.dirty[len(z.dirty)-1].begin) <= 0 {
		return nil
	}
	end, err := z.endOf(begin)
	if err != nil {
		return err
	}
	z.dirty = append(z.dirty, segment{begin, end})
	z.above = append(z.above, change{begin, true})
	return nil
}

// segmentOf finds the segment that contains a place: the last one that begins at or before it
// or, if before, that begins before it.
func (z *summarizer) segmentOf(place []byte, before bool) (begin []byte, err error) {
	z.key = appendSegmentKey(z.key[:0], z.level, z.view, place)
	if !before {
		z.key = append(z.key, 0)
	}
	rg := engine.Range{From: []byte{z.view, byte(z.level)}, To: z.key, Reverse: true, Limit: 1, KeysOnly: true, Brief: true}
	err = z.tx.Scan(spaceSummary, rg, func(k, _ []byte) (bool, error) {
		begin = append([]byte{z.view}, k[2:]...)
		return false, nil
	})
	return begin, err
}

// endOf finds where a segment ends: at the beginning of the next one, or at the end of the
// view.
func (z *summarizer) endOf(begin []byte) (end []byte, err error) {
	z.key = append(appendSegmentKey(z.key[:0], z.level, z.view, begin), 0)
	end = []byte{z.view + 1}
	rg := engine.Range{From: z.key, To: []byte{z.view, byte(z.level) + 1}, Limit: 1, KeysOnly: true, Brief: true}
	err = z.tx.Scan(spaceSummary, rg, func(k, _ []byte) (bool, error) {
		end = append([]byte{z.view}, k[2:]...)
		return false, nil
	})
	return end, err
}

// renew recomputes a segment from the level below.
func (z *summarizer) renew(s *segment) error {
	n := counter{limit: -1}
	if z.red == nil {
		if err := z.parts(s, &n); err != nil {
			return err
		}
		return z.put(s.begin, n.n)
	}
	z.red.Reset()
	d := reduction{counter: n, red: z.red}
	if err := z.parts(s, &d); err != nil {
		return err
	}
	return z.put(s.begin, d.n)
}

// parts reads a segment as parts of the level below.
func (z *summarizer) parts(s *segment, into sink) error {
	if z.level == 1 {
		return z.tx.Scan(spaceRows, engine.Range{From: s.begin, To: s.end, Brief: true}, into.row)
	}
	from := appendSegmentKey(nil, z.level-1, z.view, s.begin)
	to := appendSegmentKey(nil, z.level-1, z.view, s.end)
	return z.tx.Scan(spaceSummary, engine.Range{From: from, To: to, Brief: true}, func(_, v []byte) (bool, error) {
		rows, partial, err := parseSegment(v)
		if err != nil {
			return false, err
		}
		return into.segment(rows, partial)
	})
}

func (z *summarizer) put(begin []byte, rows int) (err error) {
	v := binary.AppendUvarint([]byte{record.Version}, uint64(rows))
	if z.red != nil {
		if v, err = z.red.AppendPartial(v); err != nil {
			return err
		}
	}
	return z.tx.Put(spaceSummary, appendSegmentKey(nil, z.level, z.view, begin), v)
}
