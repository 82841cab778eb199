package mango

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/tododb/tododb/store/jsonscan"
)

// rank orders values of different types.
func rank(v []byte) int {
	switch v[0] {
	case 'n':
		return 0
	case 'f':
		return 1
	case 't':
		return 2
	case '"':
		return 4
	case '[':
		return 5
	case '{':
		return 6
	}
	return 3
}

// compare orders two JSON values as CouchDB does (couch_ejson_compare.erl).
func compare(a, b []byte) int {
	ra, rb := rank(a), rank(b)
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch ra {
	case 3:
		return compareNumbers(a, b)
	case 4:
		return compareStrings(text(a), text(b))
	case 5:
		return compareLists(elements(a), elements(b))
	case 6:
		return compareLists(members(a), members(b))
	}
	return 0
}

func compareNumbers(a, b []byte) int {
	x, errX := strconv.ParseInt(string(a), 10, 64)
	y, errY := strconv.ParseInt(string(b), 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	f, okF := new(big.Float).SetPrec(1100).SetString(string(a))
	g, okG := new(big.Float).SetPrec(1100).SetString(string(b))
	if !okF || !okG {
		return strings.Compare(string(a), string(b)) // never of a checked document
	}
	return f.Cmp(g)
}

// compareLists compares element by element; the shorter of two that begin alike is less.
func compareLists(a, b [][]byte) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if c := compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// collators are not safe for use by several goroutines at once.
var collators = sync.Pool{New: func() any { return collate.New(language.Und) }}

func compareStrings(a, b string) int {
	if a == b {
		return 0
	}
	c := collators.Get().(*collate.Collator)
	defer collators.Put(c)
	return c.CompareString(a, b)
}

func text(v []byte) string {
	s, _ := jsonscan.Text(v) // v has been checked
	return s
}

func elements(v []byte) (out [][]byte) {
	_ = jsonscan.EachElement(v, func(e []byte) error { // v has been checked
		out = append(out, e)
		return nil
	})
	return out
}

// members are the names and values of an object, in turn.
func members(v []byte) (out [][]byte) {
	_ = jsonscan.EachMember(v, func(name, value []byte) error { // v has been checked
		out = append(out, jsonscan.AppendString(nil, name), value)
		return nil
	})
	return out
}

func equal(a, b []byte) bool { return compare(a, b) == 0 }
