package document

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strconv"

	"github.com/tododb/tododb/store/jsonscan"
)

// Tags of Erlang's external term format.
const (
	termVersion = 131
	termFloat   = 'F' // NEW_FLOAT_EXT
	termByte    = 'a' // SMALL_INTEGER_EXT
	termInt     = 'b' // INTEGER_EXT
	termBig     = 'n' // SMALL_BIG_EXT
	termAtom    = 'd' // ATOM_EXT
	termTuple   = 'h' // SMALL_TUPLE_EXT
	termNil     = 'j' // NIL_EXT
	termString  = 'k' // STRING_EXT: a list of bytes
	termList    = 'l' // LIST_EXT
	termBinary  = 'm' // BINARY_EXT
)

// AppendAtom appends an atom of Erlang's external term format.
func AppendAtom(b []byte, name string) []byte {
	b = append(b, termAtom, 0, byte(len(name)))
	return append(b, name...)
}

// AppendBinary appends a binary of it.
func AppendBinary[T string | []byte](b []byte, s T) []byte {
	b = append(b, termBinary)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// AppendTerm appends the term that CouchDB makes of a JSON value.
func AppendTerm(b, json []byte) ([]byte, error) {
	p := newParser(json, Options{})
	i, err := p.value(jsonscan.Space(json, 0), 0)
	if err == nil && jsonscan.Space(json, i) != len(json) {
		err = errSyntax
	}
	return append(b, p.term...), err
}

func appendFloat(b []byte, f float64) []byte {
	b = append(b, termFloat)
	return binary.BigEndian.AppendUint64(b, math.Float64bits(f))
}

// putLength fills in a length that was left open.
func putLength(at []byte, n int) { binary.BigEndian.PutUint32(at, uint32(n)) }

// maxDigits is how many digits of an integer are taken. CouchDB fails a little further
// on, where its arithmetic does.
const maxDigits = 309

// appendInteger appends an integer given by its digits.
func appendInteger(b, raw []byte) ([]byte, error) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return AppendInt(b, n), nil
	}
	if len(bytes.TrimPrefix(raw, []byte{'-'})) > maxDigits {
		return b, errSyntax
	}
	n, ok := new(big.Int).SetString(string(raw), 10)
	if !ok {
		return b, errSyntax
	}
	return appendMagnitude(b, n.Sign() < 0, n.Bytes()), nil
}

// AppendInt appends an integer of it.
func AppendInt(b []byte, n int64) []byte {
	switch {
	case n >= 0 && n <= 255:
		return append(b, termByte, byte(n))
	case n >= math.MinInt32 && n <= math.MaxInt32:
		b = append(b, termInt)
		return binary.BigEndian.AppendUint32(b, uint32(n))
	}
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	raw := binary.BigEndian.AppendUint64(nil, u)
	for raw[0] == 0 {
		raw = raw[1:]
	}
	return appendMagnitude(b, n < 0, raw)
}

// appendMagnitude appends an integer of any size; its bytes come with the most
// significant first and go with it last.
func appendMagnitude(b []byte, negative bool, magnitude []byte) []byte {
	sign := byte(0)
	if negative {
		sign = 1
	}
	b = append(b, termBig, byte(len(magnitude)), sign)
	for i := len(magnitude) - 1; i >= 0; i-- {
		b = append(b, magnitude[i])
	}
	return b
}

// packBytes turns the list that begins at an index of b, count elements that all are
// bytes, into the form that Erlang has for those.
func packBytes(b []byte, at, count int) []byte {
	elems := b[at+5:]
	b[at] = termString
	binary.BigEndian.PutUint16(b[at+1:], uint16(count))
	for i := range count {
		b[at+3+i] = elems[2*i+1]
	}
	return b[:at+3+count]
}
