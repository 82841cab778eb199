package view

import (
	"bytes"
	"math"
	"math/big"
	"strconv"

	"github.com/tododb/tododb/store/jsonscan"
)

// number is a JSON number as Erlang computes with it: integers of any size are exact, until a
// float is involved.
type number struct {
	i     int64
	f     float64 // where float is set
	big   *big.Int
	float bool
}

// maxDigits is the most digits of an integer, and maxBits the most bits of a computed one: time
// and memory grow with them.
const (
	maxDigits = 4096
	maxBits   = 4 * maxDigits
)

// inRange reports whether the number can be shown. Erlang fails when a float is out of range.
func (n *number) inRange() bool {
	if n.float {
		return !math.IsInf(n.f, 0) && !math.IsNaN(n.f)
	}
	return n.big == nil || n.big.BitLen() <= maxBits
}

// check returns errRange for a number out of range.
func (n number) check() error {
	if !n.inRange() {
		return errRange
	}
	return nil
}

// parseNumber reads a JSON value. ok is false if it is not a number; a number out of range is
// one.
func parseNumber(raw []byte) (n number, ok bool) {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return n, false
	}
	if n.i, ok = parseInt(raw); ok {
		return n, true
	}
	if !bytes.ContainsAny(raw, ".eE") {
		if len(raw) > maxDigits {
			return number{f: math.Inf(1), float: true}, true // inRange will say so
		}
		n.big, ok = new(big.Int).SetString(string(raw), 10)
		return n, ok
	}
	f, err := jsonscan.Float(raw)
	return number{f: f, float: true}, err == nil
}

// parseInt reads an integer that certainly fits.
func parseInt(raw []byte) (n int64, ok bool) {
	digits := raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(raw) {
		n = -n
	}
	return n, true
}

func (n number) bigInt() *big.Int {
	if n.big != nil {
		return n.big
	}
	return big.NewInt(n.i)
}

func (n number) float64() float64 {
	switch {
	case n.float:
		return n.f
	case n.big != nil:
		f, _ := new(big.Float).SetInt(n.big).Float64()
		return f
	}
	return float64(n.i)
}

func (n number) plus(m number) number {
	if n.float || m.float {
		return number{f: n.float64() + m.float64(), float: true}
	}
	if n.big == nil && m.big == nil {
		if s := n.i + m.i; (s > n.i) == (m.i > 0) {
			return number{i: s}
		}
	}
	return number{big: new(big.Int).Add(n.bigInt(), m.bigInt())}
}

// add is n = n.plus(m).
func (n *number) add(m *number) {
	if !n.float && !m.float && n.big == nil && m.big == nil {
		if s := n.i + m.i; (s > n.i) == (m.i > 0) {
			n.i = s
			return
		}
	}
	*n = n.plus(*m)
}

func (n number) squared() number {
	switch {
	case n.float:
		return number{f: n.f * n.f, float: true}
	case n.big == nil && n.i > -math.MaxInt32 && n.i < math.MaxInt32:
		return number{i: n.i * n.i}
	}
	b := n.bigInt()
	return number{big: new(big.Int).Mul(b, b)}
}

func (n *number) less(m *number) bool {
	switch {
	case n.float || m.float:
		return n.float64() < m.float64()
	case n.big == nil && m.big == nil:
		return n.i < m.i
	}
	return n.bigInt().Cmp(m.bigInt()) < 0
}

func (n number) appendTo(b []byte) []byte {
	switch {
	case n.big != nil:
		return n.big.Append(b, 10)
	case !n.float:
		return strconv.AppendInt(b, n.i, 10)
	}
	from := len(b)
	b = strconv.AppendFloat(b, n.f, 'g', -1, 64)
	if !bytes.ContainsAny(b[from:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}
