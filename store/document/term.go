package document

import (
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

// AppendBinary appends a binary in that format.
func AppendBinary[T string | []byte](b []byte, s T) []byte {
	b = append(b, termBinary)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// AppendTerm appends the term that CouchDB makes from a JSON value.
func AppendTerm(b, json []byte) ([]byte, error) {
	p := newParser(json, Options{}) // for repeated names
	defer p.release()
	i, err := p.value(jsonscan.Space(json, 0), 0)
	if err == nil && jsonscan.Space(json, i) != len(json) {
		err = errSyntax
	}
	if err != nil {
		return b, err
	}
	return appendBody(b, p.body)
}

// appendBody appends the term of JSON that a parser wrote: without white space and repeated
// names.
func appendBody(b, json []byte) ([]byte, error) {
	t := termWriter{src: json, term: b}
	i, err := t.value(0, 0)
	if err == nil && i != len(json) {
		err = errSyntax
	}
	return t.term, err
}

// termWriter turns the JSON in src into terms.
type termWriter struct {
	src  []byte
	term []byte
}

func (t *termWriter) value(i, depth int) (int, error) {
	if i >= len(t.src) || depth > jsonscan.MaxDepth {
		return i, errSyntax
	}
	switch t.src[i] {
	case '"':
		return t.text(i)
	case '{':
		return t.object(i, depth)
	case '[':
		return t.array(i, depth)
	case 't':
		return t.word(i, "true")
	case 'f':
		return t.word(i, "false")
	case 'n':
		return t.word(i, "null")
	}
	return t.number(i)
}

func (t *termWriter) word(i int, w string) (int, error) {
	end, err := jsonscan.Literal(t.src, i, w)
	if err != nil {
		return i, errSyntax
	}
	t.term = AppendAtom(t.term, w)
	return end, nil
}

func (t *termWriter) text(i int) (int, error) {
	end, escaped, err := jsonscan.SkipString(t.src, i)
	if err != nil {
		return i, errSyntax
	}
	at := len(t.term)
	t.term = append(t.term, termBinary, 0, 0, 0, 0)
	if escaped {
		t.term = jsonscan.AppendText(t.term, t.src[i:end])
	} else {
		t.term = append(t.term, t.src[i+1:end-1]...)
	}
	putLength(t.term[at+1:], len(t.term)-at-5)
	return end, nil
}

func (t *termWriter) number(i int) (int, error) {
	end, float, err := jsonscan.SkipNumber(t.src, i)
	if err != nil {
		return i, errSyntax
	}
	raw := t.src[i:end]
	if !float {
		t.term, err = appendInteger(t.term, raw)
		return end, err
	}
	f, err := jsonscan.Float(raw)
	if err != nil {
		return i, errSyntax
	}
	t.term = appendFloat(t.term, f)
	return end, nil
}

// next looks for what follows an element: a comma, or the end.
func (t *termWriter) next(i int, end byte) (_ int, more bool, err error) {
	switch {
	case i < len(t.src) && t.src[i] == ',':
		return i + 1, true, nil
	case i < len(t.src) && t.src[i] == end:
		return i + 1, false, nil
	}
	return i, false, errSyntax
}

func (t *termWriter) array(i, depth int) (int, error) {
	if i++; i < len(t.src) && t.src[i] == ']' {
		t.term = append(t.term, termNil)
		return i + 1, nil
	}
	at := len(t.term)
	t.term = append(t.term, termList, 0, 0, 0, 0)
	count, bytesOnly := 0, true
	for more := true; more; {
		elem := len(t.term)
		var err error
		if i, err = t.value(i, depth+1); err != nil {
			return i, err
		}
		count++
		bytesOnly = bytesOnly && t.term[elem] == termByte
		if i, more, err = t.next(i, ']'); err != nil {
			return i, err
		}
	}
	if bytesOnly && count <= 0xffff {
		t.term = packBytes(t.term, at, count)
		return i, nil
	}
	putLength(t.term[at+1:], count)
	t.term = append(t.term, termNil)
	return i, nil
}

func (t *termWriter) object(i, depth int) (int, error) {
	t.term = append(t.term, termTuple, 1)
	if i++; i < len(t.src) && t.src[i] == '}' {
		t.term = append(t.term, termNil)
		return i + 1, nil
	}
	at := len(t.term)
	t.term = append(t.term, termList, 0, 0, 0, 0)
	count := 0
	for more := true; more; count++ {
		t.term = append(t.term, termTuple, 2)
		if i >= len(t.src) || t.src[i] != '"' {
			return i, errSyntax
		}
		var err error
		if i, err = t.text(i); err != nil {
			return i, err
		}
		if i >= len(t.src) || t.src[i] != ':' {
			return i, errSyntax
		}
		if i, err = t.value(i+1, depth+1); err != nil {
			return i, err
		}
		if i, more, err = t.next(i, '}'); err != nil {
			return i, err
		}
	}
	putLength(t.term[at+1:], count)
	t.term = append(t.term, termNil)
	return i, nil
}

func appendFloat(b []byte, f float64) []byte {
	b = append(b, termFloat)
	return binary.BigEndian.AppendUint64(b, math.Float64bits(f))
}

// putLength fills in a length that was left open.
func putLength(at []byte, n int) { binary.BigEndian.PutUint32(at, uint32(n)) }

// maxDigits is the most digits a parser takes in an integer. CouchDB fails a little later,
// where its arithmetic does.
const maxDigits = 309

// appendInteger appends an integer given by its digits.
func appendInteger(b, raw []byte) ([]byte, error) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return AppendInt(b, n), nil
	}
	n, ok := new(big.Int).SetString(string(raw), 10)
	if !ok {
		return b, errSyntax
	}
	return appendMagnitude(b, n.Sign() < 0, n.Bytes()), nil
}

// AppendInt appends an integer in that format.
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

// appendMagnitude appends an integer of any size. magnitude has the most significant byte
// first; the term has it last.
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

// packBytes turns the list at an index of b, of count elements that are all bytes, into
// Erlang's compact form for such lists.
func packBytes(b []byte, at, count int) []byte {
	elems := b[at+5:]
	b[at] = termString
	binary.BigEndian.PutUint16(b[at+1:], uint16(count))
	for i := range count {
		b[at+3+i] = elems[2*i+1]
	}
	return b[:at+3+count]
}
