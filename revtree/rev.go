package revtree

import (
	"cmp"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
)

// Rev names one revision: its generation and an id. The zero Rev is none.
//
// An ID of 32 hexadecimal digits is held as the 16 bytes that they spell; any other
// text is held as it came. Rev is comparable, and equal exactly where CouchDB takes
// two revisions for the same.
type Rev struct {
	Gen uint64
	ID  string
}

// ErrBadRev says that a text is no revision.
var ErrBadRev = errors.New("malformed revision")

// Parse reads "N-ID". 32 characters behind the dash must be hexadecimal digits; a text
// of another length is taken as it is, even an empty one (couch_doc.erl, parse_rev).
func Parse(s string) (Rev, error) {
	digits, id, ok := strings.Cut(s, "-")
	if !ok || digits == "" {
		return Rev{}, ErrBadRev
	}
	gen := uint64(0)
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' || gen > (math.MaxInt64-9)/10 {
			return Rev{}, ErrBadRev
		}
		gen = gen*10 + uint64(c-'0')
	}
	raw, err := ParseID(id)
	return Rev{Gen: gen, ID: raw}, err
}

// ParseBytes is Parse of bytes.
func ParseBytes(b []byte) (Rev, error) { return Parse(string(b)) }

// ParseID reads the part behind the dash, as it stands in _revisions.
func ParseID(s string) (string, error) {
	if len(s) != 32 {
		return s, nil
	}
	var raw [16]byte
	if _, err := hex.Decode(raw[:], []byte(s)); err != nil {
		return "", ErrBadRev
	}
	return string(raw[:]), nil
}

// IsZero tells whether r names no revision.
func (r Rev) IsZero() bool { return r == Rev{} }

func (r Rev) String() string { return string(r.AppendTo(nil)) }

// AppendTo appends the text of the revision. As in CouchDB, an ID of 16 bytes is
// written as 32 lower-case digits and any other as it is.
func (r Rev) AppendTo(b []byte) []byte {
	b = strconv.AppendUint(b, r.Gen, 10)
	b = append(b, '-')
	return r.AppendIDTo(b)
}

// AppendIDTo appends the part behind the dash.
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
	return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.ID, b.ID))
}
