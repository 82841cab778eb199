package index

import (
	"bytes"
	"slices"

	"github.com/tododb/tododb/store/collate"
)

// Bound is a place between two rows of a view: before the rows of a key, or before a document's
// rows under that key; after them if Past is set.
type Bound struct {
	Key  []byte // of package collate; nil: no bound
	ID   string // "": the rows of all documents
	Past bool
}

// Range is the rows of a view between two bounds.
type Range struct {
	View      int
	Low, High Bound
}

// Key is the range of the rows with one key.
func Key(view int, key []byte) Range {
	return Range{View: view, Low: Bound{Key: key}, High: Bound{Key: key, Past: true}}
}

// Prefix is the range of the rows whose keys begin with prefix. The key of an array without its
// last byte gives the arrays that begin with its elements.
func Prefix(view int, prefix []byte) Range {
	return Range{View: view, Low: Bound{Key: prefix}, High: Bound{Key: append(slices.Clip(slices.Clone(prefix)), collate.After)}}
}

// place is where a bound lies among the records; no bound is the end of the view if high is set, else
// its beginning.
func (b *Bound) place(view int, high bool) []byte {
	if b.Key == nil {
		if high {
			return []byte{byte(view) + 1}
		}
		return []byte{byte(view)}
	}
	p := make([]byte, 0, 2+len(b.Key)+len(b.ID))
	p = append(append(append(p, byte(view)), b.Key...), b.ID...)
	switch {
	case b.Past && b.ID == "":
		p = append(p, collate.After)
	case b.Past:
		p = append(p, 0)
	}
	return p
}

// onlyKey is the key if the range is all rows of one key, else nil.
func (rg *Range) onlyKey() []byte {
	if rg.Low.Key == nil || rg.Low.Past || !rg.High.Past || !bytes.Equal(rg.Low.Key, rg.High.Key) {
		return nil
	}
	return rg.Low.Key
}

// less orders bounds as low ones.
func less(a, b *Bound) int {
	if c := bytes.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	rank := func(x *Bound) int { // all documents of a key lie between the two places without an id
		switch {
		case x.ID != "":
			return 1
		case x.Past:
			return 2
		}
		return 0
	}
	if c := rank(a) - rank(b); c != 0 {
		return c
	}
	if c := bytes.Compare([]byte(a.ID), []byte(b.ID)); c != 0 {
		return c
	}
	switch {
	case a.Past == b.Past:
		return 0
	case b.Past:
		return -1
	}
	return 1
}
