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

// Bytes returns the body's bytes. They are valid until Close.
func (b *Body) Bytes() []byte { return b.bytes }

// Mapped tells whether the bytes are in a file.
func (b *Body) Mapped() bool { return b.file != nil }

// Close releases the body.
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

// Reading says how to read a body.
type Reading struct {
	Budget *Budget
	Spool  *Spool
	// Ahead is the announced length of the body; 0 or less: it is unknown.
	Ahead int64
	// Limit is how many bytes it may have. A longer one is ErrTooLarge.
	Limit int64
	// Watch, if not nil, sees the bytes of a long body as they arrive. Its error ends the
	// reading.
	Watch func(p []byte) error
}

// leastRead is how much memory a body of unknown length begins with.
const leastRead = 512

// Read reads a body to its end. The error is ErrTooLarge, ErrNoRoom, or the error of in or
// Watch.
func Read(in io.Reader, how Reading) (*Body, error) {
	b := &Body{}
	room := min(max(how.Ahead, 0), inMemory)
	if how.Ahead > inMemory || !how.Budget.more(&b.share, room) {
		return b.spill(in, &how, nil)
	}
	buf := make([]byte, 0, max(room+1, leastRead)) // with room to see that it has ended
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

// spill writes what has been read to a file, and then the rest of the body.
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
	b.share.Release() // the rest may take a long time to arrive
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
