package mango

import (
	"bytes"
	"strconv"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/jsonscan"
)

// operand is a value that others are compared with. The order is the order of an index's rows
// (package collate), so that an index and a scan agree on equality. Ids are ordered by their
// bytes (mango_json.erl, cmp_raw).
type operand struct {
	raw   []byte
	key   []byte
	order collate.Order
	whole bool  // raw is a whole number that fits
	n     int64 // that number
	plain bool  // raw is a string without escapes that equals only itself
}

func newOperand(raw []byte, order collate.Order) (operand, error) {
	key, err := order.AppendKey(nil, raw)
	o := operand{raw: raw, key: key, order: order}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		o.whole, o.n = true, n
	}
	o.plain = plainString(raw)
	return o, err
}

// plainString reports whether a string collates the same as no other: printable ASCII
// characters all count.
func plainString(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' {
		return false
	}
	for _, c := range raw {
		if c < 0x20 || c > 0x7e || c == '\\' {
			return false
		}
	}
	return true
}

// compare orders a value against the operand. buf is room to work in.
func (o *operand) compare(v []byte, buf *[]byte) int {
	if o.whole && len(v) < 19 {
		if n, ok := wholeNumber(v); ok {
			switch {
			case n < o.n:
				return -1
			case n > o.n:
				return 1
			}
			return 0
		}
	}
	key, err := o.order.AppendKey((*buf)[:0], v)
	if err != nil {
		return -1 // never in a checked document
	}
	*buf = key
	return bytes.Compare(key, o.key)
}

// equals is a faster compare(v) == 0.
func (o *operand) equals(v []byte, buf *[]byte) bool {
	if jsonscan.Kind(v) != jsonscan.Kind(o.raw) {
		return false
	}
	if o.plain {
		if bytes.Equal(v, o.raw) {
			return true
		}
		if plainString(v) {
			return false
		}
	}
	return o.compare(v, buf) == 0
}

// wholeNumber reads a short run of digits.
func wholeNumber(v []byte) (n int64, ok bool) {
	i := 0
	if v[0] == '-' {
		i = 1
	}
	if i == len(v) {
		return 0, false
	}
	for ; i < len(v); i++ {
		c := v[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if v[0] == '-' {
		n = -n
	}
	return n, true
}

// same reports whether two values are literally the same. CouchDB looks for elements with $all
// like this: 1 is not 1.0, and no two different texts are equal.
func same(a, b []byte) bool {
	k := jsonscan.Kind(a)
	if k != jsonscan.Kind(b) {
		return false
	}
	switch k {
	case '"':
		return bytes.Equal(jsonscan.AppendText(nil, a), jsonscan.AppendText(nil, b))
	case '[':
		return sameLists(elements(a), elements(b))
	case '{':
		return sameLists(members(a), members(b))
	case '0':
		if bytes.ContainsAny(a, ".eE") != bytes.ContainsAny(b, ".eE") {
			return false
		}
		o, err := newOperand(a, collate.Unicode)
		return err == nil && o.compare(b, new([]byte)) == 0
	}
	return true
}

func sameLists(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
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

// members are the names and values of an object, alternating.
func members(v []byte) (out [][]byte) {
	_ = jsonscan.EachMember(v, func(name, value []byte) error { // v has been checked
		out = append(out, jsonscan.AppendString(nil, name), value)
		return nil
	})
	return out
}

// pair is a member of an object.
type pair struct {
	name  string
	value []byte
}

// pairs lists the members of an object from a client; of a repeated name the last counts.
func pairs(v []byte) (out []pair) {
	at := map[string]int{}
	_ = jsonscan.EachMember(v, func(name, value []byte) error { // v has been checked
		if i, found := at[string(name)]; found {
			out[i].value = value
			return nil
		}
		at[string(name)] = len(out)
		out = append(out, pair{string(name), value})
		return nil
	})
	return out
}
