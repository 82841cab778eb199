package index

import (
	"encoding/binary"
	"slices"

	"github.com/tododb/tododb/store/record"
)

// segmenter makes the segments of a view from all its rows, which come in order. It makes the same
// bytes as summarize.
type segmenter struct {
	view   byte
	red    Reducer // nil: rows are only counted
	put    func(key, value []byte)
	levels [maxLevel + 1]openSegment // by level; level 0 has none

	pending []*segmentEnd // for a BatchReducer, to be reduced in the next batch
	size    int           // bytes gathered for them
}

// openSegment is a segment whose end is still to come.
type openSegment struct {
	begin []byte // the row that begins it; nil: there is none
	rows  uint64
	parts []*segmentEnd // its segments of the level below; at level 1 the reducer has everything
}

// segmentEnd is a segment that has ended.
type segmentEnd struct {
	level   int
	begin   []byte
	rows    uint64
	parts   []*segmentEnd // until it is reduced
	taken   any           // level 1: what a BatchReducer has gathered, until it is reduced
	size    int           // bytes in taken
	partial []byte
}

// row takes in the next row's record.
func (s *segmenter) row(k, v []byte) error {
	if top := levelOf(k); top > 0 {
		if err := s.close(top); err != nil {
			return err
		}
		begin := slices.Clone(k)
		for level := 1; level <= top; level++ {
			s.levels[level].begin = begin
		}
		if s.red != nil {
			s.red.Reset()
		}
	}
	first := &s.levels[1]
	if first.begin == nil {
		return nil
	}
	rec, err := parseRow(k, v)
	if err != nil {
		return err
	}
	first.rows += uint64(rec.n)
	if s.red == nil {
		return nil
	}
	return rec.each(func(key, value []byte) error { return s.red.Add(key, rec.id, value) })
}

// close ends the segments up to a level.
func (s *segmenter) close(top int) error {
	batch, asked := s.red.(BatchReducer)
	for level := 1; level <= top; level++ {
		seg := &s.levels[level]
		if seg.begin == nil {
			continue
		}
		done := &segmentEnd{level: level, begin: seg.begin, rows: seg.rows, parts: seg.parts}
		for _, p := range seg.parts {
			done.rows += p.rows
		}
		*seg = openSegment{}
		if asked {
			if level == 1 {
				done.taken, done.size = batch.Take()
				s.size += done.size
			}
			s.pending = append(s.pending, done)
		} else if err := s.reduce(done); err != nil {
			return err
		}
		if level < maxLevel && s.levels[level+1].begin != nil {
			above := &s.levels[level+1]
			above.parts = append(above.parts, done)
		}
	}
	if s.size >= settleBytes || len(s.pending) >= settleSegments {
		return s.settle(batch)
	}
	return nil
}

// settleSegments is the most segments that may wait to be reduced.
const settleSegments = 2000

// end ends all segments.
func (s *segmenter) end() error {
	err := s.close(maxLevel)
	if batch, ok := s.red.(BatchReducer); ok && err == nil {
		err = s.settle(batch)
	}
	return err
}

// reduce computes a segment from its parts, and stores it.
func (s *segmenter) reduce(seg *segmentEnd) (err error) {
	if s.red != nil {
		if err := s.merge(seg); err != nil {
			return err
		}
		if seg.partial, err = s.red.AppendPartial(nil); err != nil {
			return err
		}
	}
	s.done(seg)
	return nil
}

// merge gives the reducer the parts of a segment; at level 1 it has them already.
func (s *segmenter) merge(seg *segmentEnd) error {
	if seg.level == 1 {
		return nil
	}
	s.red.Reset()
	for _, p := range seg.parts {
		if err := s.red.Merge(p.partial); err != nil {
			return err
		}
	}
	return nil
}

// settle computes the waiting segments, level by level from below, many at a time. It is called
// when the reducer has no rows.
func (s *segmenter) settle(batch BatchReducer) error {
	for level := 1; level <= maxLevel; level++ {
		var of []*segmentEnd
		var taken []any
		size := 0
		ask := func() error {
			partials, err := batch.Partials(taken)
			if err != nil {
				return err
			}
			for i, seg := range of {
				seg.partial = partials[i]
				s.done(seg)
			}
			of, taken, size = of[:0], taken[:0], 0
			return nil
		}
		for _, seg := range s.pending {
			if seg.level != level {
				continue
			}
			if level > 1 {
				if err := s.merge(seg); err != nil {
					return err
				}
				seg.taken, seg.size = batch.Take()
			}
			of, taken, size = append(of, seg), append(taken, seg.taken), size+seg.size
			if size >= settleBytes {
				if err := ask(); err != nil {
					return err
				}
			}
		}
		if len(of) > 0 {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	s.pending, s.size = nil, 0
	return nil
}

// done stores a segment; the one above needs only its reduction.
func (s *segmenter) done(seg *segmentEnd) {
	value := binary.AppendUvarint([]byte{record.Version}, seg.rows)
	s.put(appendSegmentKey(nil, seg.level, s.view, seg.begin), append(value, seg.partial...))
	seg.begin, seg.parts, seg.taken = nil, nil, nil
}
