package repository

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/record"
)

// A list of ids says which documents a segment captures, in the order of their ids, so that whoever
// looks for some of them needs not read the segment. Its object has the name of the segment, in a folder
// of its own:
//
//	blocks     captures and goings, by their ids
//	the foot   which blocks make up a run, and the survivors
//	the end    where the foot begins, 8 bytes, and idsMagic
//
// In a block an id begins with so many bytes of the one before, and numbers are told by how much they
// differ from those before. Nothing else is compressed: most bytes are of revisions, and random.
//
// A list is written while its segment is, in runs that fit into memory: a reader merges them. A backup
// does not name lists. One that is missing, damaged or of an earlier form is made anew, and prune deletes
// those of segments that are not there.
const (
	ids      = "ids/"
	idsMagic = "tododb ids 2\n"
)

func idsName(segment string) string { return partName(ids, sum(segment)) }

const (
	idsRun   = 1 << 20  // bytes of a run that are in memory
	idsBlock = 16 << 10 // bytes of a block
	// idsWorth is how large a segment is, before compression, whose ids are listed. A smaller one is read
	// itself, if it is not the middle of a stream.
	idsWorth = 256 << 10
)

// Flags of what a list says of an id.
const (
	idsHere    = 1 << iota // a capture; else the document went
	idsDeleted             // the winner is a tombstone
)

// capture is what a list says of a document.
type capture struct {
	Listed
	here bool
	at   uint64 // the place of the item in the segment
	seq  uint64
}

// flags are the capture's.
func (c *capture) flags() (flags byte) {
	if c.here {
		flags |= idsHere
	}
	if c.Deleted {
		flags |= idsDeleted
	}
	return flags
}

// appendTo appends what stands behind the id and the numbers of a document that is here.
func (c *capture) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.Revs)), uint64(len(c.Leaves)))
	for _, l := range c.Leaves {
		b = appendLeaf(b, l.Gen, l.ID, l.Deleted)
	}
	return b
}

func appendLeaf[T string | []byte](b []byte, gen uint64, id T, deleted bool) []byte {
	b = record.AppendBytes(binary.AppendUvarint(b, gen), id)
	if deleted {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendSkimmed appends the same for a document with one leaf, from its record: most are such, and a
// backup has many.
func appendSkimmed(b []byte, s *store.Skimmed) []byte {
	b = binary.AppendUvarint(b, uint64(s.Revisions))
	return appendLeaf(append(b, 1), s.Gen, s.ID, s.Deleted)
}

// captureOf reads what an item says of a document; ok is false if it says nothing.
func captureOf(item *backup.Item, at uint64) (c capture, ok bool, err error) {
	switch item.Kind {
	case backup.KindGone:
		return capture{Listed: Listed{ID: string(item.Payload)}, at: at}, true, nil
	case backup.KindDocument:
		d, err := item.Document()
		if err != nil {
			return c, false, err
		}
		rec, err := store.ParseCaptured(d.Record)
		if err != nil {
			return c, false, fmt.Errorf("document %q: %w", d.ID, err)
		}
		c = capture{here: true, at: at, seq: d.Seq}
		c.Listed = Listed{ID: string(d.ID), Deleted: rec.Deleted, Leaves: rec.Tree.Leaves(), Revs: rec.Tree.Len()}
		for i := range c.Leaves {
			c.Leaves[i].Data = nil // of the item, which the next one overwrites
		}
		return c, true, nil
	}
	return c, false, nil
}

// idsRunFoot is where the blocks of a run are.
type idsRunFoot struct {
	first []string // the id that each block begins with
	from  []uint64 // where it begins, and at the end where the last one ends
}

// idsWriter makes the list of a segment.
type idsWriter struct {
	*idsRoom
	repo *Repository // that stores the list: runs go to a staged file when they are ready; nil: to memory
	to   *sealed     // this file, nil: there is none yet
	err  error       // a document cannot be read, or a run not be written: there will be no list

	items     uint64
	bytes     int64 // of the segment, before compression
	own       bool  // the segment begins with the header of a stream, so that it can be read by itself
	size      uint64
	runs      []idsRunFoot
	survivors []byte
	lists     uint64 // of survivors
	ended     bool
}

// idsRoom is the memory in which a list is made.
type idsRoom struct {
	out   bytes.Buffer // what was written last
	block []byte
	arena []byte
	refs  []idsRef
}

// idsRooms are those that are in nobody's use.
var idsRooms = sync.Pool{New: func() any { return &idsRoom{} }}

// room takes one, if there is none.
func (w *idsWriter) room() {
	if w.idsRoom == nil {
		w.idsRoom = idsRooms.Get().(*idsRoom)
		w.out.Reset()
		w.arena, w.refs = w.arena[:0], w.refs[:0]
	}
}

// release gives the memory back. The list is not there any longer, unless it was staged.
func (w *idsWriter) release() {
	if w.to != nil {
		_ = w.to.drop() // nothing names it
		w.to = nil
	}
	if w.idsRoom != nil {
		idsRooms.Put(w.idsRoom)
		w.idsRoom = nil
	}
}

// idsRef is where an id stands in the arena, and behind it what else the list says of it, apart from
// flags and numbers.
type idsRef struct {
	from, id, to uint32
	flags        byte
	at, seq      uint64
}

func (w *idsWriter) id(r *idsRef) []byte { return w.arena[r.from:r.id] }

// add takes an item of the segment in.
func (w *idsWriter) add(item *backup.Item) {
	if w.err != nil {
		return
	}
	if w.items == 0 {
		w.own = item.Kind == backup.KindHeader
	}
	at := w.items
	w.items++
	switch item.Kind {
	case backup.KindSurvivors:
		w.survivors = record.AppendBytes(binary.AppendUvarint(w.survivors, at), item.Payload)
		w.lists++
		return
	case backup.KindGone, backup.KindDocument:
		w.room()
	default:
		return
	}
	r := idsRef{from: uint32(len(w.arena)), at: at, flags: idsHere}
	if d, s, ok := skimmed(item); ok {
		if s.Deleted {
			r.flags |= idsDeleted
		}
		r.seq = d.Seq
		w.arena = append(w.arena, d.ID...)
		r.id = uint32(len(w.arena))
		w.arena = appendSkimmed(w.arena, &s)
	} else {
		c, ok, err := captureOf(item, at)
		if err != nil || !ok {
			w.err = err
			return
		}
		r.flags, r.seq = c.flags(), c.seq
		w.arena = append(w.arena, c.ID...)
		r.id = uint32(len(w.arena))
		if c.here {
			w.arena = c.appendTo(w.arena)
		}
	}
	r.to = uint32(len(w.arena))
	w.refs = append(w.refs, r)
	if len(w.arena) >= idsRun {
		w.flush()
		w.spill()
	}
}

// spill writes what is in memory to the file, if there is to be one.
func (w *idsWriter) spill() {
	if w.repo == nil || w.err != nil {
		return
	}
	if w.to == nil {
		if w.to, w.err = w.repo.seal(nil); w.err != nil {
			return
		}
	}
	_, w.err = w.to.Write(w.out.Bytes())
	w.out.Reset()
}

// skimmed reads a document with one leaf; ok is false if the item is none, or not to be read.
func skimmed(item *backup.Item) (d backup.Document, s store.Skimmed, ok bool) {
	if item.Kind != backup.KindDocument {
		return d, s, false
	}
	d, err := item.Document()
	if err == nil {
		s, ok, err = store.SkimCaptured(d.Record)
	}
	return d, s, ok && err == nil
}

// flush writes a run.
func (w *idsWriter) flush() {
	if len(w.refs) == 0 || w.err != nil {
		return
	}
	byID := func(a, b idsRef) int { return bytes.Compare(w.id(&a), w.id(&b)) }
	if !slices.IsSortedFunc(w.refs, byID) {
		slices.SortStableFunc(w.refs, byID)
	}
	run := idsRunFoot{from: []uint64{w.size}}
	b := w.block[:0]
	var before idsRef // in the block
	var seq uint64    // of the last document of the block that was here
	for i := range w.refs {
		r := &w.refs[i]
		id := w.id(r)
		if len(b) == 0 {
			run.first = append(run.first, string(id))
			before, seq = idsRef{}, 0
		}
		same := sameBytes(w.id(&before), id)
		b = record.AppendBytes(binary.AppendUvarint(b, uint64(same)), id[same:])
		b = binary.AppendVarint(append(b, r.flags), int64(r.at-before.at))
		if r.flags&idsHere != 0 {
			b = append(binary.AppendVarint(b, int64(r.seq-seq)), w.arena[r.id:r.to]...)
			seq = r.seq
		}
		before = *r
		if len(b) >= idsBlock || i == len(w.refs)-1 {
			w.put(b)
			b = b[:0]
			run.from = append(run.from, w.size)
		}
	}
	w.block = b
	w.runs = append(w.runs, run)
	w.arena, w.refs = w.arena[:0], w.refs[:0]
}

// sameBytes is how many bytes two ids have in common at their beginning.
func sameBytes(a, b []byte) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// needed tells whether the segment is to have a list.
func (w *idsWriter) needed() bool { return w.err == nil && (!w.own || w.bytes >= idsWorth) }

func (w *idsWriter) put(b []byte) {
	w.out.Write(b)
	w.size += uint64(len(b))
}

// end ends the list.
func (w *idsWriter) end() error {
	if w.ended {
		return w.err
	}
	w.ended = true
	w.room()
	w.flush()
	foot := w.size
	b := binary.AppendUvarint(nil, uint64(len(w.runs)))
	for _, run := range w.runs {
		b = binary.AppendUvarint(b, uint64(len(run.first)))
		for i, first := range run.first {
			b = binary.AppendUvarint(record.AppendBytes(b, first), run.from[i+1]-run.from[i])
		}
	}
	b = append(binary.AppendUvarint(b, w.lists), w.survivors...)
	w.put(append(binary.BigEndian.AppendUint64(b, foot), idsMagic...))
	return w.err
}

// stageIDs has the list of a segment in a staged file; nil: it needs none.
func (r *Repository) stageIDs(w *idsWriter, segment string) (*os.File, error) {
	if !w.needed() || w.end() != nil {
		return nil, nil // whoever needs the list makes it, and meets the error
	}
	s := w.to
	w.to = nil
	if s == nil {
		var err error
		if s, err = r.seal(nil); err != nil {
			return nil, err
		}
	}
	if _, err := s.Write(w.out.Bytes()); err != nil {
		return nil, errors.Join(err, s.drop())
	}
	if _, err := s.end(func(string) string { return idsName(segment) }); err != nil {
		return nil, err
	}
	return s.file, nil
}

// keepIDs stores the list of a segment.
func (r *Repository) keepIDs(ctx context.Context, w *idsWriter, segment string) error {
	f, err := r.stageIDs(w, segment)
	if err != nil || f == nil {
		return err
	}
	return r.storage.Keep(ctx, f, idsName(segment))
}
