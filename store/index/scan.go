package index

import (
	"bytes"
	"context"
	"slices"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// Row is one row of a view. Its slices are valid during the call that brings it.
type Row struct {
	Key, Value []byte // JSON
	ID         []byte // of the document
}

// RowsQuery says which rows to read.
type RowsQuery struct {
	// Ranges are read one after the other, each in the order of keys, then of ids.
	Ranges     []Range
	Descending bool // each range backwards
	Skip       int
	Limit      int  // negative: none
	WantOffset bool // fill Head.Offset
}

// Head comes before the rows.
type Head struct {
	Seq uint64 // the database sequence that the index has reached
	// Between says that the index is on its way from one state of its database to another. It may lack
	// a document that has moved in the meantime, or have it as it was long before Seq.
	Between bool
	Total   uint64 // rows of the view of the first range
	Offset  int    // rows of the view before the first one returned, in reading order
	// Changed is the sequence at which the rows of the view last changed.
	Changed uint64
}

// One snapshot is held for at most this.
const (
	snapshotRows  = 2000
	snapshotBytes = 256 << 10
)

// RowsTo takes rows as they are read.
type RowsTo struct {
	Head  func(Head) error // called once, before the first row (nil: not called)
	Row   func(*Row) error // inside a snapshot, so that it must do no I/O
	Flush func() error     // between snapshots (nil: not called)
}

// Rows reads ranges of rows. It may or may not see rows that are written meanwhile.
func (ix *Index) Rows(ctx context.Context, q RowsQuery, to RowsTo) error {
	settled := ix.settledAt()
	s := scanner{q: &q, def: ix.def, left: q.Limit, skip: q.Skip, to: to, ranges: slices.Clone(q.Ranges)}
	s.between = func(seq uint64) bool { return seq != settled && seq != ix.settledAt() }
	return ix.pages(ctx, to.Flush, &s)
}

// paged is a read that takes any number of snapshots.
type paged interface {
	begin(r engine.Reader) error // in the first one
	page(ctx context.Context, r engine.Reader) (more bool, err error)
}

// pages reads; flush, which may be nil, is called between the snapshots.
func (ix *Index) pages(ctx context.Context, flush func() error, p paged) error {
	read := ix.read()
	first := true
	for more := true; more; {
		err := read.view(ctx, func(r engine.Reader) (err error) {
			if first {
				first = false
				if err := p.begin(r); err != nil {
					return err
				}
			}
			more, err = p.page(ctx, r)
			return err
		})
		if err != nil {
			return err
		}
		if flush != nil {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scanner) begin(r engine.Reader) error {
	if s.to.Head == nil {
		return nil
	}
	h, err := s.head(r)
	if err != nil {
		return err
	}
	return s.to.Head(h)
}

func (s *scanner) head(r engine.Reader) (h Head, err error) {
	st, _, err := readState(r, len(s.def.Views))
	h.Seq, h.Between = st.seq, s.between(st.seq)
	if err != nil || len(s.ranges) == 0 {
		return h, err
	}
	rg := &s.ranges[0]
	h.Total, h.Changed = st.views[rg.View].rows, st.views[rg.View].changed
	if !s.q.WantOffset {
		return h, nil
	}
	if s.q.Descending {
		if rg.High.Key != nil {
			h.Offset, err = countRange(r, &Range{View: rg.View, Low: rg.High})
		}
	} else if rg.Low.Key != nil {
		h.Offset, err = countRange(r, &Range{View: rg.View, High: rg.Low})
	}
	return h, err
}

// scanner reads rows over several snapshots.
type scanner struct {
	q      *RowsQuery
	def    *Definition
	ranges []Range // the ones still to read
	left   int     // negative: no limit
	skip   int
	to     RowsTo

	between func(seq uint64) bool // see Head

	rows, size int // in this snapshot
	out        Row
}

// page reads as much as one snapshot allows; more reports whether anything is left.
func (s *scanner) page(_ context.Context, r engine.Reader) (more bool, err error) {
	s.rows, s.size = 0, 0
	for len(s.ranges) > 0 {
		if s.left == 0 {
			return false, nil
		}
		more, err := s.rest(r, &s.ranges[0])
		if more || err != nil {
			return more, err
		}
		s.ranges = s.ranges[1:]
		if s.rows++; s.rows >= snapshotRows && len(s.ranges) > 0 { // even finding no rows takes time
			return true, nil
		}
	}
	return false, nil
}

// rest continues in a range and moves the range's beginning to where it stops; more reports
// that the snapshot is used up before the range.
func (s *scanner) rest(r engine.Reader, rg *Range) (more bool, err error) {
	if s.skip > skipByReading {
		if all, err := s.jump(r, rg); all || err != nil {
			return false, err
		}
	}
	span := engine.Range{From: rg.Low.place(rg.View, false), To: rg.High.place(rg.View, true), Reverse: s.q.Descending, Brief: true}
	if bytes.Compare(span.From, span.To) >= 0 {
		return false, nil
	}
	full := false
	err = r.Scan(spaceRows, span, func(k, v []byte) (bool, error) {
		if full {
			more = true
			return false, nil
		}
		rec, err := parseRow(k, v)
		if err != nil {
			return false, err
		}
		if done, err := s.emit(&rec); done || err != nil {
			return false, err
		}
		if full = s.rows >= snapshotRows || s.size >= snapshotBytes; full {
			s.moveTo(rg, &rec)
		}
		return true, nil
	})
	return more, err
}

// moveTo makes the range continue after a document's rows under a key.
func (s *scanner) moveTo(rg *Range, rec *rowRecord) {
	b := Bound{Key: bytes.Clone(rec.prefix[1:]), ID: string(rec.id), Past: !s.q.Descending}
	if s.q.Descending {
		rg.High = b
	} else {
		rg.Low = b
	}
}

// emit passes on the rows of a record; done reports that no more are wanted.
func (s *scanner) emit(rec *rowRecord) (done bool, err error) {
	s.rows++
	s.size += len(rec.prefix) + len(rec.pairs) + len(rec.id)
	s.out.ID = rec.id
	rd := record.Read(rec.pairs)
	for range rec.n {
		s.out.Key, s.out.Value = rd.Bytes(), rd.Bytes()
		if rd.Bad {
			return false, corrupt("row of %q", rec.id)
		}
		if s.skip > 0 {
			s.skip--
			continue
		}
		if err := s.to.Row(&s.out); err != nil {
			return false, err
		}
		if s.left > 0 {
			if s.left--; s.left == 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// skipByReading is the most rows that are skipped by reading them. Counting costs some reads
// too.
const skipByReading = 16

// jump moves the beginning of a range past the rows to skip. all reports that the whole range is
// skipped.
func (s *scanner) jump(r engine.Reader, rg *Range) (all bool, err error) {
	total, err := countRange(r, rg)
	if err != nil {
		return false, err
	}
	if total <= s.skip {
		s.skip -= total
		return true, nil
	}
	n := s.skip // rows before the place to continue at, from the low end
	if s.q.Descending {
		n = total - s.skip
	}
	c := counter{limit: n}
	w := walk{r: r, view: byte(rg.View), to: rg.High.place(rg.View, true), s: &c}
	if err := w.run(rg.Low.place(rg.View, false)); err != nil {
		return false, err
	}
	v, err := r.Get(spaceRows, w.pos)
	if err != nil {
		return false, err
	}
	rec, err := parseRow(w.pos, v)
	if err != nil {
		return false, err
	}
	b := Bound{Key: bytes.Clone(rec.prefix[1:]), ID: string(rec.id)}
	if !s.q.Descending {
		s.skip -= c.n
		rg.Low = b
		return false, nil
	}
	rg.High, s.skip = b, 0
	if c.n < n { // skip some rows of this record
		rg.High.Past = true
		s.skip = c.n + rec.n - n
	}
	return false, nil
}
