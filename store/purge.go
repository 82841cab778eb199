package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// PurgeInfo records a purge: the revisions of one document that a client asked to purge.
type PurgeInfo struct {
	Seq  uint64 // the purge sequence
	UUID string
	ID   string
	Revs []revtree.Rev
}

// A purge's record is version | bytes uuid | bytes docid | uvarint n | n times rev.

func (p *PurgeInfo) appendTo(b []byte) []byte {
	b = record.AppendBytes(append(b, record.Version), p.UUID)
	b = record.AppendBytes(b, p.ID)
	b = binary.AppendUvarint(b, uint64(len(p.Revs)))
	for _, r := range p.Revs {
		b = record.AppendRev(b, r)
	}
	return b
}

func parsePurge(k, v []byte) (p PurgeInfo, err error) {
	if p.Seq, err = seqOfKey(k); err != nil {
		return p, err
	}
	r := record.Read(v)
	if r.Byte() != record.Version {
		return p, corrupt("purge %d of unknown version", p.Seq)
	}
	p.UUID, p.ID = string(r.Bytes()), string(r.Bytes())
	for n := r.Uvarint(); n > 0 && !r.Bad; n-- {
		p.Revs = append(p.Revs, r.Rev())
	}
	if r.Bad {
		return p, corrupt("purge %d of %d bytes", p.Seq, len(v))
	}
	return p, nil
}

func lastPurge(r engine.Reader) (uint64, error) {
	k, _, err := r.Last(spacePurge)
	if err != nil || k == nil {
		return 0, err
	}
	return seqOfKey(k)
}

// Purge removes revisions as if they had never been. Only leaves can be purged, each with the
// part of its branch that leads to no other leaf. purged lists the revisions removed from each
// document, in the order of ids. Each document's purge is remembered, with the revisions asked
// for, under a purge sequence of its own. Purge is for administrators (Guard.Admin).
func (db *DB) Purge(ctx context.Context, ids []string, revs [][]revtree.Rev) (purged [][]revtree.Rev, purgeSeq uint64, err error) {
	if err := db.checkIDs(ids); err != nil {
		return nil, 0, err
	}
	infos := make([]PurgeInfo, len(ids))
	size := 0
	for i, id := range ids {
		uuid := make([]byte, 16)
		rand.Read(uuid)
		infos[i] = PurgeInfo{UUID: hex.EncodeToString(uuid), ID: id, Revs: revs[i]}
		size += len(id) + 24*len(revs[i])
	}
	var refusal error
	o := &op{docs: len(ids), bytes: size, sparing: true}
	o.apply = func(w *writer) (err error) {
		if refusal, err = db.mayAdminister(w.tx); refusal != nil || err != nil {
			return err
		}
		purged = make([][]revtree.Rev, len(ids))
		at, err := lastPurge(w.tx)
		if err != nil {
			return err
		}
		before := w.last
		for i := range infos {
			if purged[i], err = w.purgeDocument(infos[i].ID, infos[i].Revs); err != nil {
				return err
			}
			at++
			infos[i].Seq = at
			if err := w.tx.Insert(spacePurge, seqKey(at), infos[i].appendTo(nil)); err != nil {
				return err
			}
		}
		purgeSeq = at
		if w.last == before {
			if err := w.mark(); err != nil {
				return err
			}
		}
		limit, err := readLimit(w.tx, metaPurgeLimit, defaultPurgeLimit)
		if err != nil || at <= uint64(limit) {
			return err
		}
		return w.tx.DeleteRange(spacePurge, nil, seqKey(at-uint64(limit)+1))
	}
	if err := db.commits.submit(ctx, o); err != nil {
		return nil, 0, err
	}
	if refusal != nil {
		return nil, 0, refusal
	}
	return purged, purgeSeq, nil
}

// purgeDocument removes leaves from a document. If leaves remain, the document moves in the
// feed by as many sequences as it has leaves left, as in CouchDB.
func (w *writer) purgeDocument(id string, revs []revtree.Rev) (purged []revtree.Rev, err error) {
	d, err := w.load(id)
	if err != nil || !d.known {
		return nil, err
	}
	if d.death != nil {
		return w.purgeDead(id, &d, revs)
	}
	if err := w.count(id, &d.tree, -1); err != nil {
		return nil, err
	}
	for _, rev := range revs {
		removed, ok := d.tree.Purge(rev)
		if !ok {
			continue
		}
		purged = append(purged, rev)
		if err := w.dropBodies(removed); err != nil {
			return nil, err
		}
	}
	if err := w.count(id, &d.tree, 1); err != nil || len(purged) == 0 {
		return purged, err
	}
	if err := w.noteDesign(id, w.last+1); err != nil {
		return nil, err
	}
	if d.tree.Len() == 0 {
		w.moved(id, &d.rec, &d.tree, 0, w.last+1)
		if err := w.tx.Delete(spaceDoc, []byte(id)); err != nil {
			return nil, err
		}
		return purged, w.unlist(&d.rec)
	}
	seq := w.last + uint64(len(d.tree.Leaves()))
	w.moved(id, &d.rec, &d.tree, seq, seq)
	return purged, w.saveTree(id, &d.tree, &d.rec, seq)
}

// PurgedInfos reads the purges that are remembered, newest first. It calls fn inside a snapshot,
// and flush between snapshots, as AllDocs does. Purges that come meanwhile are left out.
func (db *DB) PurgedInfos(ctx context.Context, fn func(PurgeInfo) error, flush func() error) error {
	var to []byte
	for more := true; more; {
		err := db.view(ctx, func(r engine.Reader) error {
			more = false
			size := 0
			return r.Scan(spacePurge, engine.Range{To: to, Reverse: true}, func(k, v []byte) (bool, error) {
				p, err := parsePurge(k, v)
				if err == nil {
					err = fn(p)
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

// PurgesAfter reads the purges after a purge sequence, oldest first. It calls fn inside a
// snapshot.
func (db *DB) PurgesAfter(ctx context.Context, purgeSeq uint64, fn func(PurgeInfo) error) error {
	return db.view(ctx, func(r engine.Reader) error {
		return r.Scan(spacePurge, engine.Range{From: seqKey(purgeSeq + 1)}, func(k, v []byte) (bool, error) {
			p, err := parsePurge(k, v)
			if err != nil {
				return false, err
			}
			return true, fn(p)
		})
	})
}
