package store

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// Content is an attachment's content as it is stored. It is read in short snapshots.
type Content struct {
	CapturedAttachment
	db     *DB
	next   uint32   // the next chunk to read
	chunks [][]byte // read, and not yet returned
	buf    *[]byte  // of readBuffers, which chunks are in; nil: none is needed
	left   int64    // bytes of the chunks that are not yet read, at least
}

// OpenContent finds an attachment by its digest, whatever refers to it. The error is
// ErrMissingAttachment if its content is not here.
func (db Bare) OpenContent(ctx context.Context, d Digest) (*Content, error) {
	c := &Content{db: db.bareDB}
	err := db.view(ctx, func(r engine.Reader) error {
		rec, err := findDigest(r, d)
		c.CapturedAttachment, c.left = CapturedAttachment{Digest: d, Length: rec.length, Linked: rec.linked}, rec.length
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func findDigest(r engine.Reader, d Digest) (digestRecord, error) {
	v, err := r.Get(spaceAtt, digestKey(d))
	if err != nil {
		return digestRecord{}, err
	}
	if v == nil {
		return digestRecord{}, fmt.Errorf("%w: %s", ErrMissingAttachment, d)
	}
	return parseDigestRecord(v)
}

// Next returns the next chunk's record, nil at the end. It is valid until the next call.
func (c *Content) Next(ctx context.Context) ([]byte, error) {
	if len(c.chunks) == 0 && c.left > 0 {
		if c.buf == nil {
			c.buf = readBuffers.Get().(*[]byte)
		}
		err := c.db.view(ctx, func(r engine.Reader) error {
			c.chunks = c.chunks[:0]
			buf := (*c.buf)[:0]
			rec, err := findDigest(r, c.Digest)
			if err != nil {
				return err
			}
			rg := engine.Range{From: chunkKey(rec.at, c.next), To: append(chunkKey(rec.at, ^uint32(0)), 0), Limit: readRound}
			return r.Scan(spaceAtt, rg, func(_, v []byte) (bool, error) {
				from := len(buf)
				buf = append(buf, v...) // if it moves, earlier chunks stay where they were
				c.chunks = append(c.chunks, buf[from:])
				*c.buf = buf
				return true, nil
			})
		})
		if err != nil {
			return nil, err
		}
		if len(c.chunks) == 0 {
			return nil, corrupt("attachment %s ends at chunk %d", c.Digest, c.next)
		}
		c.next += uint32(len(c.chunks))
		c.left -= int64(len(c.chunks)) * chunkSize
	}
	if len(c.chunks) == 0 {
		c.Close()
		return nil, nil
	}
	v := c.chunks[0]
	c.chunks = c.chunks[1:]
	return v, nil
}

// Close ends the reading. What Next has returned is not valid any longer.
func (c *Content) Close() {
	if c.buf != nil {
		readBuffers.Put(c.buf)
		c.buf, c.chunks = nil, nil
	}
}
