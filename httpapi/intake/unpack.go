package intake

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// ErrBomb says that a compressed body grows more than any honest one does.
var ErrBomb = errors.New("the body unpacks to an unreasonable size")

// JSON and text grow by a factor of 5 to 50 when decompressed; gzip's maximum is 1,030.
const (
	maxRatio  = 100
	ratioFrom = 8 << 20 // the ratio is checked from this many bytes on
)

// Unpacked decompresses a gzip stream, or returns ErrBomb. It must not be read after Close.
type Unpacked struct {
	z    *gzip.Reader
	from *counter
	out  int64
}

var unpackers sync.Pool

// Unpack reads the stream's header.
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

func (u *Unpacked) Close() {
	if u.z != nil {
		unpackers.Put(u.z)
		u.z = nil
	}
}

type counter struct {
	in io.Reader
	n  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}
