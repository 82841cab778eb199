package store

import (
	"encoding/binary"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/record"
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// bodyRef says where the body of a revision is and how large it is. It is the Data of the
// revision's node in the tree:
//
//	uvarint seq | uvarint n | uvarint size | uvarint stored | uvarint attached
//
// seq and n are the body's key, size is the length of the JSON object, and stored is the length
// of the record on disk. attached is the length of all attachments together. It is noted only in
// partitioned databases, whose sizes count attachments, and left out if it is 0.
type bodyRef struct {
	seq      uint64
	n        uint32
	size     int64
	stored   int64
	attached int64
}

func (r bodyRef) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, r.seq)
	b = binary.AppendUvarint(b, uint64(r.n))
	b = binary.AppendUvarint(b, uint64(r.size))
	b = binary.AppendUvarint(b, uint64(r.stored))
	if r.attached != 0 {
		b = binary.AppendUvarint(b, uint64(r.attached))
	}
	return b
}

// addTo adds the sizes of the leaf to totals (sign 1) or subtracts them (sign -1).
func (r *bodyRef) addTo(t *totals, sign int64) {
	t.external += sign * (r.size + r.attached)
	t.active += sign * (r.stored + r.attached)
}

func parseBodyRef(b []byte) (bodyRef, error) {
	r := record.Read(b)
	ref := bodyRef{seq: r.Uvarint(), n: uint32(r.Uvarint()), size: int64(r.Uvarint()), stored: int64(r.Uvarint())}
	if len(r.Rest) > 0 {
		ref.attached = int64(r.Uvarint())
	}
	if r.Bad || len(r.Rest) != 0 {
		return bodyRef{}, corrupt("body reference %x", b)
	}
	return ref, nil
}

// Flags of a doc record.
const (
	docDeleted = 1 << iota // the winner is a tombstone
	docInner               // a revision that is not a leaf still has its body: compaction may have work here
	docForked              // there is more than one leaf
	docTotals              // it is no document: see totalsFrom. It has docDeleted, so nobody counts it
)

// docRecord is the value of a document in the doc space:
//
//	version | flags | uvarint seq | winner: rev, bytes data | tree (revtree's encoding)
//
// where rev is uvarint generation, bytes id, and bytes is uvarint length, content. All that a
// range or a read of the winner needs stands before the tree, so the tree is decoded only where
// it is asked for.
type docRecord struct {
	flags  byte
	seq    uint64
	winner revtree.Rev
	id     []byte // of the winner, if it was skimmed; aliases the record
	data   []byte // bodyRef of the winner; aliases the record
	tree   []byte // aliases the record
}

func (d *docRecord) deleted() bool { return d.flags&docDeleted != 0 }

func (d *docRecord) appendTo(b []byte, tree *revtree.Tree) []byte {
	b = append(b, record.Version, d.flags)
	b = binary.AppendUvarint(b, d.seq)
	b = record.AppendRev(b, d.winner)
	b = record.AppendBytes(b, d.data)
	return tree.AppendBinary(b)
}

// dead reports whether the record was made up for a dead document (DB.record).
func (d *docRecord) dead() bool { return d.seq == 0 }

func parseDocRecord(v []byte) (docRecord, error) { return parseDoc(v, true) }

// skimDocRecord parses a record without copying the id of the winner.
func skimDocRecord(v []byte) (docRecord, error) { return parseDoc(v, false) }

func parseDoc(v []byte, winner bool) (docRecord, error) {
	r := record.Read(v)
	if r.Byte() != record.Version {
		return docRecord{}, corrupt("document record of unknown version")
	}
	if isTotals(v) {
		return docRecord{}, corrupt("totals in the place of a document")
	}
	d := docRecord{flags: r.Byte(), seq: r.Uvarint()}
	if winner {
		d.winner = r.Rev()
	} else {
		d.winner.Gen, d.id = r.Uvarint(), r.Bytes()
	}
	d.data, d.tree = r.Bytes(), r.Rest
	if r.Bad {
		return docRecord{}, corrupt("document record of %d bytes", len(v))
	}
	return d, nil
}

// totals are the running figures of a database, or of a partition. Every seq entry carries the
// database's; the newest entry has the present ones.
type totals struct {
	docs, deleted uint64 // documents whose winner lives, and documents whose winner is a tombstone
	external      int64  // bytes of the JSON of all leaves, and of attachments where they are counted
	active        int64  // bytes of the leaves' bodies as stored, and of these attachments
}

// add adds figures, which may be differences: a negative count is one that wraps around.
func (t *totals) add(d *totals) {
	t.docs += d.docs
	t.deleted += d.deleted
	t.external += d.external
	t.active += d.active
}

// since is what has been added to earlier figures.
func (t totals) since(before *totals) totals {
	return totals{t.docs - before.docs, t.deleted - before.deleted, t.external - before.external, t.active - before.active}
}

func readTotals(r *record.Reader) totals {
	return totals{docs: r.Uvarint(), deleted: r.Uvarint(), external: int64(r.Uvarint()), active: int64(r.Uvarint())}
}

// Flags of a seq entry.
const (
	seqMarker  = 1 << iota // no document: feeds skip it, the next write removes it
	seqDeleted             // the winner is a tombstone
)

// seqEntry is the value of a sequence in the seq space:
//
//	version | flags | totals: 4 uvarints | bytes docid | winner: rev, bytes data |
//	uvarint more | more times: byte deleted, rev
//
// The other leaves follow the winner in winner order. Where several processes write, the mark of the
// transaction comes last (ownMark).
type seqEntry struct {
	flags  byte
	totals totals
	id     []byte
	winner revtree.Rev
	data   []byte
	leaves []byte // encoded, and what comes after; read by others
}

func (e *seqEntry) marker() bool  { return e.flags&seqMarker != 0 }
func (e *seqEntry) deleted() bool { return e.flags&seqDeleted != 0 }

func appendTotals(b []byte, t totals) []byte {
	b = binary.AppendUvarint(b, t.docs)
	b = binary.AppendUvarint(b, t.deleted)
	b = binary.AppendUvarint(b, uint64(t.external))
	return binary.AppendUvarint(b, uint64(t.active))
}

func appendMarker(b []byte, t totals) []byte {
	b = append(b, record.Version, seqMarker)
	return appendTotals(b, t)
}

// appendSeqEntry writes the entry of a document, given its leaves in winner order.
func appendSeqEntry(b []byte, t totals, id string, leaves []revtree.Node) []byte {
	flags := byte(0)
	if leaves[0].Deleted {
		flags = seqDeleted
	}
	b = append(b, record.Version, flags)
	b = appendTotals(b, t)
	b = record.AppendBytes(b, id)
	b = record.AppendRev(b, leaves[0].Rev)
	b = record.AppendBytes(b, leaves[0].Data)
	b = binary.AppendUvarint(b, uint64(len(leaves)-1))
	for _, l := range leaves[1:] {
		deleted := byte(0)
		if l.Deleted {
			deleted = 1
		}
		b = record.AppendRev(append(b, deleted), l.Rev)
	}
	return b
}

func parseSeqEntry(v []byte) (seqEntry, error) { return parseSeq(v, true) }

// skimSeqEntry parses an entry but for the winner, whose id would be copied.
func skimSeqEntry(v []byte) (seqEntry, error) { return parseSeq(v, false) }

func parseSeq(v []byte, winner bool) (seqEntry, error) {
	r := record.Read(v)
	if r.Byte() != record.Version {
		return seqEntry{}, corrupt("sequence entry of unknown version")
	}
	e := seqEntry{flags: r.Byte()}
	e.totals = readTotals(&r)
	if !e.marker() {
		e.id = r.Bytes()
		if winner {
			e.winner = r.Rev()
		} else {
			r.SkipRev()
		}
		e.data = r.Bytes()
		e.leaves = r.Rest
	}
	if r.Bad {
		return seqEntry{}, corrupt("sequence entry of %d bytes", len(v))
	}
	return e, nil
}

// others returns the leaves other than the winner, in winner order.
func (e *seqEntry) others(dst []leaf) ([]leaf, error) {
	r := record.Read(e.leaves)
	for n := r.Uvarint(); n > 0 && !r.Bad; n-- {
		deleted := r.Byte() != 0
		dst = append(dst, leaf{rev: r.Rev(), deleted: deleted})
	}
	if r.Bad {
		return nil, corrupt("leaves of %q", e.id)
	}
	return dst, nil
}

// leaf is what a seq entry holds of a leaf.
type leaf struct {
	rev     revtree.Rev
	deleted bool
}
