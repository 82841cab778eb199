package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store/durable"
)

// Stdio is the name of standard input and output.
const Stdio = "-"

// suffix takes the ending of a compressed file from a name.
func suffix(name string) (plain, packed string) {
	for _, end := range []string{".gz", ".zst"} {
		if rest, is := strings.CutSuffix(name, end); is {
			return rest, end
		}
	}
	return name, ""
}

// Input is a file to read, uncompressed.
type Input struct {
	io.Reader
	Size int64 // of the file as it is on disk; -1: nobody knows
	read atomic.Int64
	end  []func() error
}

// Read counts.
type counting struct {
	io.Reader
	in *Input
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.in.read.Add(int64(n))
	return n, err
}

// OpenInput opens a file; - is stdin. What is compressed is told by the name's ending, or its first bytes.
func OpenInput(name string, stdin io.Reader) (*Input, error) {
	in := &Input{Size: -1}
	if name == Stdio {
		in.Reader = counting{stdin, in}
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in.end = append(in.end, f.Close)
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			in.Size = info.Size()
		}
		in.Reader = counting{f, in}
	}
	if err := in.unpack(name); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// unpack uncompresses what is compressed.
func (in *Input) unpack(name string) error {
	b := bufio.NewReader(in.Reader)
	in.Reader = b
	_, packed := suffix(name)
	if begin, err := b.Peek(4); err == nil && packed == "" {
		switch {
		case bytes.HasPrefix(begin, []byte("\x1f\x8b\x08")):
			packed = ".gz"
		case string(begin) == "\x28\xb5\x2f\xfd":
			packed = ".zst"
		}
	}
	switch packed {
	case ".gz":
		z, err := gzip.NewReader(b)
		if err != nil {
			return fmt.Errorf("it is not compressed by gzip: %w", err)
		}
		in.Reader = unpacking{z}
	case ".zst":
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return err
		}
		in.Reader, in.end = unpacking{z}, append(in.end, func() error { z.Close(); return nil })
	}
	return nil
}

// unpacking says of an error that it is one of the compression.
type unpacking struct{ io.Reader }

func (u unpacking) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("the compressed file is cut or damaged: %w", err)
	}
	return n, err
}

// Done is how many bytes of the file have been read.
func (in *Input) Done() int64 { return in.read.Load() }

// Close closes the file.
func (in *Input) Close() (err error) {
	for i := len(in.end) - 1; i >= 0; i-- {
		err = errors.Join(err, in.end[i]())
	}
	in.end = nil
	return err
}

// Output is a file to write. It has its name once it is whole.
type Output struct {
	io.Writer
	name string
	file *os.File
	end  []func() error
}

// CreateOutput begins a file; - is stdout. It is compressed as the name's ending says.
func CreateOutput(name string, stdout io.Writer) (*Output, error) {
	if name == Stdio {
		return &Output{Writer: stdout}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	out := &Output{Writer: f, name: name, file: f}
	switch _, packed := suffix(name); packed {
	case ".gz":
		z := gzip.NewWriter(f)
		out.Writer, out.end = z, append(out.end, z.Close)
	case ".zst":
		z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, errors.Join(err, out.Drop())
		}
		out.Writer, out.end = z, append(out.end, z.Close)
	}
	return out, nil
}

// Finish gives the file its name.
func (out *Output) Finish() error {
	var err error
	for _, end := range out.end {
		err = errors.Join(err, end())
	}
	if out.file == nil || err != nil {
		return errors.Join(err, out.Drop())
	}
	err = errors.Join(out.file.Chmod(0o600), out.file.Sync(), out.file.Close())
	if err == nil {
		err = os.Rename(out.file.Name(), out.name)
	}
	if err != nil {
		os.Remove(out.file.Name())
	} else {
		err = durable.Names(filepath.Dir(out.name))
	}
	out.file = nil
	return err
}

// Drop removes a file that is not finished. After Finish it does nothing.
func (out *Output) Drop() error {
	if out.file == nil {
		return nil
	}
	f := out.file
	out.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
