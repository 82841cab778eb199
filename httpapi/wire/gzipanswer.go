package wire

import (
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// compressFrom is the size from which an answer is compressed. A smaller one fits in one packet
// anyway, and the time is better spent on the next request. Only JSON is compressed.
// Attachments go out as the stored bytes, with their length and ranges.
const compressFrom = 1400

var (
	codingGzip     = []string{"gzip"}
	varyByEncoding = "Accept-Encoding"
)

// wantsGzip tells whether an answer may be compressed. It also sets Vary, because the answer
// depends on the request.
func wantsGzip(r *http.Request, h http.Header) bool {
	if h["Content-Encoding"] != nil {
		return false
	}
	h.Add("Vary", varyByEncoding)
	return AcceptsCoding(r, "gzip")
}

// The fastest level: on JSON it saves nearly as much as the others.
var gzipWriters = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return z
}}

func getGzip(w io.Writer) *gzip.Writer {
	z := gzipWriters.Get().(*gzip.Writer)
	z.Reset(w)
	return z
}

// putGzip gives a writer back. It makes it forget the connection.
func putGzip(z *gzip.Writer) {
	z.Reset(io.Discard)
	gzipWriters.Put(z)
}

// writeGzip sends a whole answer compressed.
func writeGzip(w http.ResponseWriter, status int, body []byte) error {
	w.Header()["Content-Encoding"] = codingGzip
	w.WriteHeader(status)
	z := getGzip(w)
	defer putGzip(z)
	if _, err := z.Write(body); err != nil {
		return err
	}
	return z.Close()
}
