package wire

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Header values that never change. All answers share them: a header's slice of values is only
// replaced, never written to.
var (
	TypeJSON       = []string{"application/json"}
	MustRevalidate = []string{"must-revalidate"}
)

// SetHeader sets a header of an answer to one value. key is in the form of http.Header's keys.
func SetHeader(w http.ResponseWriter, key, value string) {
	x, is := w.(*Exchange)
	if !is || x.valuesUsed == len(x.values) {
		w.Header()[key] = []string{value}
		return
	}
	i := x.valuesUsed
	x.valuesUsed++
	x.values[i] = value
	w.Header()[key] = x.values[i : i+1 : i+1]
}

// WriteJSON sends a whole answer and a newline. HEAD gets only the headers.
func WriteJSON(w http.ResponseWriter, r *http.Request, status int, body []byte) error {
	h := w.Header()
	if callback := callbackOf(w); callback != "" {
		body = endCall(append(appendCall(nil, callback), body...))
		h["Content-Type"] = typeScript
	} else {
		body = append(body, '\n')
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = TypeJSON
	}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = MustRevalidate
	}
	if r.Method == http.MethodHead {
		SetHeader(w, "Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		return nil
	}
	if len(body) > compressFrom && wantsGzip(r, h) {
		return writeGzip(w, status, body)
	}
	SetHeader(w, "Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// AppendString appends a JSON string. What is not UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte { return jsonscan.AppendString(b, s) }

// AppendRev appends a revision in quotes.
func AppendRev(b []byte, r revtree.Rev) []byte {
	if len(r.ID) == 16 { // digits: nothing to escape
		return append(r.AppendTo(append(b, '"')), '"')
	}
	return jsonscan.AppendString(b, r.String())
}

// ETag is the entity tag of a revision: the revision in quotes.
func ETag(r revtree.Rev) string {
	var room [64]byte // on the stack
	return string(AppendRev(room[:0], r))
}

// maxPooled is the largest buffer that is kept for the next request.
const maxPooled = 1 << 18

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// GetBuf takes an empty buffer from the pool.
func GetBuf() *[]byte {
	b := buffers.Get().(*[]byte)
	*b = (*b)[:0]
	return b
}

// PutBuf gives a buffer back. Nobody may use its bytes after that.
func PutBuf(b *[]byte) {
	if cap(*b) <= maxPooled {
		buffers.Put(b)
	}
}

// AppendRevs appends an array of revisions.
func AppendRevs(b []byte, revs []revtree.Rev) []byte {
	b = append(b, '[')
	for i := range revs {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendRev(b, revs[i])
	}
	return append(b, ']')
}

// AppendBranches appends, as the member changes, the leaves of a document that live: the winner first,
// the others with their nearest common ancestor with it, null if none is known.
func AppendBranches(b []byte, revs, ancestors []revtree.Rev) []byte {
	b = append(b, `,"changes":[`...)
	for i, rev := range revs {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendRev(append(b, `{"rev":`...), rev)
		if i > 0 && i <= len(ancestors) {
			if b = append(b, `,"ancestor":`...); ancestors[i-1].IsZero() {
				b = append(b, "null"...)
			} else {
				b = AppendRev(b, ancestors[i-1])
			}
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func AppendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// AppendSeq appends an update sequence of a database as a JSON string.
func AppendSeq(b []byte, db *store.DB, n uint64) []byte {
	return append(db.Seq(n).AppendTo(append(b, '"')), '"')
}

// GivenRev returns the revision that a document came with.
func GivenRev(doc *document.Doc) revtree.Rev {
	if len(doc.Path) > 0 {
		return doc.Path[0]
	}
	return doc.Rev
}
