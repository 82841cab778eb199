package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tododb/tododb/revtree"
)

// Values of headers that never change, shared by all answers: a header's slice of
// values is only ever replaced, never written to.
var (
	typeJSON       = []string{"application/json"}
	mustRevalidate = []string{"must-revalidate"}
)

// writeJSON sends a whole answer; a newline is put behind it. HEAD gets the headers.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body []byte) error {
	h := w.Header()
	if h["Content-Type"] == nil {
		h["Content-Type"] = typeJSON
	}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = mustRevalidate
	}
	if r.Method == http.MethodHead {
		h["Content-Length"] = []string{strconv.Itoa(len(body) + 1)}
		w.WriteHeader(status)
		return nil
	}
	if len(body) >= compressFrom && wantsGzip(r, h) {
		return writeGzip(w, status, append(body, '\n'))
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body) + 1)}
	w.WriteHeader(status)
	_, err := w.Write(append(body, '\n'))
	return err
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// appendRev appends a revision in quotes.
func appendRev(b []byte, r revtree.Rev) []byte {
	return append(r.AppendTo(append(b, '"')), '"')
}

// maxPooled is the largest buffer that is kept for the next request.
const maxPooled = 1 << 18

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// getBuf takes an empty buffer from the pool.
func getBuf() *[]byte {
	b := buffers.Get().(*[]byte)
	*b = (*b)[:0]
	return b
}

// putBuf gives it back; nobody may hold its bytes any more.
func putBuf(b *[]byte) {
	if cap(*b) <= maxPooled {
		buffers.Put(b)
	}
}
