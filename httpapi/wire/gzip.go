package wire

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// compressFrom is the least size of an answer that is compressed: below it the answer
// fits in one packet anyway, and the time is better spent on the next request. Only
// JSON is compressed; attachments go out as the bytes that were stored, with their
// length and ranges.
const compressFrom = 1400

var (
	codingGzip     = []string{"gzip"}
	varyByEncoding = "Accept-Encoding"
)

// wantsGzip tells whether an answer that is worth it may be compressed. It marks the
// answer as one that depends on the question.
func wantsGzip(r *http.Request, h http.Header) bool {
	if h["Content-Encoding"] != nil {
		return false
	}
	h.Add("Vary", varyByEncoding)
	for _, line := range r.Header["Accept-Encoding"] {
		for line != "" {
			var one string
			one, line, _ = strings.Cut(line, ",")
			coding, quality, _ := strings.Cut(strings.TrimSpace(one), ";")
			if strings.TrimSpace(coding) == "gzip" {
				quality = strings.TrimSpace(quality)
				return !strings.HasPrefix(quality, "q=0") || strings.Trim(quality[3:], ".0") != ""
			}
		}
	}
	return false
}

// The fastest level: on JSON it saves nearly what the others do.
var gzipWriters = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return z
}}

func getGzip(w io.Writer) *gzip.Writer {
	z := gzipWriters.Get().(*gzip.Writer)
	z.Reset(w)
	return z
}

// putGzip gives a writer back; it holds on to no connection meanwhile.
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
