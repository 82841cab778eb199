package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

var (
	errNoRoom    = wire.Errorf(http.StatusInsufficientStorage, "insufficient_storage", "The server has no room for a snapshot of this size; replicate instead.")
	errUnsettled = wire.Errorf(http.StatusServiceUnavailable, "service_unavailable", "Documents keep being purged while the snapshot is built; try again.")
)

// FilesOptions are what Files need.
type FilesOptions struct {
	Dir    string // only these files stand in it
	Config *config.Config
	Log    *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // the clock (time.Now)
	// Full tells whether the disk is too full for snapshots, so that they make room (it never is).
	Full func() bool
}

// Files are the files with snapshots, in a folder of their own.
type Files struct {
	opt FilesOptions

	mu   sync.Mutex // guards what follows, and parts of the files
	all  []*file    // a newer one of the same kind stands behind an older one
	size int64      // bytes on disk, of dropped ones too
}

// maxFiles is how many files are kept: a database has one for each filter that somebody asked for.
const maxFiles = 1000

// OpenFiles opens the folder, and makes it if it is not there. What is not whole in it is removed.
func OpenFiles(opt FilesOptions) (*Files, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Full == nil {
		opt.Full = func() bool { return false }
	}
	s := &Files{opt: opt}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("folder for snapshots: %w", err)
	}
	return s, nil
}

func (s *Files) load() error {
	if err := os.MkdirAll(s.opt.Dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.opt.Dir)
	if err != nil {
		return err
	}
	whole := map[string]bool{}
	for _, e := range entries {
		id, is := strings.CutSuffix(e.Name(), cutsSuffix)
		if !is {
			continue
		}
		if f := s.adopt(filepath.Join(s.opt.Dir, id)); f != nil {
			whole[e.Name()], whole[filepath.Base(f.name())] = true, true
			s.all = append(s.all, f)
			s.size += f.size
		}
	}
	for _, e := range entries {
		if !whole[e.Name()] {
			if err := os.RemoveAll(filepath.Join(s.opt.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(s.all, func(a, b *file) int { return a.used.Compare(b.used) })
	return nil
}

// Size returns how many bytes the files have on disk.
func (s *Files) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Len returns how many files there are.
func (s *Files) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// newest returns a snapshot with everything that was committed before the call.
func (s *Files) newest(ctx context.Context, h holding, r *reader) (*Snapshot, error) {
	for range 3 {
		info, err := r.db.Info(ctx)
		if err != nil {
			return nil, err
		}
		h.Base, h.PurgeSeq = info.UpdateSeq, info.PurgeSeq
		f := s.take(&h)
		snapshot, err := f.snapshot(ctx, r, info)
		if err == nil {
			return snapshot, nil // which gives the file back
		}
		if spoilt(err) {
			s.drop(f)
		}
		s.give(f)
		if !errors.Is(err, errStale) {
			return nil, err
		}
	}
	return nil, errUnsettled
}

// spoilt tells whether a file is of no use after an error, or takes what others need.
func spoilt(err error) bool {
	return errors.Is(err, errStale) || errors.Is(err, errNoRoom) || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOSPC)
}

// snapshot opens a snapshot that reaches the newest sequence.
func (f *file) snapshot(ctx context.Context, r *reader, info store.Info) (*Snapshot, error) {
	if f.PurgeSeq != info.PurgeSeq {
		return nil, errStale
	}
	c, err := f.upTo(ctx, r, info)
	if err != nil {
		return nil, err
	}
	return f.open(c)
}

// earlier returns the snapshot with an ETag, if its file is still there and is of the database's
// history; nil otherwise.
func (s *Files) earlier(ctx context.Context, db *store.DB, h holding, etag func(*cut) bool) (*Snapshot, error) {
	info, err := db.Info(ctx)
	if err != nil {
		return nil, err
	}
	h.PurgeSeq = info.PurgeSeq
	s.mu.Lock()
	var found *file
	var at cut
	for _, f := range s.all {
		if !f.is(&h) || f.PurgeSeq != h.PurgeSeq {
			continue
		}
		for i := range f.cuts {
			if etag(&f.cuts[i]) && f.cuts[i].N >= info.Dead.Newest { // else its tail lacks deletions
				found, at = f, f.cuts[i]
			}
		}
	}
	if found != nil {
		s.hold(found)
	}
	s.mu.Unlock()
	if found == nil {
		return nil, nil
	}
	snapshot, err := found.openIfOf(ctx, db, at)
	if snapshot == nil {
		s.give(found)
	}
	return snapshot, err
}

// openIfOf opens the bytes of a snapshot if it is of the database's history, and still there.
func (f *file) openIfOf(ctx context.Context, db *store.DB, c cut) (*Snapshot, error) {
	if of, err := c.of(ctx, db); !of {
		return nil, err
	}
	snapshot, err := f.open(c)
	if err != nil {
		return nil, nil // it has just been removed: then there is a new one
	}
	return snapshot, nil
}

// take finds the file for what is asked, or begins one. The caller gives it back.
func (s *Files) take(h *holding) *file {
	room := s.room()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range slices.Backward(s.all) {
		if f.is(h) && !f.overgrown() {
			s.hold(f)
			return f
		}
	}
	for _, f := range slices.Clone(s.all) {
		if f.DB == h.DB && (f.Instance != h.Instance || f.PurgeSeq != h.PurgeSeq) {
			s.forget(f)
		}
	}
	h.Version = holdingVersion
	f := s.newFile(*h, s.newPath())
	s.all = append(s.all, f)
	s.hold(f)
	s.bound(room)
	return f
}

func (s *Files) hold(f *file) {
	f.users++
	f.used = s.opt.Now()
}

// give gives a file back.
func (s *Files) give(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users--
	f.used = s.opt.Now()
	if f.users == 0 && f.dropped {
		s.remove(f)
	}
}

// drop makes a file not to be found any more.
func (s *Files) drop(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(f)
}

func (s *Files) forget(f *file) {
	if f.dropped {
		return
	}
	f.dropped = true
	s.all = slices.DeleteFunc(s.all, func(other *file) bool { return other == f })
	if f.users == 0 {
		s.remove(f)
	}
}

func (s *Files) remove(f *file) {
	s.size -= f.size
	if err := f.remove(); err != nil {
		s.opt.Log.Error("cannot remove a snapshot", "error", err)
	}
}

// grow notes how large a file has become. Others have to make room for it.
func (s *Files) grow(f *file, size int64) error {
	room := s.room()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size += size - f.size
	f.size = size
	if f.dropped {
		return errStale
	}
	if !s.bound(room) {
		return errNoRoom
	}
	return nil
}

// room is how many bytes the files may have.
func (s *Files) room() int64 {
	if s.opt.Full() {
		return 0
	}
	return s.opt.Config.Int("snapshots", "max_size")
}

// bound removes what has not been used for longest until the rest fits. It never removes what
// is in use.
func (s *Files) bound(room int64) (fits bool) {
	for s.size > room || len(s.all) > maxFiles {
		var oldest *file
		for _, f := range s.all {
			if f.users == 0 && (oldest == nil || f.used.Before(oldest.used)) {
				oldest = f
			}
		}
		if oldest == nil {
			return s.size <= room
		}
		s.forget(oldest)
	}
	return true
}

// Run removes files that were not used for long, and those of databases that are deleted, until
// ctx ends.
func (s *Files) Run(ctx context.Context, st *store.Store) {
	s.forgetGone(ctx, st)
	const look = time.Minute
	tick := time.NewTicker(look)
	defer tick.Stop()
	deletions := st.Events().Follow(func(e *store.Event) bool { return e.Type == "deleted" })
	defer deletions.Close()
	seen := uint64(0)
	for {
		gone, last := deletions.Since(seen)
		seen = last
		for _, e := range gone {
			s.dropAll(func(f *file) bool { return f.DB == e.DB })
		}
		select {
		case <-ctx.Done():
			return
		case <-deletions.News():
		case <-tick.C:
			s.Sweep()
		}
	}
}

// forgetGone removes the files of databases that were deleted while no server ran, or just
// before it ended.
func (s *Files) forgetGone(ctx context.Context, st *store.Store) {
	s.mu.Lock()
	of := map[string]string{}
	for _, f := range s.all {
		of[f.DB] = ""
	}
	s.mu.Unlock()
	for name := range of {
		db, err := st.Bare(ctx, name, store.ForUpkeep)
		switch {
		case err == nil:
			of[name] = db.Instance()
			db.Release()
		case !errors.Is(err, store.ErrNoDB):
			delete(of, name) // it may be there another time
		}
	}
	s.dropAll(func(f *file) bool {
		instance, looked := of[f.DB]
		return looked && f.Instance != instance
	})
}

// Sweep removes files that were not used for long, and on a full disk all that are not in use.
func (s *Files) Sweep() {
	room := s.room()
	old := s.opt.Now().Add(-s.opt.Config.Duration("snapshots", "keep"))
	s.dropAll(func(f *file) bool { return f.users == 0 && f.used.Before(old) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound(room)
}

func (s *Files) dropAll(which func(*file) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range slices.Clone(s.all) {
		if which(f) {
			s.forget(f)
		}
	}
}
