package intake

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// ErrBomb says that a compressed body unpacks to far more than it is, as a bomb does.
var ErrBomb = errors.New("the body unpacks to an unreasonable size")

// JSON and text grow by a factor of 5 to 50 when they are unpacked; gzip's maximum is 1,030. The
// size itself is the caller's to limit. This keeps short requests from filling the disk with it.
const (
	maxRatio  = 100
	ratioFrom = 8 << 20 // bytes of what is unpacked, from which on the ratio counts
)

// Unpacked is a gzip stream, unpacked. Reading it may return ErrBomb.
type Unpacked struct {
	z    *gzip.Reader // nil: it is closed
	from *counter
	out  int64 // bytes so far
}

var unpackers sync.Pool // of *gzip.Reader, whose tables are large

// Unpack begins to unpack a gzip stream: it reads its head.
func Unpack(in io.Reader) (*Unpacked, error) {
	z, _ := unpackers.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	u := &Unpacked{z: z, from: &counter{in: in}}
	if err := z.Reset(u.from); err != nil {
		unpackers.Put(z)
		return nil, err
	}
	return u, nil
}

func (u *Unpacked) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	u.out += int64(n)
	if u.out > ratioFrom && u.out/maxRatio > u.from.n {
		return n, ErrBomb
	}
	return n, err
}

// Close gives back what unpacking needs. There is nothing to be read after it.
func (u *Unpacked) Close() {
	if u.z != nil {
		unpackers.Put(u.z)
		u.z = nil
	}
}

// counter counts what is read through it.
type counter struct {
	in io.Reader
	n  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}
