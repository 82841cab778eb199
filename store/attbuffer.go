package store

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrUploadsBusy says that other uploads use up the memory for those that are slow in coming.
var ErrUploadsBusy = errors.New("other uploads take all the memory for uploads")

// Sizes of an upload's buffer. It begins so small that as many of them as there are
// connections do no harm, and grows when it is full. A multiple of chunkSize is written in
// one transaction.
const (
	firstBuffer = 8 << 10
	largeBuffer = 16 * chunkSize
)

// uploadMemory is what the buffers of uploads share that have outgrown the first size. An
// upload may take as long as its client likes: who finds no room waits, but not for ever.
type uploadMemory struct {
	room *semaphore.Weighted // in bytes, for buffers of one chunk
	wait time.Duration
	// Uploads that have a large buffer. Those beyond go on with one of a chunk.
	large chan struct{}
}

func newUploadMemory(bytes int64, wait time.Duration) *uploadMemory {
	return &uploadMemory{semaphore.NewWeighted(max(bytes, chunkSize)), wait, make(chan struct{}, 16)}
}

var (
	firstBuffers = sync.Pool{New: func() any { return new([firstBuffer]byte) }}
	chunkBuffers = sync.Pool{New: func() any { return new([chunkSize]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// uploadBuffer is the buffer of one upload.
type uploadBuffer struct {
	memory  *uploadMemory
	bounded bool   // it needs no share
	b       []byte // nil before the first fill
	free    func() // gives b back
}

func (u *uploadBuffer) release() {
	if u.free != nil {
		u.free()
	}
	u.b, u.free = nil, nil
}

// replace takes a buffer in place of the present one, of whose bytes n are kept.
func (u *uploadBuffer) replace(b []byte, n int, free func()) {
	copy(b, u.b[:n])
	u.release()
	u.b, u.free = b, free
}

// grow makes room behind what fills the buffer; false: it stays as it is.
// Errors: ErrUploadsBusy, and what ended the context.
func (u *uploadBuffer) grow(ctx context.Context) (bool, error) {
	n := len(u.b)
	switch n {
	case 0:
		first := firstBuffers.Get().(*[firstBuffer]byte)
		u.replace(first[:], 0, func() { firstBuffers.Put(first) })
		return true, nil
	case largeBuffer:
		return false, nil
	case firstBuffer:
		if !u.bounded {
			if err := u.memory.take(ctx); err != nil {
				return false, err
			}
		}
		chunk := chunkBuffers.Get().(*[chunkSize]byte)
		u.replace(chunk[:], n, func() {
			chunkBuffers.Put(chunk)
			if !u.bounded {
				u.memory.room.Release(chunkSize)
			}
		})
		return true, nil
	}
	select {
	case u.memory.large <- struct{}{}:
		large := largeBuffers.Get().(*[largeBuffer]byte)
		u.replace(large[:], n, func() { largeBuffers.Put(large); <-u.memory.large })
		return true, nil
	default:
		return false, nil
	}
}

// take waits until there is memory for a chunk.
func (m *uploadMemory) take(ctx context.Context) error {
	if m.room.TryAcquire(chunkSize) {
		return nil
	}
	ctx, stop := context.WithTimeoutCause(ctx, m.wait, ErrUploadsBusy)
	defer stop()
	if err := m.room.Acquire(ctx, chunkSize); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// fill reads until the buffer is full and does not grow, or the reader is at its end: more
// is false then. An error of the reader is an errRead.
func (u *uploadBuffer) fill(ctx context.Context, r io.Reader) (n int, more bool, err error) {
	for nothing := 0; ; {
		if n == len(u.b) {
			grown, err := u.grow(ctx)
			if err != nil || !grown {
				return n, true, err
			}
		}
		m, err := r.Read(u.b[n:])
		n += m
		if nothing++; m > 0 {
			nothing = 0
		}
		switch {
		case err == io.EOF:
			return n, false, nil
		case err != nil:
			return n, false, errRead{err}
		case nothing == 100:
			return n, false, errRead{io.ErrNoProgress}
		}
	}
}
