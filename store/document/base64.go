package document

import (
	"bytes"
	"encoding/base64"
	"io"

	"github.com/tododb/tododb/store/jsonscan"
)

// Inline reads the bytes of an inline attachment. It decodes as it reads, so they are never all
// in memory. It skips white space in the base64.
func (a *Attachment) Inline() io.Reader {
	if a.data == nil {
		return bytes.NewReader(nil)
	}
	return decoded(a.data[1 : len(a.data)-1])
}

// decoded decodes base64 from the inside of a checked JSON string.
func decoded(text []byte) io.Reader {
	return base64.NewDecoder(base64.StdEncoding.Strict(), &base64Text{rest: text})
}

// base64Text reads the inside of a checked JSON string without its white space.
type base64Text struct{ rest, unescaped []byte }

func (t *base64Text) Read(p []byte) (n int, err error) {
	for n < len(p) && len(t.rest)+len(t.unescaped) > 0 {
		c := byte(0)
		switch {
		case len(t.unescaped) > 0:
			c, t.unescaped = t.unescaped[0], t.unescaped[1:]
		case t.rest[0] == '\\':
			size := 2
			if t.rest[1] == 'u' { // a surrogate pair is not base64 anyway
				size = 6
			}
			t.unescaped, err = jsonscan.AppendEscape(t.unescaped[:0], t.rest)
			if err != nil {
				return n, err
			}
			t.rest = t.rest[size:]
			continue
		default:
			c, t.rest = t.rest[0], t.rest[1:]
			if c > ' ' {
				plain := bytes.IndexAny(t.rest[:min(len(t.rest), len(p)-n-1)], "\\ \t\r\n")
				if plain < 0 {
					plain = min(len(t.rest), len(p)-n-1)
				}
				p[n] = c
				n += 1 + copy(p[n+1:], t.rest[:plain])
				t.rest = t.rest[plain:]
				continue
			}
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			p[n] = c
			n++
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Kinds of bytes in base64, besides the digits 0 to 63.
const (
	noBase64 = 0xff - iota
	base64Space
	base64Pad
	base64Escape
)

var base64Digits = func() (kinds [256]byte) {
	for i := range kinds {
		kinds[i] = noBase64
	}
	for _, c := range " \t\r\n" {
		kinds[c] = base64Space
	}
	kinds['='], kinds['\\'] = base64Pad, base64Escape
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		kinds[c] = byte(i)
	}
	return kinds
}()

// sizeOfBase64 checks base64 inside a checked JSON string, and returns the size of the decoded
// bytes. It accepts exactly what decoded accepts.
func sizeOfBase64(text []byte) (size int64, ok bool) {
	digits, pads, last := int64(0), int64(0), byte(0)
	for _, c := range text {
		switch kind := base64Digits[c]; {
		case kind < 64 && pads == 0:
			digits++
			last = kind
		case kind == base64Space:
		case kind == base64Pad && pads < 2:
			pads++
		case kind == base64Escape: // hardly anybody writes escapes
			size, err := io.Copy(io.Discard, decoded(text))
			return size, err == nil
		default:
			return 0, false
		}
	}
	if (digits+pads)%4 != 0 || pads == 1 && last&3 != 0 || pads == 2 && last&15 != 0 {
		return 0, false // unused bits must be zero
	}
	return digits * 3 / 4, true
}
