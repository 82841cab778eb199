package store

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// Attachments are kept in the att space under three kinds of keys:
//
//	'c' | location (16) | chunk number (4)  up to 64 KiB of the bytes
//	's' | location (16)                     staged: nothing refers to the location yet
//	'd' | digest (16)                       the one copy of these bytes: where it is, and
//	                                        how many revisions refer to it
//
// Bytes arrive before their digest is known, so that chunks go by a location that is
// drawn at random; the transaction that writes the document links the digest to it. A
// location or digest that nothing refers to is removed by the sweeper alone, after a
// time of grace, so that no write that counts on it finds it gone.
const (
	attChunk  = 'c'
	attStaged = 's'
	attDigest = 'd'
)

const chunkSize = 64 << 10

// ChunkSize is how many bytes a chunk of an attachment holds at most.
const ChunkSize = chunkSize

type location [16]byte

func chunkKey(at location, n uint32) []byte {
	return binary.BigEndian.AppendUint32(append([]byte{attChunk}, at[:]...), n)
}

func stagedKey(at location) []byte { return append([]byte{attStaged}, at[:]...) }

func digestKey(d Digest) []byte { return append([]byte{attDigest}, d[:]...) }

// Staged is an attachment whose bytes are here for a document to refer to: stored, or,
// if they fit in one chunk, in memory until the document is written.
type Staged struct {
	Digest Digest
	Length int64
	at     location
	chunk  []byte // the only one, as it is stored; nil: they are all stored
	parts  bool   // they were stored one part after another
}

// ErrAttachmentTooLarge says that an attachment has more bytes than are allowed.
var ErrAttachmentTooLarge = errors.New("attachment is too large")

// errRead marks an error of the reader that an attachment came from.
type errRead struct{ err error }

func (e errRead) Error() string { return "read attachment: " + e.err.Error() }
func (e errRead) Unwrap() error { return e.err }

// StageOptions say how bytes are staged.
type StageOptions struct {
	Limit int64 // how many there may be; 0: any number
	// Store has bytes stored that fit in one chunk. Otherwise they wait in memory, so that
	// small attachments cost no commit of their own.
	Store bool
	// Bounded says that something else bounds how many of these there are at a time, so that
	// it needs no share of the memory for uploads.
	Bounded bool
}

// InMemory is how many bytes of an attachment wait in memory.
func (st *Staged) InMemory() int { return len(st.chunk) }

// StageAttachment stores the bytes of r, in constant memory, without anything
// referring to them: ErrAttachmentTooLarge, ErrUploadsBusy, ErrNoRoom. What no document refers to within a day is
// removed.
func (db *DB) StageAttachment(ctx context.Context, r io.Reader, opt StageOptions) (Staged, error) {
	if db.noRoom() {
		return Staged{}, ErrNoRoom
	}
	st := Staged{}
	rand.Read(st.at[:])
	s := stager{db: db, r: r, opt: opt, st: &st}
	err := s.run(ctx)
	if err != nil && s.stored {
		// The sweeper would find it: this only makes room sooner.
		err = errors.Join(err, db.unstage(context.WithoutCancel(ctx), st.at))
	}
	if err != nil {
		return Staged{}, err
	}
	return st, nil
}

// stager reads and stores one attachment.
type stager struct {
	db   *DB
	r    io.Reader
	opt  StageOptions
	st   *Staged
	pack packer

	stored bool // some of it is
}

func (s *stager) run(ctx context.Context) error {
	hash := md5.New()
	buffer := uploadBuffer{memory: s.db.store.uploads, bounded: s.opt.Bounded}
	defer buffer.release()
	chunks := uint32(0)
	for more, first := true, true; more; first = false {
		var n int
		var err error
		if n, more, err = buffer.fill(ctx, s.r); err != nil {
			return err
		}
		buf := buffer.b
		s.st.Length += int64(n)
		if s.opt.Limit > 0 && s.st.Length > s.opt.Limit {
			return ErrAttachmentTooLarge
		}
		hash.Write(buf[:n])
		if first && !more && n <= chunkSize && !s.opt.Store {
			s.st.chunk = s.pack.pack(buf[:n])
			break
		}
		s.stored, s.st.parts = true, !first
		err = s.db.stage(ctx, s.st.at, s.chunks(buf[:n], &chunks))
		if err != nil {
			return err
		}
	}
	hash.Sum(s.st.Digest[:0])
	return nil
}

// chunks gives the entries of some of the bytes; n counts the chunks of them all.
func (s *stager) chunks(b []byte, n *uint32) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		if !yield(stagedKey(s.st.at), stagedAt(s.db.store.opt.Clock())) {
			return
		}
		for len(b) > 0 {
			part := b[:min(chunkSize, len(b))]
			b = b[len(part):]
			if !yield(chunkKey(s.st.at, *n), s.pack.pack(part)) {
				return
			}
			*n++
		}
	}
}

func stagedAt(now time.Time) []byte {
	return binary.AppendVarint([]byte{record.Version}, now.Unix())
}

func (db *DB) stage(ctx context.Context, at location, kvs iter.Seq2[[]byte, []byte]) error {
	select {
	case <-db.gone:
		return db.stopErr
	default:
	}
	db.store.waiting.Add(1)
	defer db.store.noteWrite()
	if err := db.edb.Stage(ctx, spaceAtt, kvs); err != nil {
		return fmt.Errorf("store attachment: %w", db.failed(err))
	}
	return nil
}

// unstage removes a location that nothing refers to.
func (db *DB) unstage(ctx context.Context, at location) error {
	return db.commits.submit(ctx, &op{bytes: chunkSize, apply: func(w *writer) error {
		return w.removeStaged(at)
	}})
}

func (w *writer) removeStaged(at location) error {
	v, err := w.tx.Get(spaceAtt, stagedKey(at))
	if err != nil || v == nil {
		return err // linked, or gone
	}
	if err := w.tx.Delete(spaceAtt, stagedKey(at)); err != nil {
		return err
	}
	return w.removeChunks(at)
}

func (w *writer) removeChunks(at location) error { return removeChunks(w.tx, at) }

func removeChunks(tx engine.Tx, at location) error {
	return tx.DeleteRange(spaceAtt, chunkKey(at, 0), append(chunkKey(at, ^uint32(0)), 0))
}

// A chunk's value is version | flags | bytes, or their zstd frame.
const chunkZstd = 1

// PlainChunk is what stands before the bytes of a chunk that is not compressed.
const PlainChunk = "\x01\x00"

// packer compresses chunks for as long as it pays.
type packer struct {
	tries, gave int // chunks tried, and those that became smaller
}

// zstd's encoder and decoder may be used from many goroutines at once.
var (
	zstdEncoder, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	zstdDecoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(1<<20))
)

// pack makes the value of a chunk. After two chunks that did not become smaller the
// rest is stored as it is: what is compressed already stays so to its end.
func (p *packer) pack(b []byte) []byte {
	v := make([]byte, 2, 2+len(b))
	v[0] = record.Version
	if p.tries < 2 || p.gave > 0 {
		p.tries++
		packed := zstdEncoder.EncodeAll(b, v)
		if len(packed) < len(b)-len(b)/8 {
			p.gave++
			packed[1] = chunkZstd
			return packed
		}
		v = v[:2]
	}
	return append(v, b...)
}

// appendChunk appends the bytes of a chunk given its value.
func appendChunk(dst, v []byte) ([]byte, error) {
	if len(v) < 2 || v[0] != record.Version {
		return dst, corrupt("chunk of unknown version")
	}
	if v[1]&chunkZstd == 0 {
		return append(dst, v[2:]...), nil
	}
	out, err := zstdDecoder.DecodeAll(v[2:], dst)
	if err != nil {
		return dst, corrupt("compressed chunk: %v", err)
	}
	return out, nil
}
