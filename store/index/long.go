package index

import (
	"bytes"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// longRow is a record whose key is longer than the part of it in rows.
type longRow struct {
	key []byte // collated, in full
	k   []byte // of the record
	v   []byte
	rec rowRecord
}

// current is the record that a cursor has just returned. k is nil after the last one.
type current struct{ k, v []byte }

// readGroup reads all records of a view whose keys begin like at's, from a cursor that has just
// returned at. It returns them in order, and moves at to the first record after them.
func readGroup(c engine.Cursor, at *current, def *Definition) (group []longRow, err error) {
	begin, view := at.k[:1+maxKey], int(at.k[0])
	for at.k != nil && bytes.HasPrefix(at.k, begin) {
		g := longRow{k: at.k, v: at.v}
		if g.rec, err = parseRow(at.k, at.v); err != nil {
			return nil, err
		}
		json, err := g.rec.firstKey()
		if err != nil {
			return nil, err
		}
		if g.key, err = def.appendKey(nil, view, g.rec.id, json); err != nil {
			return nil, corrupt("key of a row of %q", g.rec.id)
		}
		group = append(group, g)
		if at.k, at.v, err = c.Next(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(group, func(a, b longRow) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return bytes.Compare(a.rec.id, b.rec.id)
	})
	return group, nil
}

// fold reads the rows and segments of a range into s. Only records whose keys begin like a long
// bound are read row by row.
func fold(r engine.Reader, def *Definition, rg *Range, s sink) error {
	f := folding{r: r, def: def, rg: rg, s: s}
	from, to := rg.Low.place(rg.View, false), rg.High.place(rg.View, true)
	if !rg.exact() {
		if len(rg.Low.Key) > maxKey {
			end := rg.Low.place(rg.View, true)
			if err := f.group(from, end); err != nil || bytes.Equal(end, to) {
				return err
			}
			from = end
		}
		if len(rg.High.Key) > maxKey {
			begin := rg.High.place(rg.View, false)
			if err := f.between(from, begin); err != nil {
				return err
			}
			return f.group(begin, to)
		}
	}
	return f.between(from, to)
}

// folding is a range that is being read into a sink.
type folding struct {
	r   engine.Reader
	def *Definition
	rg  *Range
	s   sink
}

// between reads the rows and segments between two places.
func (f *folding) between(from, to []byte) error {
	if bytes.Compare(from, to) >= 0 {
		return nil
	}
	w := walk{r: f.r, view: byte(f.rg.View), to: to, s: f.s}
	return w.run(from)
}

// group reads the rows of the range among records whose keys begin the same.
func (f *folding) group(from, to []byte) error {
	c := f.r.Cursor(spaceRows, engine.Range{From: from, To: to})
	k, v, err := c.Next()
	if k == nil || err != nil {
		return err
	}
	group, err := readGroup(c, &current{k, v}, f.def)
	for i := 0; i < len(group) && err == nil; i++ {
		if f.rg.holds(group[i].key, group[i].rec.id) {
			_, err = f.s.row(group[i].k, group[i].v)
		}
	}
	return err
}

// countRange counts the rows of a range.
func countRange(r engine.Reader, def *Definition, rg *Range) (int, error) {
	c := counter{limit: -1}
	err := fold(r, def, rg, &c)
	return c.n, err
}

// firstOf finds the first rows of a range, in reading order, that one document has under one
// key; nil if there are none.
func firstOf(r engine.Reader, def *Definition, rg *Range, descending bool) (*longRow, error) {
	span := engine.Range{From: rg.Low.place(rg.View, false), To: rg.High.place(rg.View, true), Reverse: descending}
	if bytes.Compare(span.From, span.To) >= 0 {
		return nil, nil
	}
	c := r.Cursor(spaceRows, span)
	k, v, err := c.Next()
	at := current{k, v}
	for at.k != nil && err == nil {
		rec, err := parseRow(at.k, at.v)
		if err != nil {
			return nil, err
		}
		if !rec.long() {
			return &longRow{key: rec.prefix[1:], k: at.k, v: at.v, rec: rec}, nil
		}
		group, err := readGroup(c, &at, def)
		if err != nil {
			return nil, err
		}
		if descending {
			slices.Reverse(group)
		}
		for i := range group {
			if rg.holds(group[i].key, group[i].rec.id) {
				return &group[i], nil
			}
		}
	}
	return nil, err
}
