package httpapi

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
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

// appendString appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte { return jsonscan.AppendString(b, s) }

// appendRev appends a revision in quotes.
func appendRev(b []byte, r revtree.Rev) []byte {
	if len(r.ID) == 16 { // digits: nothing to escape
		return append(r.AppendTo(append(b, '"')), '"')
	}
	return jsonscan.AppendString(b, r.String())
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

// appendRevs appends an array of revisions.
func appendRevs(b []byte, revs []revtree.Rev) []byte {
	b = append(b, '[')
	for i := range revs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRev(b, revs[i])
	}
	return append(b, ']')
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// appendSeq appends an update sequence of a database as a JSON string.
func appendSeq(b []byte, db *store.DB, n uint64) []byte {
	return append(db.Seq(n).AppendTo(append(b, '"')), '"')
}

// givenRev is the revision that a document came with.
func givenRev(doc *document.Doc) revtree.Rev {
	if len(doc.Path) > 0 {
		return doc.Path[0]
	}
	return doc.Rev
}
