package backups

import (
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/httpapi/wire"
)

// codedAnswer is an answer that is compressed as the client wishes. Nothing is sent before the first
// byte is written, so an error until then is answered as usual.
type codedAnswer struct {
	w      http.ResponseWriter
	r      *http.Request
	to     io.Writer // nil: nothing has been written
	closes func() error
}

// window is how far zstd looks back: the memory of both sides.
const window = 1 << 20

func (a *codedAnswer) Write(p []byte) (int, error) {
	if a.to == nil {
		if err := a.begin(); err != nil {
			return 0, err
		}
	}
	return a.to.Write(p)
}

func (a *codedAnswer) begin() error {
	h := a.w.Header()
	h["Content-Type"] = []string{MediaType}
	h["Cache-Control"] = []string{"no-store"}
	h["Vary"] = append(h["Vary"], "Accept-Encoding")
	a.to, a.closes = a.w, func() error { return nil }
	switch coding := coding(a.r); coding {
	case "zstd":
		z, err := zstd.NewWriter(a.w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return err
		}
		a.to, a.closes = z, z.Close
		h["Content-Encoding"] = []string{coding}
	case "gzip":
		z, err := gzip.NewWriterLevel(a.w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		a.to, a.closes = z, z.Close
		h["Content-Encoding"] = []string{coding}
	}
	a.w.WriteHeader(http.StatusOK)
	return nil
}

// end completes the answer. After an error the connection is cut instead.
func (a *codedAnswer) end() error {
	if a.to == nil {
		return nil
	}
	return a.closes()
}

// coding is the best one that the client accepts: zstd, gzip, or none.
func coding(r *http.Request) string {
	accepted := map[string]bool{}
	for _, header := range r.Header["Accept-Encoding"] {
		for one := range strings.SplitSeq(header, ",") {
			name, q, _ := strings.Cut(strings.ToLower(strings.TrimSpace(one)), ";")
			_, weight, given := strings.Cut(strings.ReplaceAll(q, " ", ""), "q=")
			accepted[strings.TrimSpace(name)] = !given || strings.Trim(weight, "0.") != ""
		}
	}
	for _, name := range []string{"zstd", "gzip"} {
		if accepted[name] {
			return name
		}
	}
	return ""
}

// decoded is the body of a request, unpacked. The caller closes it.
func decoded(r *http.Request) (io.ReadCloser, error) {
	in := &sentBody{in: r.Body}
	switch coding := wire.ContentCoding(r); coding {
	case "", "identity":
		return in, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, in.because(err)
		}
		return &unpackedBody{z, in}, nil
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, in.because(err)
		}
		return &unpackedBody{z.IOReadCloser(), in}, nil
	default:
		return nil, wire.Errorf(http.StatusUnsupportedMediaType, "bad_content_type", "%s is not a supported content encoding.", coding)
	}
}

// sentBody is a body as it was sent. It remembers why it could not be read, which is what the client
// is told, and not that the stream is cut.
type sentBody struct {
	in  io.Reader
	err error
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		err = wire.BodyError(err)
		b.err = err
	}
	return n, err
}

func (b *sentBody) Close() error { return nil }

// because is why unpacking has failed.
func (b *sentBody) because(err error) error {
	if b.err != nil {
		return b.err
	}
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return err
	}
	return wire.BadRequest("The request body could not be unpacked: %s", err)
}

type unpackedBody struct {
	io.ReadCloser
	sent *sentBody
}

func (b *unpackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, b.sent.because(err)
}
