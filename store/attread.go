package store

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// readRound is how many chunks are read in one snapshot: so much of a download is in
// memory.
const readRound = 8

var readBuffers = sync.Pool{New: func() any { b := make([]byte, 0, readRound*chunkSize); return &b }}

// SendAttachment writes n bytes of an attachment, from an offset on, to w; no snapshot
// is held while it does. ErrMissingAttachment if the bytes are not here.
func (db *DB) SendAttachment(ctx context.Context, d Digest, from, n int64, w io.Writer) error {
	buf := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buf)
	for end := from + n; from < end; {
		first := from / chunkSize
		err := db.view(ctx, func(r engine.Reader) (err error) {
			*buf, err = readChunks(r, d, uint32(first), (*buf)[:0])
			return err
		})
		if err != nil {
			return err
		}
		at := from - first*chunkSize
		if at >= int64(len(*buf)) {
			return corrupt("attachment %s ends at byte %d", d, first*chunkSize+int64(len(*buf)))
		}
		part := (*buf)[at:min(int64(len(*buf)), end-first*chunkSize)]
		if _, err := w.Write(part); err != nil {
			return err
		}
		from += int64(len(part))
	}
	return nil
}

// readChunks appends the next chunks of an attachment, from the first one named on.
func readChunks(r engine.Reader, d Digest, first uint32, dst []byte) ([]byte, error) {
	v, err := r.Get(spaceAtt, digestKey(d))
	if err != nil {
		return dst, err
	}
	if v == nil {
		return dst, fmt.Errorf("%w: %s", ErrMissingAttachment, d)
	}
	rec, err := parseDigestRecord(v)
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

// readAttachments reads what a revision says of its attachments.
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
