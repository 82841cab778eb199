package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
)

// Part is an object that is named after its content, as backups name it.
type Part struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // stored bytes
}

// The kinds of objects that are named after their content.
const (
	segments = "segments/"
	packs    = "packs/"
)

func partName(kind, sum string) string { return kind + sum[:2] + "/" + sum }

// sum returns the SHA-256 that an object's name says, "" if it says none.
func sum(name string) string {
	s := name[strings.LastIndexAny(name, "/-")+1:]
	if b, err := hex.DecodeString(s); err != nil || len(b) != sha256.Size {
		return ""
	}
	return s
}

// sealed writes an object: what is written to it is encrypted if the repository has recipients,
// counted and summed up, and goes to a staged file.
type sealed struct {
	repo  *Repository
	file  *os.File
	flow  *flow
	crypt io.WriteCloser // nil: not encrypted
}

// early is a Storage that wants to know what is written into staged files before it is to keep them.
type early interface {
	Written(f *os.File, from, to int64)
}

// seal begins an object. The head, if there is one, goes before everything and is not encrypted.
func (r *Repository) seal(head []byte) (*sealed, error) {
	f, err := r.storage.Stage()
	if err != nil {
		return nil, err
	}
	s := &sealed{repo: r, file: f, flow: newFlow(f)}
	if e, is := r.storage.(early); is {
		s.flow.written = e.Written
	}
	_, err = s.flow.Write(head)
	if err == nil && len(r.recipients) > 0 {
		s.crypt, err = age.Encrypt(s.flow, r.recipients...)
	}
	if err != nil {
		return nil, errors.Join(err, s.drop())
	}
	return s, nil
}

func (s *sealed) Write(p []byte) (int, error) {
	if s.crypt != nil {
		return s.crypt.Write(p)
	}
	return s.flow.Write(p)
}

// end ends the object, which is then to be stored under the name that name makes of its sum.
func (s *sealed) end(name func(sum string) string) (Part, error) {
	var err error
	if s.crypt != nil {
		err = s.crypt.Close()
	}
	if err = errors.Join(err, s.flow.end(true)); err != nil {
		return Part{}, fmt.Errorf("store an object: %w", errors.Join(err, discard(s.file)))
	}
	return Part{name(s.flow.sum()), s.flow.size}, nil
}

// keep ends the object and stores it.
func (s *sealed) keep(ctx context.Context, name func(sum string) string) (Part, error) {
	p, err := s.end(name)
	if err == nil {
		err = s.repo.storage.Keep(ctx, s.file, p.Name)
	}
	if err != nil {
		return Part{}, err
	}
	return p, nil
}

// pass ends the object and has it stored.
func (s *sealed) pass(ctx context.Context, to *keeping, name func(sum string) string) (Part, error) {
	p, err := s.end(name)
	if err != nil {
		to.fail(err)
		return Part{}, err
	}
	return p, to.add(ctx, s.file, p.Name)
}

// drop ends an object that is not needed.
func (s *sealed) drop() error {
	_ = s.flow.end(false) // the file goes anyway
	return discard(s.file)
}

// opened is an object that is being read.
type opened struct {
	Object
	plain io.ReaderAt // what was sealed
	size  int64       // of it
}

// open opens an object whose first bytes, head of them, were not sealed.
func (r *Repository) open(ctx context.Context, name string, head int64) (*opened, error) {
	o, err := r.storage.Fetch(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = &MissingError{name}
	}
	if err != nil {
		return nil, err
	}
	got := &opened{Object: o, plain: io.NewSectionReader(o, head, o.Size()-head), size: o.Size() - head}
	if !r.head.Encrypted {
		return got, nil
	}
	if len(r.identities) == 0 {
		return nil, errors.Join(ErrNoKey, o.Close())
	}
	got.plain, got.size, err = age.DecryptReaderAt(got.plain, got.size, r.identities...)
	if err != nil {
		if _, is := errors.AsType[*age.NoIdentityMatchError](err); is {
			err = ErrWrongKey
		} else {
			err = &DamagedError{name, err.Error()}
		}
		return nil, errors.Join(err, o.Close())
	}
	return got, nil
}

// check compares the bytes of the object with the sum in its name.
func (o *opened) check(ctx context.Context, name string) error {
	h := sha256.New()
	if _, err := copyContext(ctx, h, io.NewSectionReader(o.Object, 0, o.Object.Size())); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if hex.EncodeToString(h.Sum(nil)) != sum(name) {
		return &DamagedError{name, "its bytes are not those that were stored"}
	}
	return nil
}

// reader reads what was sealed, from its beginning.
func (o *opened) reader() io.Reader { return io.NewSectionReader(o.plain, 0, o.size) }

// verify reads an object, and compares its sum with its name.
func (r *Repository) verify(ctx context.Context, p Part) (err error) {
	o, err := r.storage.Fetch(ctx, p.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return &MissingError{p.Name}
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if p.Size != 0 && o.Size() != p.Size {
		return &DamagedError{p.Name, fmt.Sprintf("it has %d bytes, not %d", o.Size(), p.Size)}
	}
	h := sha256.New()
	if _, err := copyContext(ctx, h, o); err != nil {
		return fmt.Errorf("read %s: %w", p.Name, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum(p.Name) {
		return &DamagedError{p.Name, "its bytes are not those that were stored"}
	}
	return nil
}

// copyContext copies until the context ends.
func copyContext(ctx context.Context, w io.Writer, r io.Reader) (n int64, err error) {
	buf := make([]byte, 256<<10)
	for {
		k, err := r.Read(buf)
		if k > 0 {
			n += int64(k)
			if _, err := w.Write(buf[:k]); err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			return n, ctx.Err()
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return n, err
		}
	}
}
