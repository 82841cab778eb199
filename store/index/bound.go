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

// place is where a bound lies among the records. If its key is longer than maxKey, it lies
// somewhere among the rows whose keys begin the same. Then its place is before all of them, or
// after them if high is set.
func (b *Bound) place(view int, high bool) []byte {
	if b.Key == nil {
		if high {
			return []byte{byte(view) + 1}
		}
		return []byte{byte(view)}
	}
	p := append([]byte{byte(view)}, b.Key...)
	if len(b.Key) > maxKey {
		p = p[:1+maxKey]
		if high {
			p = append(p, bytes.Repeat([]byte{0xff}, hashSize+1)...)
		}
		return p
	}
	p = append(p, b.ID...)
	switch {
	case b.Past && b.ID == "":
		p = append(p, collate.After)
	case b.Past:
		p = append(p, 0)
	}
	return p
}

// compare says on which side of the bound a document's rows under a key lie: negative before
// it, positive after it.
func (b *Bound) compare(key []byte, id []byte) int {
	c := bytes.Compare(key, b.Key)
	if c == 0 && b.ID != "" {
		c = bytes.Compare(id, []byte(b.ID))
	}
	switch {
	case c != 0:
		return c
	case b.Past:
		return -1
	}
	return 1
}

// holds reports whether the range contains a document's rows under a key.
func (rg *Range) holds(key, id []byte) bool {
	return (rg.Low.Key == nil || rg.Low.compare(key, id) > 0) && (rg.High.Key == nil || rg.High.compare(key, id) < 0)
}

// onlyKey is the key if the range is all rows of one key, else nil.
func (rg *Range) onlyKey() []byte {
	if rg.Low.Key == nil || rg.Low.Past || !rg.High.Past || !bytes.Equal(rg.Low.Key, rg.High.Key) {
		return nil
	}
	return rg.Low.Key
}

// exact reports whether both bounds lie between records. Then the range is exactly the records
// between their places.
func (rg *Range) exact() bool { return len(rg.Low.Key) <= maxKey && len(rg.High.Key) <= maxKey }

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
