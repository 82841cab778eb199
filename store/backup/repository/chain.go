package repository

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"

	"github.com/tododb/tododb/store/backup"
)

// chainReader reads the segments of a chain, one behind the other: the streams of a database.
type chainReader struct {
	ctx  context.Context
	repo *Repository
	left []Part

	name   string  // of the segment that is open
	read   int64   // bytes of the streams
	ends   []int64 // where the segments end in them that were read
	object *opened
	plain  *unpacked
}

func (r *Repository) readChain(ctx context.Context, segments []Part) *chainReader {
	return &chainReader{ctx: ctx, repo: r, left: segments}
}

func (c *chainReader) Read(p []byte) (int, error) {
	for {
		if c.plain == nil {
			if len(c.left) == 0 {
				return 0, io.EOF
			}
			if err := c.next(); err != nil {
				return 0, err
			}
		}
		n, err := c.plain.Read(p)
		c.read += int64(n)
		if err == io.EOF {
			c.ends = append(c.ends, c.read)
			err = c.shut()
		} else if err != nil {
			err = &DamagedError{c.name, err.Error()}
		}
		if n > 0 || err != nil {
			return n, errors.Join(err, c.ctx.Err())
		}
	}
}

func (c *chainReader) next() (err error) {
	c.name = c.left[0].Name
	c.left = c.left[1:]
	if c.object, err = c.repo.open(c.ctx, c.name, 0); err != nil {
		return err
	}
	if err = c.object.check(c.ctx, c.name); err == nil {
		c.plain, err = unpack(c.object.reader())
	}
	if err != nil {
		return errors.Join(err, c.object.Close())
	}
	return nil
}

// shut closes the open segment.
func (c *chainReader) shut() error {
	if c.plain == nil {
		return nil
	}
	c.plain.close()
	c.plain = nil
	return c.object.Close()
}

// at tells in which segment of the chain an item stands that begins behind so many bytes.
func (c *chainReader) at(offset int64) int {
	i, _ := slices.BinarySearch(c.ends, offset+1)
	return i
}

// each calls fn for every item of a chain. A damaged item is the segment's damage.
func (r *Repository) each(ctx context.Context, segments []Part, fn func(*backup.Reader, *backup.Item) error) (err error) {
	in := r.readChain(ctx, segments)
	return r.eachOf(in, backup.NewReader(in), fn)
}

// eachIn calls fn for every item of one segment, which may be the middle of a stream.
func (r *Repository) eachIn(ctx context.Context, segment Part, fn func(*backup.Item) error) error {
	in := r.readChain(ctx, []Part{segment})
	return r.eachOf(in, backup.NewPartReader(in), func(_ *backup.Reader, item *backup.Item) error { return fn(item) })
}

func (r *Repository) eachOf(in *chainReader, stream *backup.Reader, fn func(*backup.Reader, *backup.Item) error) (err error) {
	defer func() { err = errors.Join(err, in.shut()) }()
	for {
		item, err := stream.Next()
		if err == io.EOF {
			return nil
		}
		if broken, is := errors.AsType[*backup.Broken](err); is {
			return &DamagedError{in.name, broken.Reason}
		}
		if err == nil {
			err = fn(stream, item)
		}
		if err != nil {
			return err
		}
	}
}

// docKey stands for the id of a document.
type docKey [16]byte

func docKeyOf(id []byte) docKey {
	h := sha256.Sum256(id)
	return docKey(h[:16])
}

// fold is what streams, one after the other, come to: of each document that is there in the end,
// the sequence of its last capture.
type fold struct{ docs map[docKey]uint64 }

func newFold() *fold { return &fold{docs: map[docKey]uint64{}} }

// add takes an item in.
func (f *fold) add(item *backup.Item) error {
	switch item.Kind {
	case backup.KindDocument:
		d, err := item.Document()
		if err != nil {
			return err
		}
		f.docs[docKeyOf(d.ID)] = d.Seq
	case backup.KindGone:
		delete(f.docs, docKeyOf(item.Payload))
	case backup.KindSurvivors:
		s, err := item.Survivors()
		if err != nil {
			return err
		}
		for k, seq := range f.docs {
			if seq < s.From || seq > s.To {
				continue
			}
			if _, is := slices.BinarySearch(s.Seqs, seq); !is {
				delete(f.docs, k)
			}
		}
	}
	return nil
}

// has tells whether a capture is the one that counts.
func (f *fold) has(d *backup.Document) bool {
	seq, is := f.docs[docKeyOf(d.ID)]
	return is && seq == d.Seq
}
