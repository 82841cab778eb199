package snapshot

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
)

// Snapshot is the beginning of a file, up to a cut.
type Snapshot struct {
	file *file
	cut  cut
	in   *os.File
	end  []byte

	failed atomic.Pointer[error] // why the bytes could not be read, nil: they could
}

// Close gives the file back.
func (s *Snapshot) Close() error {
	err := s.in.Close()
	s.file.files.give(s.file)
	return err
}

// Size returns how many bytes there are.
func (s *Snapshot) Size() int64 { return s.cut.At + int64(len(s.end)) }

// ReadAt reads the bytes up to the cut, and the end behind them.
func (s *Snapshot) ReadAt(p []byte, at int64) (n int, err error) {
	if at < s.cut.At {
		n, err = s.in.ReadAt(p[:min(int64(len(p)), s.cut.At-at)], at)
		if err != nil {
			if err == io.EOF { // it was longer
				err = io.ErrUnexpectedEOF
			}
			s.failed.CompareAndSwap(nil, &err)
			return n, err
		}
	}
	if behind := at + int64(n) - s.cut.At; behind >= 0 && behind < int64(len(s.end)) {
		n += copy(p[n:], s.end[behind:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// form is the form in which the client gets the lines.
type form struct {
	*coding
	asFile bool // a compressed file; else NDJSON with a Content-Encoding
}

// etag is the entity tag of a cut: the sequence, and what tells its bytes from others.
func (f form) etag(c *cut) string {
	kind := "ndjson"
	if f.coding != plainCoding {
		kind = f.name
	}
	if f.asFile {
		kind += "-file"
	}
	return `"` + c.Seq + "." + c.ID + "." + kind + `"`
}

// formOf is what the client asks for. A browser's page asks for a file: what a browser unpacks
// by itself cannot be resumed in the middle.
func formOf(r *http.Request) form {
	for _, c := range codings {
		if wire.AcceptsType(r, c.media) && c != plainCoding {
			return form{c, true}
		}
	}
	for _, c := range codings {
		if c == plainCoding || wire.AcceptsCoding(r, c.name) {
			return form{coding: c}
		}
	}
	return form{coding: plainCoding}
}

var errRange = wire.Errorf(http.StatusRequestedRangeNotSatisfiable, "requested_range_not_satisfiable", "Requested range not satisfiable")

// serve answers with a snapshot, or a range of it.
func (s *Snapshot) serve(w http.ResponseWriter, r *http.Request, f form) error {
	h := w.Header()
	h["Etag"] = []string{f.etag(&s.cut)}
	h["Cache-Control"] = wire.MustRevalidate
	h["Content-Type"] = []string{plainCoding.media}
	switch {
	case f.asFile:
		h["Content-Type"] = []string{f.media}
	case f.name != "":
		h["Content-Encoding"] = []string{f.name}
		h["Content-Length"] = []string{strconv.FormatInt(s.Size(), 10)}
	}
	out := &ranged{ResponseWriter: w}
	http.ServeContent(out, r, "", time.Time{}, io.NewSectionReader(s, 0, s.Size()))
	if out.refused {
		for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Type", "Etag"} {
			h.Del(name)
		}
		return errRange
	}
	err := errors.Join(out.err, r.Context().Err())
	if failed := s.failed.Load(); failed != nil { // of which package http says nothing
		err = errors.Join(err, fmt.Errorf("read a snapshot: %w", *failed))
	}
	return err
}

// ranged keeps package http from answering a range that is not there: the server's own answer
// follows. And it remembers what could not be sent.
type ranged struct {
	http.ResponseWriter
	refused bool
	err     error
}

func (w *ranged) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *ranged) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	n, err := w.ResponseWriter.Write(p)
	w.err = errors.Join(w.err, err)
	return n, err
}
