package index

import (
	"encoding/binary"
	"slices"
)

// segmenter makes the segments of a view from all its rows, which come in order. They are
// the same to the byte as those that summarize keeps up to date.
type segmenter struct {
	view   byte
	red    Reducer // nil: rows are counted alone
	put    func(key, value []byte)
	levels [maxLevel + 1]openSegment // by level; there is none of level 0
}

// openSegment is a segment whose end has not come yet.
type openSegment struct {
	begin []byte // the row that begins it; nil: there is none
	rows  uint64
	parts []part // the segments of the level below in it; of level 1 the reducer has all
}

// part is what a segment is made of.
type part struct {
	rows    uint64
	partial []byte
}

// row takes the next row's record in.
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
	for level := 1; level <= top; level++ {
		seg := &s.levels[level]
		if seg.begin == nil {
			continue
		}
		done, err := s.reduce(level, seg)
		if err != nil {
			return err
		}
		value := binary.AppendUvarint([]byte{recordVersion}, done.rows)
		s.put(appendSegmentKey(nil, level, s.view, seg.begin), append(value, done.partial...))
		if level < maxLevel && s.levels[level+1].begin != nil {
			above := &s.levels[level+1]
			above.parts = append(above.parts, done)
		}
		*seg = openSegment{parts: seg.parts[:0]}
	}
	return nil
}

// reduce computes a segment from its parts.
func (s *segmenter) reduce(level int, seg *openSegment) (done part, err error) {
	done.rows = seg.rows
	for _, p := range seg.parts {
		done.rows += p.rows
	}
	if s.red == nil {
		return done, nil
	}
	if level > 1 {
		s.red.Reset()
		for _, p := range seg.parts {
			if err := s.red.Merge(p.partial); err != nil {
				return done, err
			}
		}
	}
	done.partial, err = s.red.AppendPartial(nil)
	return done, err
}
