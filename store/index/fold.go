package index

import (
	"bytes"

	"github.com/tododb/tododb/store/engine"
)

// fold reads the rows and segments of a range into s.
func fold(r engine.Reader, rg *Range, s sink) error {
	from, to := rg.Low.place(rg.View, false), rg.High.place(rg.View, true)
	if bytes.Compare(from, to) >= 0 {
		return nil
	}
	w := walk{r: r, view: byte(rg.View), to: to, s: s}
	return w.run(from)
}

// countRange counts the rows of a range.
func countRange(r engine.Reader, rg *Range) (int, error) {
	c := counter{limit: -1}
	err := fold(r, rg, &c)
	return c.n, err
}

// firstOf finds the first rows of a range, in reading order, that one document has under one
// key; found is false if there are none.
func firstOf(r engine.Reader, rg *Range, descending bool) (rec rowRecord, found bool, err error) {
	span := engine.Range{From: rg.Low.place(rg.View, false), To: rg.High.place(rg.View, true), Reverse: descending, Limit: 1}
	if bytes.Compare(span.From, span.To) >= 0 {
		return rec, false, nil
	}
	err = r.Scan(spaceRows, span, func(k, v []byte) (_ bool, err error) {
		found = true
		rec, err = parseRow(k, v)
		return false, err
	})
	return rec, found, err
}
