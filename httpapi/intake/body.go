package intake

import (
	"errors"
	"io"
	"sync"
)

// inMemory is the longest body that is kept in memory.
const inMemory = 1 << 20

// ErrTooLarge says that a body has more bytes than are allowed.
var ErrTooLarge = errors.New("the body is too large")

// Body is a request's body, or a part of one, that has been read to its end.
type Body struct {
	bytes []byte
	file  *File // nil: it is in memory
	share Share
}

// Bytes are the body's; they are good until Close.
func (b *Body) Bytes() []byte { return b.bytes }

// Mapped tells that the bytes are those of a file.
func (b *Body) Mapped() bool { return b.file != nil }

// Close lets go of the body.
func (b *Body) Close() error {
	b.share.Release()
	b.bytes = nil
	if b.file == nil {
		return nil
	}
	file := b.file
	b.file = nil
	return file.Close()
}

// Reading is how a body is to be read.
type Reading struct {
	Budget *Budget
	Spool  *Spool
	// Ahead is how long the body says it is; 0 or less: it does not say.
	Ahead int64
	// Limit is how many bytes it may have: ErrTooLarge.
	Limit int64
	// Watch, if not nil, sees the bytes of a long body as they come, and ends it by an
	// error.
	Watch func(p []byte) error
}

// Read reads a body to its end: ErrTooLarge, ErrNoRoom, or what in or Watch say.
func Read(in io.Reader, how Reading) (*Body, error) {
	b := &Body{}
	room := min(max(how.Ahead, 0), inMemory)
	if how.Ahead > inMemory || !how.Budget.more(&b.share, room) {
		return b.spill(in, &how, nil)
	}
	buf := make([]byte, 0, room+512)
	for {
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > how.Limit:
			b.share.Release()
			return nil, ErrTooLarge
		case err == io.EOF:
			b.bytes = buf
			return b, nil
		case err != nil:
			b.share.Release()
			return nil, err
		}
		if len(buf) < cap(buf) {
			continue
		}
		if cap(buf) > inMemory || !how.Budget.more(&b.share, int64(cap(buf))) {
			return b.spill(in, &how, buf)
		}
		buf = append(make([]byte, 0, 2*cap(buf)), buf...)
	}
}

var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// spill reads the rest of a body into a file, behind what has been read.
func (b *Body) spill(in io.Reader, how *Reading, read []byte) (*Body, error) {
	file, err := how.Spool.Create()
	if err != nil {
		b.share.Release()
		return nil, err
	}
	b.file = file
	add := func(p []byte) error {
		if file.Size()+int64(len(p)) > how.Limit {
			return ErrTooLarge
		}
		if how.Watch != nil {
			if err := how.Watch(p); err != nil {
				return err
			}
		}
		_, err := file.Write(p)
		return err
	}
	err = add(read)
	b.share.Release() // what comes may be long in coming
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	for err == nil {
		var n int
		n, err = in.Read(buf[:])
		if failed := add(buf[:n]); failed != nil {
			err = failed
		}
	}
	if err == io.EOF {
		if b.bytes, err = file.Bytes(); err == nil {
			return b, nil
		}
	}
	return nil, errors.Join(err, b.Close())
}
