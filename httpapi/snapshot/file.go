package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"github.com/tododb/tododb/store"
)

// file is the bytes of snapshots of one kind, on disk.
type file struct {
	holding
	*coding
	files *Files
	path  string // without a suffix

	// turn holds a token. Whoever has it may append, and has what follows.
	turn    chan struct{}
	reached cut // the end of the last whole part, which may not be a cut yet

	// Guarded by files.mu.
	cuts    []cut
	size    int64 // on disk
	users   int
	used    time.Time // last
	dropped bool      // no longer to be found; removed when nobody uses it
}

// maxCuts is how many cuts of a file are remembered. A download of an older one starts again.
const maxCuts = 1000

func (f *file) name() string { return f.path + f.suffix }

// overgrown tells that so much was appended that the file is better begun anew. Every change of
// a document adds to it.
func (f *file) overgrown() bool {
	if len(f.cuts) == 0 {
		return false
	}
	first := f.cuts[0].At
	return f.cuts[len(f.cuts)-1].At-first > first/2+1<<20
}

// last returns the newest cut; nil if there is none.
func (f *file) last() *cut {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if len(f.cuts) == 0 {
		return nil
	}
	c := f.cuts[len(f.cuts)-1]
	return &c
}

// errStale says that a file does not belong to the history of its database.
var errStale = errors.New("the snapshot is of another history")

// upTo returns a cut that reaches a sequence, and appends what is missing. Whoever comes in the
// meantime waits, and finds it done.
func (f *file) upTo(ctx context.Context, r *reader, info store.Info) (cut, error) {
	to := info.UpdateSeq
	select {
	case <-f.turn:
	case <-ctx.Done():
		return cut{}, ctx.Err()
	}
	defer func() { f.turn <- struct{}{} }()
	if f.reached.Seq != "" {
		if of, err := f.reached.of(ctx, r.db); err != nil {
			return cut{}, err
		} else if !of {
			return cut{}, errStale
		}
		if f.reached.N < info.Dead.Newest { // the changes since do not tell of all deletions
			return cut{}, errStale
		}
	}
	if c := f.last(); c != nil && c.N >= to {
		return *c, nil
	}
	had := f.reached.N
	if had == 0 {
		had = to // a new file has nothing of what was deleted until now
	}
	c, err := f.extend(ctx, r, to)
	if err != nil {
		return c, err
	}
	now, err := r.db.Info(ctx)
	if err == nil && now.Dead.Newest > had { // a deletion may have gone before it was read
		err = errStale
	}
	return c, err
}

// extend appends what has changed up to a sequence, and makes a cut.
func (f *file) extend(ctx context.Context, r *reader, to uint64) (c cut, err error) {
	out, err := os.OpenFile(f.name(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Truncate(f.reached.At); err != nil { // what another left in the middle of a part
		return c, err
	}
	if _, err := out.Seek(f.reached.At, 0); err != nil {
		return c, err
	}
	w := &writer{f: f, out: out, at: f.reached, db: r.db}
	if err := w.begin(); err != nil {
		return c, err
	}
	defer w.parts.Close()
	to = max(to, f.reached.N) // somebody may have gone away just before his cut
	if err := r.read(ctx, w, to); err != nil {
		return c, err
	}
	if err := w.endPart(to); err != nil {
		return c, err
	}
	info, err := r.db.Info(ctx)
	if err != nil {
		return c, err
	}
	if info.PurgeSeq != f.PurgeSeq {
		return c, errStale
	}
	if err := out.Sync(); err != nil {
		return c, err
	}
	c = f.reached
	c.ID = newID()
	if err := appendCut(f.path+cutsSuffix, &f.holding, &c); err != nil {
		return c, err
	}
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	f.cuts = append(f.cuts, c)
	f.cuts = f.cuts[max(0, len(f.cuts)-maxCuts):]
	return c, nil
}

func newID() string {
	id := make([]byte, 8)
	rand.Read(id)
	return hex.EncodeToString(id)
}

// writer appends parts to a file.
type writer struct {
	f     *file
	out   *os.File
	db    *store.DB
	parts parts
	at    cut // so far
}

// Count and size of what a part has. A client takes the documents of a part in together.
const (
	partLines = 1000
	partBytes = 1 << 20
)

func (w *writer) begin() (err error) {
	if w.at.At == 0 {
		if _, err := w.written(w.f.head); err != nil {
			return err
		}
	}
	w.parts, err = w.f.coding.parts(writerFunc(w.written))
	return err
}

// writerFunc is a function as an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// written writes compressed bytes.
func (w *writer) written(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.at.At += int64(n)
	return n, err
}

// Write writes lines.
func (w *writer) Write(p []byte) (int, error) {
	w.at.CRC = crc32.Update(w.at.CRC, crc32.IEEETable, p)
	w.at.Raw += int64(len(p))
	return w.parts.Write(p)
}

// full tells that the part should end.
func (w *writer) full() bool { return w.at.Raw-w.f.reached.Raw >= partBytes }

// endPart ends a part whose lines reach a sequence. What was written stays, whatever happens
// later.
func (w *writer) endPart(to uint64) error {
	w.at.N, w.at.Seq = to, w.db.Seq(to).String()
	if _, err := w.Write(w.at.place()); err != nil {
		return err
	}
	if err := w.parts.EndPart(); err != nil {
		return err
	}
	if err := w.f.files.grow(w.f, w.at.At); err != nil {
		return err
	}
	w.f.reached = w.at
	return nil
}

// open opens the bytes of a snapshot.
func (f *file) open(c cut) (*Snapshot, error) {
	in, err := os.Open(f.name())
	if err != nil {
		return nil, err
	}
	return &Snapshot{file: f, cut: c, in: in, end: f.end(&c)}, nil
}

// remove removes the file from disk. The cuts go first: without them the rest is litter.
func (f *file) remove() error {
	var errs []error
	for _, name := range []string{f.path + cutsSuffix, f.name()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// adopt takes a file that an earlier process left; nil if it is not whole.
func (s *Files) adopt(path string) *file {
	h, cuts, err := readCuts(path + cutsSuffix)
	if err != nil || len(cuts) == 0 {
		return nil
	}
	f := s.newFile(h, path)
	if f.coding == nil {
		return nil
	}
	f.cuts, f.reached = cuts, cuts[len(cuts)-1]
	info, err := os.Stat(f.name())
	if err != nil || info.Size() < f.reached.At {
		return nil
	}
	f.size = info.Size()
	if info, err = os.Stat(path + cutsSuffix); err != nil {
		return nil
	}
	f.used = info.ModTime()
	return f
}

func (s *Files) newFile(h holding, path string) *file {
	f := &file{holding: h, coding: codingOf(h.Coding), files: s, path: path, turn: make(chan struct{}, 1), used: s.opt.Now()}
	f.turn <- struct{}{}
	return f
}

func (s *Files) newPath() string { return filepath.Join(s.opt.Dir, newID()) }
