package store

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"fmt"
	"hash"
	"io"

	"github.com/tododb/tododb/store/engine"
)

// adoptedContent is the content of an attachment that is coming.
type adoptedContent struct {
	CapturedAttachment
	at     location
	chunks uint32
	length int64
	sum    hash.Hash
	buf    []byte
	pack   packer
}

// Attachment announces an attachment. wanted says that its content is not here yet: Chunk and
// ContentEnd bring it, before anything else.
func (a *Adoption) Attachment(c CapturedAttachment) (wanted bool, err error) {
	if a.upload != nil {
		return false, misfit("the content of attachment %s is cut", a.upload.Digest)
	}
	if c.Length < 0 {
		return false, misfit("attachment %s of %d bytes", c.Digest, c.Length)
	}
	if !a.fresh[c.Digest] {
		err = a.db.View(a.ctx, func(r engine.Reader) error {
			v, err := r.Get(spaceAtt, digestKey(c.Digest))
			wanted = v == nil
			return err
		})
	}
	switch {
	case err != nil:
		return false, translate(err)
	case wanted:
		a.upload = &adoptedContent{CapturedAttachment: c, sum: md5.New()}
		rand.Read(a.upload.at[:])
		return true, nil
	}
	return false, a.add(1, func(tx engine.Tx) error {
		v, err := tx.Get(spaceAtt, digestKey(c.Digest))
		if err != nil {
			return err
		}
		rec, err := parseDigestRecord(v)
		if err != nil || rec.linked >= c.Linked {
			return err
		}
		rec.linked = c.Linked
		return tx.Put(spaceAtt, digestKey(c.Digest), rec.append(nil))
	})
}

// Chunk takes in the next chunk of the attachment, as it is stored.
func (a *Adoption) Chunk(value []byte) (err error) {
	u := a.upload
	if u == nil {
		return misfit("content of no attachment")
	}
	if u.buf, err = appendChunk(u.buf[:0], value); err != nil {
		return misfit("attachment %s: %v", u.Digest, err)
	}
	// Readers count on it that all chunks but the last are full.
	if len(u.buf) > chunkSize || len(u.buf) == 0 || u.length != int64(u.chunks)*chunkSize || u.length+int64(len(u.buf)) > u.Length {
		return misfit("attachment %s has a chunk of %d bytes behind %d", u.Digest, len(u.buf), u.length)
	}
	u.sum.Write(u.buf)
	key := chunkKey(u.at, u.chunks)
	copied := bytes.Clone(value)
	if string(value[:len(PlainChunk)]) == PlainChunk { // it may come from where nothing is compressed
		copied = u.pack.pack(u.buf)
	}
	u.chunks++
	u.length += int64(len(u.buf))
	return a.add(len(copied), func(tx engine.Tx) error { return tx.Put(spaceAtt, key, copied) })
}

// Content takes in the attachment's content from a reader.
func (a *Adoption) Content(r io.Reader) error {
	chunk := make([]byte, len(PlainChunk)+chunkSize)
	copy(chunk, PlainChunk)
	for left := a.Missing(); left > 0; left = a.Missing() {
		part := chunk[:len(PlainChunk)+int(min(left, chunkSize))]
		if _, err := io.ReadFull(r, part[len(PlainChunk):]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("content of attachment %s: %w", a.upload.Digest, err)
		}
		if err := a.Chunk(part); err != nil {
			return err
		}
	}
	return a.ContentEnd()
}

// Missing says how much of the attachment's content is still to come.
func (a *Adoption) Missing() int64 {
	if a.upload == nil {
		return 0
	}
	return a.upload.Length - a.upload.length
}

// ContentEnd says that the attachment's content has come.
func (a *Adoption) ContentEnd() error {
	u := a.upload
	if u == nil {
		return misfit("content of no attachment")
	}
	if got := Digest(u.sum.Sum(nil)); u.length != u.Length || got != u.Digest {
		return misfit("the content of attachment %s has %d bytes of %s", u.Digest, u.length, got)
	}
	a.upload = nil
	rec := digestRecord{at: u.at, length: u.Length, linked: u.Linked}
	a.fresh[u.Digest] = true
	return a.add(64, func(tx engine.Tx) error {
		if v, err := tx.Get(spaceAtt, digestKey(u.Digest)); err != nil || v != nil {
			return err // this has been done
		}
		return tx.Put(spaceAtt, digestKey(u.Digest), rec.append(nil))
	})
}

// dropUnreferred removes attachments that nothing refers to.
func (a *Adoption) dropUnreferred() error {
	from := []byte{attDigest}
	for more := true; more; {
		err := a.update(func(tx engine.Tx) error {
			var idle []Digest
			var at []location
			n := 0
			more = false
			err := tx.Scan(spaceAtt, engine.Range{From: from, To: []byte{attDigest + 1}}, func(k, v []byte) (bool, error) {
				rec, err := parseDigestRecord(v)
				if err == nil && rec.refs == 0 {
					idle, at = append(idle, Digest(k[1:])), append(at, rec.at)
				}
				if n++; n >= adoptRecords {
					from, more = append(append([]byte(nil), k...), 0), true
				}
				return !more, err
			})
			for i := 0; i < len(idle) && err == nil; i++ {
				if err = tx.Delete(spaceAtt, digestKey(idle[i])); err == nil {
					err = removeChunks(tx, at[i])
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
