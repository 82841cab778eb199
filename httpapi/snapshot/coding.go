package snapshot

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// coding is how the bytes of a file are compressed. A file is made of parts, and a client can be
// sent any number of them from the first one on, followed by an end.
type coding struct {
	name   string // as in Content-Encoding; "": not compressed
	suffix string // of the file's name
	media  string // the type of such a file
	head   []byte // what the file begins with
	parts  func(io.Writer) (parts, error)
	end    func(c *cut) []byte // what follows the parts up to a cut
}

// parts compresses one part after another.
type parts interface {
	io.Writer
	EndPart() error // from here on the bytes so far can be unpacked without what follows
	Close()
}

var (
	// Browsers unpack only a gzip file of one member. So the parts are blocks of one member, each
	// flushed to a whole byte, and the end has the last block and the checksum.
	gzipCoding = &coding{
		name: "gzip", suffix: ".gz", media: "application/gzip",
		head: []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff},
		parts: func(w io.Writer) (parts, error) {
			z, err := flate.NewWriter(w, flate.DefaultCompression)
			return deflated{z}, err
		},
		end: func(c *cut) []byte {
			b := []byte{3, 0} // a last block without bytes
			b = binary.LittleEndian.AppendUint32(b, c.CRC)
			return binary.LittleEndian.AppendUint32(b, uint32(c.Raw))
		},
	}
	// Each part is a frame.
	zstdCoding = &coding{
		name: "zstd", suffix: ".zst", media: "application/zstd",
		parts: func(w io.Writer) (parts, error) {
			z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
			return frames{z, w}, err
		},
		end: func(*cut) []byte { return nil },
	}
	plainCoding = &coding{
		suffix: ".ndjson", media: "application/x-ndjson",
		parts: func(w io.Writer) (parts, error) { return plain{w}, nil },
		end:   func(*cut) []byte { return nil },
	}

	codings = []*coding{zstdCoding, gzipCoding, plainCoding} // the best ones first
)

// codingOf finds a coding by its name; nil if there is none.
func codingOf(name string) *coding {
	for _, c := range codings {
		if c.name == name {
			return c
		}
	}
	return nil
}

type deflated struct{ *flate.Writer }

func (d deflated) EndPart() error { return d.Flush() }
func (d deflated) Close()         {}

type frames struct {
	*zstd.Encoder
	to io.Writer
}

func (f frames) EndPart() error {
	err := f.Encoder.Close()
	f.Reset(f.to)
	return err
}

func (f frames) Close() { f.Reset(nil) }

type plain struct{ io.Writer }

func (plain) EndPart() error { return nil }
func (plain) Close()         {}
