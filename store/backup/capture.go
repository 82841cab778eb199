package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tododb/tododb/store"
)

// Progress says how far a stream has come.
type Progress struct {
	Seq, Of   uint64 // the sequence that has been reached, and the one to reach
	Documents uint64 // documents written or read
	Bytes     int64  // of the stream
}

// Capture writes the stream of a database to w. The state that it ends with is one that the database
// has while it is written. Whoever writes to the database does not wait, however slow w is: what is
// read within a snapshot goes to memory, or beyond some MiB to a file. The error may be ErrContinue:
// then nothing was written, and a whole stream is needed.
func Capture(ctx context.Context, db store.Bare, w io.Writer, opt Options) (End, error) {
	c, err := db.BeginCapture(ctx, opt.Since, store.CaptureOptions{Checkpoints: opt.Checkpoints, Page: opt.Page})
	if errors.Is(err, store.ErrNotContinued) {
		return End{}, ErrContinue
	}
	if err != nil {
		return End{}, err
	}
	defer c.Close()
	if opt.Temp == nil {
		opt.Temp = newTempFile
	}
	if opt.Progress == nil {
		opt.Progress = func(Progress) {}
	}
	out := &countedWriter{w: w}
	buffered := bufio.NewWriterSize(out, bufferSize)
	s := sender{db: db, w: NewWriter(buffered), buffered: buffered, out: out, pacer: pacer{db: db, out: out}, opt: opt, buf: make([]byte, bufferSize)}
	s.sink.temp, s.sink.sent = opt.Temp, map[store.Digest]bool{}
	defer s.sink.reset()
	end, err := s.run(ctx, c)
	return end, errors.Join(err, buffered.Flush())
}

// bufferSize is how much of a stream is written or read at once.
const bufferSize = 256 << 10

// countedWriter counts bytes.
type countedWriter struct {
	w      io.Writer
	n      int64
	waited time.Duration // for who takes the bytes
}

func (c *countedWriter) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.waited += time.Since(began)
	return n, err
}

// sender writes one stream.
type sender struct {
	db       store.Bare
	out      *countedWriter
	buffered *bufio.Writer // to out
	w        *Writer       // to buffered
	opt      Options
	sink     spoolSink
	pacer    pacer
	buf      []byte
}

func (s *sender) run(ctx context.Context, c *store.Capture) (End, error) {
	s.pacer.begin()
	began := c.Began()
	of := began.N
	var err error
	h := Header{Database: s.db.Name(), Instance: s.db.Instance(), Epoch: began.Epoch, Last: of, Since: s.opt.Since, NoContent: s.opt.NoContent}
	if err := s.w.Begin(h); err != nil {
		return End{}, err
	}
	s.sink.items = s.w.items
	for more := true; more; {
		if more, err = c.Page(ctx, &s.sink); err != nil {
			return End{}, err
		}
		// Behind the sequence that was the newest at the beginning, nothing is sent before all is
		// read: somebody may write faster than the stream is taken.
		if more && c.Seq() >= of {
			continue
		}
		if err := s.send(ctx); err != nil {
			return End{}, err
		}
		seq := c.Seq()
		if !more {
			seq = c.End().Point.Seq
		}
		s.opt.Progress(Progress{Seq: seq, Of: max(of, seq), Documents: s.sink.documents, Bytes: s.out.n})
		if more {
			if err := s.pacer.rest(ctx); err != nil {
				return End{}, err
			}
		}
	}
	end := c.End()
	return s.w.End(End{Point: end.Point, Documents: end.Docs, Deleted: end.Deleted})
}

// send writes what was read.
func (s *sender) send(ctx context.Context) error {
	if s.opt.NoContent {
		err := errors.Join(s.buffered.Flush(), s.sink.copyTo(finished{s.w, s.out}, s.buf))
		s.w.items = s.sink.items
		return err
	}
	err := s.sink.drain(func(kind Kind, size int64, payload *bufio.Reader) error {
		if kind != KindAttachment {
			return s.w.itemFrom(kind, size, payload, s.buf)
		}
		raw := s.buf[:size]
		if _, err := io.ReadFull(payload, raw); err != nil {
			return err
		}
		a, err := (&Item{Payload: raw}).Attachment()
		if err != nil {
			return err
		}
		return sendContent(ctx, s.w, &s.pacer, a.Digest)
	})
	s.sink.items = s.w.items
	return err
}

// finished takes items that have their numbers and checksums, and writes them past the buffer.
type finished struct {
	w   *Writer
	out io.Writer
}

func (f finished) Write(p []byte) (int, error) {
	f.w.sum.Write(p)
	return f.out.Write(p)
}

// sendContent writes an attachment with its content.
func sendContent(ctx context.Context, w *Writer, p *pacer, d store.Digest) error {
	c, err := p.db.OpenContent(ctx, d)
	if err != nil {
		return err
	}
	defer c.Close()
	a := Attachment{Digest: d, Length: c.Length, Linked: c.Linked, Content: true}
	if err := w.Item(KindAttachment, a.appendTo(nil)); err != nil {
		return err
	}
	for {
		chunk, err := c.Next(ctx)
		if err != nil {
			return fmt.Errorf("read an attachment of %q: %w", p.db.Name(), err)
		}
		if chunk == nil {
			return nil
		}
		if err := w.Item(KindChunk, chunk); err != nil {
			return err
		}
		if p.due() {
			if err := p.rest(ctx); err != nil {
				return err
			}
		}
	}
}

// Contents writes a stream of attachments with their content, and nothing else. Those that the
// database does not have come without.
func Contents(ctx context.Context, db store.Bare, digests []store.Digest, w io.Writer) error {
	counted := &countedWriter{w: w}
	buffered := bufio.NewWriterSize(counted, bufferSize)
	out := NewWriter(buffered)
	p := &pacer{db: db, out: counted}
	p.begin()
	if err := out.Begin(Header{Database: db.Name(), Instance: db.Instance(), Contents: true}); err != nil {
		return err
	}
	for _, d := range digests {
		err := sendContent(ctx, out, p, d)
		if errors.Is(err, store.ErrMissingAttachment) {
			err = out.Item(KindAttachment, (&Attachment{Digest: d}).appendTo(nil))
		}
		if err != nil {
			return err
		}
	}
	_, err := out.End(End{})
	return errors.Join(err, buffered.Flush())
}
