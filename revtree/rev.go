package revtree

import (
	"cmp"
	"errors"
	"math"
	"strconv"
)

// Rev names one revision: its generation and an id. The zero Rev means none.
//
// An ID of 32 hexadecimal digits is held as the 16 bytes that they spell; any other text is
// held as it came. Rev is comparable. Two Revs are equal exactly where CouchDB sees the same
// revision.
type Rev struct {
	Gen uint64
	ID  string
}

// ErrBadRev says that a text is not a revision.
var ErrBadRev = errors.New("malformed revision")

// maxGen stands for every generation that is too great to count. CouchDB counts on, but there a
// request for such a revision can only end with "no such revision". Merge takes none in.
const maxGen = math.MaxInt64

// MaxID is the greatest length in bytes of an ID that is not a 16-byte hash. CouchDB has no
// bound, and its own IDs have 16 bytes. But each edit of a document reads and writes every ID
// in its tree, and a client that makes up revisions could send one of gigabytes.
const MaxID = 8 << 10

// Parse reads "N-ID". If 32 characters follow the dash, they must be hexadecimal digits. Text
// of any other length up to MaxID bytes is taken as it is, even an empty one (couch_doc.erl,
// parse_rev).
// The error is ErrBadRev.
func Parse(s string) (Rev, error) {
	i, gen := 0, uint64(0)
	if len(s) > 0 && s[0] == '+' { // list_to_integer takes a sign
		i = 1
	}
	digits := i
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if gen > (maxGen-9)/10 {
			gen = maxGen
			continue
		}
		gen = gen*10 + uint64(s[i]-'0')
	}
	if i == digits || i == len(s) || s[i] != '-' {
		return Rev{}, ErrBadRev
	}
	id, err := ParseID(s[i+1:])
	if err != nil {
		return Rev{}, err
	}
	return Rev{Gen: gen, ID: id}, nil
}

// ParseID reads the part after the dash, as it stands in _revisions.
func ParseID(s string) (string, error) {
	if len(s) > MaxID {
		return "", ErrBadRev
	}
	if len(s) != 32 {
		return s, nil
	}
	var raw [16]byte
	for i := range raw {
		high, low := digit(s[2*i]), digit(s[2*i+1])
		if high > 15 || low > 15 {
			return "", ErrBadRev
		}
		raw[i] = high<<4 | low
	}
	return string(raw[:]), nil
}

// digit is the value of a hexadecimal digit, or more than 15 if c is not one.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// IsZero reports whether r names no revision.
func (r Rev) IsZero() bool { return r == Rev{} }

func (r Rev) String() string { return string(r.AppendTo(nil)) }

// AppendTo appends the text of the revision. As in CouchDB, an ID of 16 bytes is
// written as 32 lower-case digits and any other as it is.
func (r Rev) AppendTo(b []byte) []byte {
	b = strconv.AppendUint(b, r.Gen, 10)
	b = append(b, '-')
	return r.AppendIDTo(b)
}

// AppendIDTo appends the part after the dash.
func (r Rev) AppendIDTo(b []byte) []byte {
	if len(r.ID) != 16 {
		return append(b, r.ID...)
	}
	const digits = "0123456789abcdef"
	for i := range 16 {
		b = append(b, digits[r.ID[i]>>4], digits[r.ID[i]&15])
	}
	return b
}

// Compare orders revisions by generation, as a number, and then by ID, as bytes.
func Compare(a, b Rev) int {
	if a.Gen != b.Gen {
		return cmp.Compare(a.Gen, b.Gen)
	}
	return cmp.Compare(a.ID, b.ID)
}
