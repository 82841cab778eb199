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

// readGroup reads all records of a view whose keys begin like a given one, from a cursor that has just
// returned that one. It returns them in order, and the first record after them.
func readGroup(c engine.Cursor, k, v []byte, def *Definition) (group []longRow, nextK, nextV []byte, err error) {
	begin := k[:1+maxKey]
	for k != nil && bytes.HasPrefix(k, begin) {
		g := longRow{k: k, v: v}
		if g.rec, err = parseRow(k, v); err != nil {
			return nil, nil, nil, err
		}
		json, err := g.rec.firstKey()
		if err != nil {
			return nil, nil, nil, err
		}
		if g.key, err = def.appendKey(nil, int(k[0]), g.rec.id, json); err != nil {
			return nil, nil, nil, corrupt("key of a row of %q", g.rec.id)
		}
		group = append(group, g)
		if k, v, err = c.Next(); err != nil {
			return nil, nil, nil, err
		}
	}
	slices.SortFunc(group, func(a, b longRow) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return bytes.Compare(a.rec.id, b.rec.id)
	})
	return group, k, v, nil
}

// fold reads the rows and segments of a range into s. Only records whose keys begin like a long
// bound are read row by row.
func fold(r engine.Reader, def *Definition, rg *Range, s sink) error {
	from, to := rg.Low.place(rg.View, false), rg.High.place(rg.View, true)
	if !rg.exact() {
		if len(rg.Low.Key) > maxKey {
			end := rg.Low.place(rg.View, true)
			if err := foldGroup(r, def, rg, from, end, s); err != nil || bytes.Equal(end, to) {
				return err
			}
			from = end
		}
		if len(rg.High.Key) > maxKey {
			begin := rg.High.place(rg.View, false)
			if err := foldBetween(r, rg.View, from, begin, s); err != nil {
				return err
			}
			return foldGroup(r, def, rg, begin, to, s)
		}
	}
	return foldBetween(r, rg.View, from, to, s)
}

func foldBetween(r engine.Reader, view int, from, to []byte, s sink) error {
	if bytes.Compare(from, to) >= 0 {
		return nil
	}
	w := walk{r: r, view: byte(view), to: to, s: s}
	return w.run(from)
}

// foldGroup reads the rows of a range among records whose keys begin the same.
func foldGroup(r engine.Reader, def *Definition, rg *Range, from, to []byte, s sink) error {
	c := r.Cursor(spaceRows, engine.Range{From: from, To: to})
	k, v, err := c.Next()
	if k == nil || err != nil {
		return err
	}
	group, _, _, err := readGroup(c, k, v, def)
	for i := 0; i < len(group) && err == nil; i++ {
		if rg.holds(group[i].key, group[i].rec.id) {
			_, err = s.row(group[i].k, group[i].v)
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
	for k != nil && err == nil {
		rec, err := parseRow(k, v)
		if err != nil {
			return nil, err
		}
		if !rec.long() {
			return &longRow{key: rec.prefix[1:], k: k, v: v, rec: rec}, nil
		}
		var group []longRow
		if group, k, v, err = readGroup(c, k, v, def); err != nil {
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
