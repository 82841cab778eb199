package collate

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// The common weights in x/text's tables: no others are lower, so they can be left out at the
// end of a level.
const (
	commonSecondary = 0x20
	commonTertiary  = 0x02
)

// Version is the version of Unicode whose collation orders strings, such as "6.2.0".
const Version = collate.UnicodeVersion

// asciiWeights are the weights of one ASCII character; none has more than one.
type asciiWeights struct {
	primary   [3]byte
	n         byte // bytes of primary; 0: the character does not count
	secondary byte // 0 where n is
	tertiary  byte
}

// ascii is the table of the fast path, taken from the collator itself.
var ascii = sync.OnceValue(func() *[utf8.RuneSelf]asciiWeights {
	var table [utf8.RuneSelf]asciiWeights
	c := newCollator()
	for i := range table {
		c.read([]byte{byte(i)})
		if len(c.primary) == 0 {
			continue
		}
		w := &table[i]
		w.n = byte(copy(w.primary[:], c.primary))
		w.secondary, w.tertiary = byte(c.secondary[0]), c.tertiary[0]
	}
	return &table
})

// appendCollated appends the weights of text, level by level.
func appendCollated(dst, text []byte) []byte {
	table := ascii()
	from := len(dst)
	special := -1 // the last index whose tertiary weight is not common
	n := 0
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return appendUnicode(dst[:from], text)
		}
		w := &table[b]
		switch w.n {
		case 0:
			continue
		case 2:
			dst = append(dst, w.primary[0], w.primary[1])
		default:
			dst = append(dst, w.primary[:w.n]...)
		}
		if w.secondary != commonSecondary {
			return appendUnicode(dst[:from], text)
		}
		if w.tertiary != commonTertiary {
			special = n
		}
		n++
	}
	dst = append(dst, 0, 0)
	for i := 0; special >= 0; i++ {
		if w := &table[text[i]]; w.n != 0 {
			dst = append(dst, w.tertiary)
			special--
		}
	}
	return append(dst, 0)
}

var collators = sync.Pool{New: func() any { return newCollator() }}

func appendUnicode(dst, text []byte) []byte {
	c := collators.Get().(*collator)
	defer collators.Put(c)
	c.read(text)
	dst = append(dst, c.primary...)
	dst = append(dst, 0)
	last := len(c.secondary)
	for last > 0 && c.secondary[last-1] == commonSecondary {
		last--
	}
	for _, w := range c.secondary[:last] {
		if w < 0xf0 {
			dst = append(dst, byte(w))
		} else {
			dst = append(dst, 0xf0+byte(w>>8), byte(w))
		}
	}
	dst = append(dst, 0)
	last = len(c.tertiary)
	for last > 0 && c.tertiary[last-1] == commonTertiary {
		last--
	}
	dst = append(dst, c.tertiary[:last]...)
	return append(dst, 0)
}

// collator takes the keys of an x/text collator apart. It is for one goroutine.
type collator struct {
	col       *collate.Collator
	buf       collate.Buffer
	primary   []byte // as they stand in our keys
	secondary []uint16
	tertiary  []byte
}

func newCollator() *collator { return &collator{col: collate.New(language.Und)} }

// ICU sorts the replacement character, U+FFFD, after all others but U+FFFF; in x/text's older
// tables it is an ordinary symbol. U+10FFFE, which is not a character, stands in its place.
var (
	replacement = []byte("\ufffd")
	almostLast  = []byte("\U0010fffe")
)

// read finds the weights of text. x/text's key is: primary weights of two bytes, or three
// if the first has its high bit set; 00 00; secondary weights of two bytes; 00 00; tertiary
// weights of one. Primary weights are raised here so that their first byte is never 00.
func (c *collator) read(text []byte) {
	if bytes.Contains(text, replacement) {
		text = bytes.ReplaceAll(text, replacement, almostLast)
	}
	c.buf.Reset()
	key := c.col.Key(&c.buf, text)
	c.primary, c.secondary, c.tertiary = c.primary[:0], c.secondary[:0], c.tertiary[:0]
	i := 0
	for i+1 < len(key) && (key[i] != 0 || key[i+1] != 0) {
		p := uint32(key[i])<<8 | uint32(key[i+1])
		i += 2
		if key[i-2]&0x80 != 0 {
			p = (p&0x7fff)<<8 | uint32(key[i])
			i++
		}
		if p += 0x100; p <= 0x7fff {
			c.primary = append(c.primary, byte(p>>8), byte(p))
		} else {
			c.primary = append(c.primary, byte(p>>16)|0x80, byte(p>>8), byte(p))
		}
	}
	for i += 2; i+1 < len(key) && (key[i] != 0 || key[i+1] != 0); i += 2 {
		c.secondary = append(c.secondary, uint16(key[i])<<8|uint16(key[i+1]))
	}
	c.tertiary = append(c.tertiary, key[min(i+2, len(key)):]...)
}

// AppendBeginning appends the bytes that the Unicode keys of all strings with a common
// beginning start with: its primary weights, if it is printable ASCII. Other characters can
// absorb the weights of their neighbours; then it is only what the keys of all strings begin
// with.
func AppendBeginning(dst, text []byte) []byte {
	dst = append(dst, tagString)
	for _, c := range text {
		if c < 0x20 || c > 0x7e {
			return dst
		}
	}
	from := len(dst)
	dst = appendCollated(dst, text)
	i := from
	for dst[i] != 0 { // a weight has three bytes if the first has its high bit set
		i += 2 + int(dst[i]>>7)
	}
	return dst[:i]
}
