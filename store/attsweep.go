package store

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// attGrace is how long unreferenced bytes stay: longer than any write that counts on them
// takes.
const attGrace = 24 * time.Hour

// sweepPart is how many unreferenced items go in one transaction.
const sweepPart = 16

// Sweep removes attachments that nothing has referred to for a day: uploads without a document,
// and attachments whose last revision is gone. While the database is read for a backup, it does
// nothing.
func (db *DB) Sweep(ctx context.Context) error {
	before := db.store.opt.Clock().Add(-attGrace).Unix()
	for db.captures.Load() == 0 {
		var staged []location
		var idle []Digest
		err := db.view(ctx, func(r engine.Reader) error {
			staged, idle = nil, nil
			err := r.Scan(spaceAtt, prefixRange(attStaged), func(k, v []byte) (bool, error) {
				at, n := binary.Varint(v[min(1, len(v)):])
				if n > 0 && at < before {
					staged = append(staged, location(k[1:]))
				}
				return len(staged) < sweepPart, nil
			})
			if err != nil {
				return err
			}
			return r.Scan(spaceAtt, prefixRange(attDigest), func(k, v []byte) (bool, error) {
				rec, err := parseDigestRecord(v)
				if err == nil && rec.refs == 0 && rec.idle < before {
					idle = append(idle, Digest(k[1:]))
				}
				return len(idle) < sweepPart, err
			})
		})
		if err != nil || len(staged)+len(idle) == 0 {
			return err
		}
		err = db.commits.submit(ctx, &op{upkeep: true, sparing: true, bytes: chunkSize, apply: func(w *writer) error {
			for _, at := range staged {
				if err := w.sweepStaged(at, before); err != nil {
					return err
				}
			}
			for _, d := range idle {
				if err := w.sweepDigest(d, before); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepStaged removes an upload, unless it has continued in the meantime.
func (w *writer) sweepStaged(at location, before int64) error {
	v, err := w.tx.Get(spaceAtt, stagedKey(at))
	if err != nil || v == nil {
		return err
	}
	if t, n := binary.Varint(v[1:]); n > 0 && t >= before {
		return nil
	}
	return w.removeStaged(at)
}

// sweepDigest removes bytes, unless something refers to them again.
func (w *writer) sweepDigest(d Digest, before int64) error {
	v, err := w.tx.Get(spaceAtt, digestKey(d))
	if err != nil || v == nil {
		return err
	}
	rec, err := parseDigestRecord(v)
	if err != nil || rec.refs > 0 || rec.idle >= before {
		return err
	}
	if err := w.tx.Delete(spaceAtt, digestKey(d)); err != nil {
		return err
	}
	return w.removeChunks(rec.at)
}

func prefixRange(prefix byte) engine.Range {
	return engine.Range{From: []byte{prefix}, To: []byte{prefix + 1}}
}
