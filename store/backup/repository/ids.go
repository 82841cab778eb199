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

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/record"
)

// A list of ids says which documents a segment captures, in the order of their ids, so that whoever
// looks for some of them needs not read the segment. Its object has the name of the segment, in a folder
// of its own:
//
//	blocks     captures and goings, by their ids; compressed, each by itself
//	the foot   which blocks make up a run, and the survivors; compressed
//	the end    where the foot begins, 8 bytes, and idsMagic
//
// A list is written while its segment is, in runs that fit into memory: a reader merges them. A backup
// does not name lists. One that is missing or damaged is made anew, and prune deletes those of segments that
// are not there.
const (
	ids      = "ids/"
	idsMagic = "tododb ids 1\n"
)

func idsName(segment string) string { return partName(ids, sum(segment)) }

const (
	idsRun   = 1 << 20  // bytes of a run that are in memory
	idsBlock = 16 << 10 // bytes of a block before compression
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

// appendTo appends what stands behind the id.
func (c *capture) appendTo(b []byte) []byte {
	flags := byte(0)
	if c.here {
		flags |= idsHere
	}
	if c.Deleted {
		flags |= idsDeleted
	}
	b = binary.AppendUvarint(append(b, flags), c.at)
	if !c.here {
		return b
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, c.seq), uint64(c.Revs))
	b = binary.AppendUvarint(b, uint64(len(c.Leaves)))
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
func appendSkimmed(b []byte, at, seq uint64, s *store.Skimmed) []byte {
	flags := byte(idsHere)
	if s.Deleted {
		flags |= idsDeleted
	}
	b = binary.AppendUvarint(append(b, flags), at)
	b = binary.AppendUvarint(binary.AppendUvarint(b, seq), uint64(s.Revisions))
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
	err error // a document cannot be read: there will be no list

	items     uint64
	bytes     int64 // of the segment, before compression
	own       bool  // the segment begins with the header of a stream, so that it can be read by itself
	runs      []idsRunFoot
	survivors []byte
	lists     uint64 // of survivors
	ended     []byte
}

// idsRoom is the memory in which a list is made.
type idsRoom struct {
	zip    *zstd.Encoder
	out    bytes.Buffer // the blocks of the runs that were written
	block  []byte
	packed []byte
	arena  []byte
	refs   []idsRef
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

// release gives the memory back. The list is not there any longer.
func (w *idsWriter) release() {
	if w.idsRoom != nil {
		idsRooms.Put(w.idsRoom)
		w.idsRoom, w.ended = nil, nil
	}
}

// idsRef is where an id stands in the arena, and behind it what the list says of it.
type idsRef struct{ from, id, to int }

func (w *idsWriter) id(r idsRef) []byte { return w.arena[r.from:r.id] }

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
	if item.Kind == backup.KindSurvivors {
		w.survivors = record.AppendBytes(binary.AppendUvarint(w.survivors, at), item.Payload)
		w.lists++
		return
	}
	w.room()
	from, id := len(w.arena), 0
	if d, s, ok := skimmed(item); ok {
		w.arena = append(w.arena, d.ID...)
		id = len(w.arena)
		w.arena = appendSkimmed(w.arena, at, d.Seq, &s)
	} else {
		c, ok, err := captureOf(item, at)
		if err != nil || !ok {
			w.err = err
			return
		}
		w.arena = append(w.arena, c.ID...)
		id = len(w.arena)
		w.arena = c.appendTo(w.arena)
	}
	w.refs = append(w.refs, idsRef{from, id, len(w.arena)})
	if len(w.arena) >= idsRun {
		w.flush()
	}
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
	byID := func(a, b idsRef) int { return bytes.Compare(w.id(a), w.id(b)) }
	if !slices.IsSortedFunc(w.refs, byID) {
		slices.SortStableFunc(w.refs, byID)
	}
	run := idsRunFoot{from: []uint64{uint64(w.out.Len())}}
	w.block = w.block[:0]
	for i, r := range w.refs {
		if len(w.block) == 0 {
			run.first = append(run.first, string(w.id(r)))
		}
		w.block = record.AppendBytes(record.AppendBytes(w.block, w.id(r)), w.arena[r.id:r.to])
		if len(w.block) < idsBlock && i < len(w.refs)-1 {
			continue
		}
		w.put(w.block)
		w.block = w.block[:0]
		run.from = append(run.from, uint64(w.out.Len()))
	}
	w.runs = append(w.runs, run)
	w.arena, w.refs = w.arena[:0], w.refs[:0]
}

// put writes bytes, compressed.
func (w *idsWriter) put(b []byte) {
	if w.zip == nil {
		w.zip, w.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(idsBlock), zstd.WithLowerEncoderMem(true),
			zstd.WithNoEntropyCompression(true)) // most bytes are of revisions, and random
		if w.err != nil {
			return
		}
	}
	w.packed = w.zip.EncodeAll(b, w.packed[:0])
	w.out.Write(w.packed)
}

// needed tells whether the segment is to have a list.
func (w *idsWriter) needed() bool { return w.err == nil && (!w.own || w.bytes >= idsWorth) }

// list ends the list and returns it. Without one there is an error.
func (w *idsWriter) list() ([]byte, error) {
	if w.ended != nil {
		return w.ended, w.err
	}
	w.room()
	w.flush()
	b := binary.AppendUvarint(nil, uint64(len(w.runs)))
	for _, run := range w.runs {
		b = binary.AppendUvarint(b, uint64(len(run.first)))
		for i, first := range run.first {
			b = binary.AppendUvarint(record.AppendBytes(b, first), run.from[i+1]-run.from[i])
		}
	}
	b = append(binary.AppendUvarint(b, w.lists), w.survivors...)
	foot := w.out.Len()
	w.put(b)
	w.out.Write(append(binary.BigEndian.AppendUint64(nil, uint64(foot)), idsMagic...))
	w.ended = w.out.Bytes()
	return w.ended, w.err
}

// stageIDs has the list of a segment written into a staged file; nil: it needs none.
func (r *Repository) stageIDs(w *idsWriter, segment string) (*os.File, error) {
	if !w.needed() {
		return nil, nil
	}
	list, err := w.list()
	if err != nil {
		return nil, nil //nolint:nilerr // whoever needs the list makes it, and meets the error
	}
	s, err := r.seal(nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.Write(list); err != nil {
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
