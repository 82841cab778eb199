// Package jsonscan reads and writes JSON as bytes, without decoding it into values:
// it finds where a value ends, walks the members of an object and the elements of an
// array, and turns strings into Go strings and back.
//
// It is as strict as CouchDB: text is UTF-8 without a byte order mark, surrogates come
// in pairs, control characters in strings are escaped, numbers that no float64 holds
// are errors. What it accepts encoding/json accepts.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrSyntax says that bytes are not the expected JSON.
var ErrSyntax = errors.New("malformed JSON")

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 10000

// Space returns the index of the first byte at or after i that is not white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// Skip checks the value that begins at i and returns the index after it.
func Skip(b []byte, i int) (int, error) { return skip(b, i, 0) }

func skip(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, ErrSyntax
	}
	switch b[i] {
	case '"':
		end, _, err := SkipString(b, i)
		return end, err
	case '{', '[':
		if depth >= MaxDepth {
			return i, ErrSyntax
		}
		return skipNested(b, i, depth)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	}
	end, float, err := SkipNumber(b, i)
	if err == nil && float {
		_, err = Float(b[i:end])
	}
	return end, err
}

func skipNested(b []byte, i, depth int) (int, error) {
	object := b[i] == '{'
	closing := byte(']')
	if object {
		closing = '}'
	}
	if i = Space(b, i+1); i < len(b) && b[i] == closing {
		return i + 1, nil
	}
	for {
		var err error
		if object {
			if i >= len(b) || b[i] != '"' {
				return i, ErrSyntax
			}
			if i, _, err = SkipString(b, i); err != nil {
				return i, err
			}
			if i = Space(b, i); i >= len(b) || b[i] != ':' {
				return i, ErrSyntax
			}
			i = Space(b, i+1)
		}
		if i, err = skip(b, i, depth+1); err != nil {
			return i, err
		}
		var more bool
		if i, more, err = next(b, i, closing); !more {
			return i, err
		}
	}
}

// next continues after a member or element that ends at i: at the following one, or, if there
// is none, after the closing bracket.
func next(b []byte, i int, closing byte) (at int, more bool, err error) {
	if i = Space(b, i); i >= len(b) {
		return i, false, ErrSyntax
	}
	switch b[i] {
	case ',':
		return Space(b, i+1), true, nil
	case closing:
		return i + 1, false, nil
	}
	return i, false, ErrSyntax
}

func literal(b []byte, i int, word string) (int, error) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return i, ErrSyntax
	}
	return i + len(word), nil
}

// Literal checks for true, false or null at i and returns the index after it.
func Literal(b []byte, i int, word string) (int, error) { return literal(b, i, word) }

// SkipString checks the string that begins at i. It returns the index after it, and whether it
// has escapes.
func SkipString(b []byte, i int) (end int, escaped bool, err error) {
	i++
	for {
		i = plain(b, i)
		if i >= len(b) {
			return i, false, ErrSyntax
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped, nil
		case c == '\\':
			escaped = true
			_, n := escape(b[i:])
			if n == 0 {
				return i, false, ErrSyntax
			}
			i += n
		case c < 0x20:
			return i, false, ErrSyntax
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n <= 1 {
				return i, false, ErrSyntax
			}
			i += n
		}
	}
}

// plain steps over bytes that stand for themselves, eight at a time.
func plain(b []byte, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// A set high bit: a byte that is not ASCII, below 0x20, a quote or a backslash.
		if special := (w | (w - ones*0x20) | (quote - ones) | (slash - ones)) & high; special != 0 {
			break
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// escape reads the escape at the beginning of b; n is 0 if there is none.
func escape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return 0, 0
	}
	r = hex4(b[2:])
	if r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, hex4(b[8:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	r := rune(0)
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// SkipNumber checks the number that begins at i. It returns the index after it, and whether it
// has a fraction or an exponent.
func SkipNumber(b []byte, i int) (end int, float bool, err error) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	zero := i < len(b) && b[i] == '0'
	if zero {
		i++
	} else if !digits() {
		return i, false, ErrSyntax
	}
	if i < len(b) && b[i] == '.' {
		i++
		if float = true; !digits() {
			return i, false, ErrSyntax
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if float = true; !digits() {
			return i, false, ErrSyntax
		}
	}
	return i, float, nil
}

// Float reads a number that SkipNumber has checked; one that is too large is ErrSyntax.
func Float(raw []byte) (float64, error) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, ErrSyntax
	}
	return f, nil
}

// Valid reports whether b is one value, with nothing around it but white space.
func Valid(b []byte) bool {
	_, err := Trim(b)
	return err == nil
}

// Trim checks that b is one value and returns it without the white space around it.
func Trim(b []byte) ([]byte, error) {
	from := Space(b, 0)
	end, err := Skip(b, from)
	if err != nil {
		return nil, err
	}
	if Space(b, end) != len(b) {
		return nil, ErrSyntax
	}
	return b[from:end], nil
}
