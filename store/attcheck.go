package store

import (
	"crypto/md5"

	"github.com/tododb/tododb/store/engine"
)

// attachments recounts the references of every digest and looks for its bytes.
func (c *checker) attachments() error {
	at := map[location]bool{}
	err := c.r.Scan(spaceAtt, prefixRange(attDigest), func(k, v []byte) (bool, error) {
		d := Digest(k[1:])
		rec, err := parseDigestRecord(v)
		if err != nil {
			c.report("attachment %s: %v", d, err)
			return true, nil
		}
		at[rec.at] = true
		if rec.refs != c.refs[d] {
			c.report("attachment %s is said to have %d references and has %d", d, rec.refs, c.refs[d])
		}
		delete(c.refs, d)
		return true, c.attachmentBytes(d, &rec)
	})
	if err != nil {
		return err
	}
	for d := range c.refs {
		c.report("attachment %s is referred to and not there", d)
	}
	err = c.r.Scan(spaceAtt, prefixRange(attStaged), func(k, _ []byte) (bool, error) {
		at[location(k[1:])] = true
		return true, nil
	})
	if err != nil {
		return err
	}
	var last location
	return c.r.Scan(spaceAtt, engine.Range{From: []byte{attChunk}, To: []byte{attChunk + 1}, KeysOnly: true}, func(k, _ []byte) (bool, error) {
		if of := location(k[1:17]); of != last && !at[of] {
			c.report("chunks at %x belong to nothing", of)
			last = of
		}
		return true, nil
	})
}

// attachmentBytes checks that the bytes of an attachment are what its digest says.
func (c *checker) attachmentBytes(d Digest, rec *digestRecord) error {
	sum, length := md5.New(), int64(0)
	var buf []byte
	err := c.r.Scan(spaceAtt, engine.Range{From: chunkKey(rec.at, 0), To: append(chunkKey(rec.at, ^uint32(0)), 0)}, func(_, v []byte) (bool, error) {
		var err error
		if buf, err = appendChunk(buf[:0], v); err != nil {
			c.report("attachment %s: %v", d, err)
			return false, nil
		}
		sum.Write(buf)
		length += int64(len(buf))
		return true, nil
	})
	if got := Digest(sum.Sum(nil)); err == nil && (got != d || length != rec.length) {
		c.report("attachment %s holds %d bytes of digest %s where %d were noted", d, length, got, rec.length)
	}
	return err
}
