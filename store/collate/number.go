package collate

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"

	"github.com/tododb/tododb/store/jsonscan"
)

// exact is the size from which floats cannot hold every integer.
const exact = 1 << 53

// appendNumber appends the bytes of a checked number. Up to 2^53 a float64 is enough. Above
// that comes the greatest float that does not exceed the number in size, then the rest of an
// integer: its length, then its bytes.
func appendNumber(dst, raw []byte, float bool) ([]byte, error) {
	if !float {
		if n, ok := smallInt(raw); ok {
			return appendFloat(dst, float64(n)), nil
		}
		return appendBigInt(dst, raw)
	}
	f, err := jsonscan.Float(raw)
	if err != nil {
		return dst, ErrNotJSON
	}
	if dst = appendFloat(dst, f); math.Abs(f) >= exact {
		dst = appendRest(dst, nil, f < 0)
	}
	return dst, nil
}

// smallInt reads an integer that a float64 holds.
func smallInt(raw []byte) (n int64, ok bool) {
	digits := raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(raw) {
		n = -n
	}
	return n, true
}

// appendFloat appends eight bytes that sort like the floats.
func appendFloat(dst []byte, f float64) []byte {
	if f == 0 {
		f = 0 // negative zero is equal to zero
	}
	bits := math.Float64bits(f)
	if bits>>63 != 0 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, bits)
}

// appendBigInt appends an integer of any size.
func appendBigInt(dst, raw []byte) ([]byte, error) {
	n, ok := new(big.Int).SetString(string(raw), 10)
	if !ok {
		return dst, ErrNotJSON
	}
	f, err := strconv.ParseFloat(string(raw), 64) // the nearest, which may be greater in size
	rest := new(big.Int)
	if err == nil {
		if rest = less(n, f); rest.Sign()*n.Sign() < 0 {
			f = math.Nextafter(f, 0)
			rest = less(n, f)
		}
	} else { // beyond all floats
		rest.Set(n)
	}
	dst = appendFloat(dst, f)
	if math.Abs(f) < exact {
		return dst, nil
	}
	return appendRest(dst, rest.Bytes(), n.Sign() < 0), nil
}

// less is n minus f.
func less(n *big.Int, f float64) *big.Int {
	whole, _ := new(big.Float).SetFloat64(f).Int(nil)
	return whole.Sub(n, whole)
}

// appendRest appends what the float leaves out of a number; a greater rest is further from
// zero.
func appendRest(dst, rest []byte, negative bool) []byte {
	from := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(rest)))
	dst = append(dst, rest...)
	if negative {
		for i := from; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}
