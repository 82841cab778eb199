package repository

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store/backup"
)

// A segment has items of a stream, compressed: a line, and then frames, each of which is
//
//	method (1) | uvarint plain bytes | uvarint stored bytes | stored bytes
//
// Repositories of format 1 have segments that are one stream of zstd instead, without the line.
const segmentMagic = "tododb segment 2\n"

// The methods of frames.
const (
	byZstd = 'z' // a frame of zstd
	byS2   = 's' // a block of S2
)

// segment writes a segment.
type segment struct {
	sealed *sealed
	frames *relay
	haste  *haste // nil: there is time
	*packing
	size int64 // bytes before compression
	ids  idsWriter
}

// packing is what compressing needs.
type packing struct {
	zip    *zstd.Encoder
	packed []byte
}

// packings are those that are in nobody's use.
var packings = sync.Pool{New: func() any {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(relaySize), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are wrong
	}
	return &packing{zip: z}
}}

// newSegment begins a segment. Without haste all of it is zstd, whoever has to wait for that.
func (r *Repository) newSegment(h *haste) (*segment, error) {
	s, err := r.seal(nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.Write([]byte(segmentMagic)); err != nil {
		return nil, errors.Join(err, s.drop())
	}
	w := &segment{sealed: s, haste: h, packing: packings.Get().(*packing), ids: idsWriter{repo: r}}
	w.frames = newRelay(w.frame)
	return w, nil
}

func (s *segment) Write(b []byte) (int, error) {
	s.size += int64(len(b))
	s.ids.bytes = s.size
	return s.frames.Write(b)
}

// wrote is to be told of each item that was written.
func (s *segment) wrote(item *backup.Item) { s.ids.add(item) }

// frame compresses a frame.
func (s *segment) frame(plain []byte) error {
	var head [1 + 2*binary.MaxVarintLen64]byte
	head[0] = byZstd
	if s.haste.pressed() {
		head[0] = byS2
		s.packed = s2.Encode(s.packed[:cap(s.packed)], plain)
	} else {
		s.packed = s.zip.EncodeAll(plain, s.packed[:0])
		s.haste.learn(s.frames.waiting())
	}
	n := 1 + binary.PutUvarint(head[1:], uint64(len(plain)))
	n += binary.PutUvarint(head[n:], uint64(len(s.packed)))
	if _, err := s.sealed.Write(head[:n]); err != nil {
		return err
	}
	_, err := s.sealed.Write(s.packed)
	return err
}

// end ends the frames.
func (s *segment) end(whole bool) error {
	err := s.frames.end(whole)
	if s.packing != nil {
		packings.Put(s.packing)
		s.packing = nil
	}
	return err
}

func segmentName(sum string) string { return partName(segments, sum) }

func (s *segment) keep(ctx context.Context) (Part, error) {
	defer s.ids.release()
	if err := s.end(true); err != nil {
		return Part{}, errors.Join(err, s.sealed.drop())
	}
	p, err := s.sealed.keep(ctx, segmentName)
	if err != nil {
		return Part{}, err
	}
	return p, s.sealed.repo.keepIDs(ctx, &s.ids, p.Name)
}

func (s *segment) pass(ctx context.Context, to *keeping) (Part, error) {
	defer s.ids.release()
	if err := s.end(true); err != nil {
		return Part{}, errors.Join(err, s.sealed.drop())
	}
	p, err := s.sealed.pass(ctx, to, segmentName)
	if err != nil {
		return Part{}, err
	}
	list, err := s.sealed.repo.stageIDs(&s.ids, p.Name)
	if err != nil {
		to.fail(err)
		return Part{}, err
	}
	if list != nil {
		err = to.add(ctx, list, idsName(p.Name))
	}
	return p, err
}

func (s *segment) drop() error {
	_ = s.end(false) // the file goes anyway
	s.ids.release()
	return s.sealed.drop()
}

// haste chooses how a run compresses. zstd makes little of much, at a third of the speed at which a
// server on the same machine gives documents; S2 keeps up with it, and makes half as much again. So
// zstd is taken wherever nobody waits for it: because a network, a disk or the server takes as long.
type haste struct {
	left   int // frames to go until zstd is tried again
	missed int // times that somebody had to wait for zstd, since nobody had
}

// patience is the most frames, as a power of two, after which zstd is tried again.
const patience = 8

// pressed tells whether the next frame is to be S2.
func (h *haste) pressed() bool {
	if h == nil || h.left == 0 {
		return false
	}
	h.left--
	return true
}

// learn is told whether the frame behind one of zstd had to wait.
func (h *haste) learn(waited bool) {
	switch {
	case h == nil:
	case waited:
		h.missed = min(h.missed+2, patience)
		h.left = 1 << h.missed
	default:
		h.missed = 0
	}
}
