package store

import (
	"context"
	"io"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// readRound is how many chunks are read in one snapshot: that much of a download is in memory.
const readRound = 8

var readBuffers = sync.Pool{New: func() any { b := make([]byte, 0, readRound*chunkSize); return &b }}

// AttachmentReader reads the bytes of an attachment as they are stored. It holds no snapshot
// between two calls.
type AttachmentReader struct {
	ctx       context.Context
	db        *DB
	digest    Digest
	from, end int64
	buf       *[]byte // nil before the first read and after Close
	rest      []byte  // of buf: bytes not yet returned
}

// ReadAttachment reads n bytes of an attachment, starting at an offset. The caller closes the
// reader after use, and uses it only while ctx lasts.
func (db *DB) ReadAttachment(ctx context.Context, d Digest, from, n int64) *AttachmentReader {
	return &AttachmentReader{ctx: ctx, db: db, digest: d, from: from, end: from + n}
}

// Read returns ErrMissingAttachment if the bytes are not here.
func (a *AttachmentReader) Read(p []byte) (int, error) {
	if err := a.fill(); err != nil {
		return 0, err
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// WriteTo writes all that is left to w, one or several chunks at a time.
func (a *AttachmentReader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if err := a.fill(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		k, err := w.Write(a.rest)
		n += int64(k)
		a.rest = a.rest[k:]
		if err != nil {
			return n, err
		}
	}
}

// Close gives the reader's memory back.
func (a *AttachmentReader) Close() {
	if a.buf != nil {
		readBuffers.Put(a.buf)
		a.buf, a.rest = nil, nil
	}
}

// fill makes sure that there are bytes to return: io.EOF at the end.
func (a *AttachmentReader) fill() error {
	if len(a.rest) > 0 {
		return nil
	}
	if a.from >= a.end {
		return io.EOF
	}
	if a.buf == nil {
		a.buf = readBuffers.Get().(*[]byte)
	}
	first := a.from / chunkSize
	err := a.db.view(a.ctx, func(r engine.Reader) (err error) {
		*a.buf, err = readChunks(r, a.digest, uint32(first), (*a.buf)[:0])
		return err
	})
	if err != nil {
		return err
	}
	at := a.from - first*chunkSize
	if at >= int64(len(*a.buf)) {
		return corrupt("attachment %s ends at byte %d", a.digest, first*chunkSize+int64(len(*a.buf)))
	}
	a.rest = (*a.buf)[at:min(int64(len(*a.buf)), a.end-first*chunkSize)]
	a.from += int64(len(a.rest))
	return nil
}

// readChunks appends the next chunks of an attachment, starting with first.
func readChunks(r engine.Reader, d Digest, first uint32, dst []byte) ([]byte, error) {
	rec, err := findDigest(r, d)
	if err != nil {
		return dst, err
	}
	rg := engine.Range{From: chunkKey(rec.at, first), To: append(chunkKey(rec.at, ^uint32(0)), 0), Limit: readRound}
	err = r.Scan(spaceAtt, rg, func(_, v []byte) (bool, error) {
		dst, err = appendChunk(dst, v)
		return true, err
	})
	return dst, err
}

// readAttachments reads the list of a revision's attachments.
func readAttachments(r engine.Reader, data []byte) ([]Attachment, error) {
	ref, err := parseBodyRef(data)
	if err != nil {
		return nil, err
	}
	v, err := r.Get(spaceBody, bodyKey(ref))
	if err != nil || v == nil {
		return nil, err
	}
	stored, err := parseBody(v)
	if err != nil {
		return nil, err
	}
	return parseAttachments(stored.atts)
}
