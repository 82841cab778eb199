package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// A Revival is a dead document that lives again, because a replication brought an edit that its
// tombstone had not replaced: somebody worked on it without knowing that it was deleted.
type Revival struct {
	N    uint64 // they are numbered from 1
	ID   string
	Rev  revtree.Rev // what came
	Dead revtree.Rev // the tombstone that had ended
	Time time.Time
}

// mostRevivals is how many are remembered.
const mostRevivals = 1000

// A revival has the key revivalBy | number, 8 bytes, in the dead space, and the value version |
// uvarint second (Unix) | bytes docid | rev | rev of the tombstone.
func revivalKey(n uint64) []byte { return append([]byte{revivalBy}, seqKey(n)...) }

func (r *Revival) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(append(b, record.Version), unixSecond(r.Time))
	b = record.AppendBytes(b, r.ID)
	return record.AppendRev(record.AppendRev(b, r.Rev), r.Dead)
}

func parseRevival(k, v []byte) (r Revival, err error) {
	if r.N, err = seqOfKey(k[1:]); err != nil {
		return r, err
	}
	rd := record.Read(v)
	version, second := rd.Byte(), rd.Uvarint()
	r.Time = time.Unix(int64(second), 0).UTC()
	r.ID, r.Rev, r.Dead = string(rd.Bytes()), rd.Rev(), rd.Rev()
	if version != record.Version || rd.Bad || len(rd.Rest) > 0 {
		return r, corrupt("revival %d of %d bytes", r.N, len(v))
	}
	return r, nil
}

// noteRevival records a revival by the revision that came, unless that is zero or the document is
// still deleted.
func (w *writer) noteRevival(id string, came revtree.Rev, d *loaded) error {
	if winner, _ := d.tree.Winner(); came.IsZero() || winner.Deleted {
		return nil
	}
	dead, err := parseDeath(d.death)
	if err != nil {
		return err
	}
	tombstone, _ := dead.Winner()
	notes, err := w.deaths()
	if err != nil {
		return err
	}
	notes.revivals++
	r := Revival{N: notes.revivals, ID: id, Rev: came, Dead: tombstone.Rev, Time: w.db.store.opt.Clock()}
	if err := w.tx.Put(spaceDead, revivalKey(r.N), w.keep(r.appendTo)); err != nil || r.N <= mostRevivals {
		return err
	}
	return w.tx.Delete(spaceDead, revivalKey(r.N-mostRevivals))
}

// Revivals reads the newest revivals, 1,000 at most, the newest first. It calls fn inside a snapshot,
// and flush between snapshots, as AllDocs does.
func (db *DB) Revivals(ctx context.Context, fn func(*Revival) error, flush func() error) error {
	to := []byte{revivalBy + 1}
	for more := true; more; {
		err := db.view(ctx, func(r engine.Reader) error {
			more = false
			size := 0
			return r.Scan(spaceDead, engine.Range{From: []byte{revivalBy}, To: to, Reverse: true}, func(k, v []byte) (bool, error) {
				rev, err := parseRevival(k, v)
				if err != nil {
					return false, err
				}
				if db.see(&Document{ID: rev.ID, Rev: rev.Rev, Body: []byte("{}")}) == nil {
					err = fn(&rev)
				}
				if size += len(v); size >= snapshotBytes {
					more, to = true, bytes.Clone(k)
				}
				return !more, err
			})
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
