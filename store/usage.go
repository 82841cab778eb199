package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// Usage is what a database, or the storage of an index, takes on disk, as far as that can be told at
// once. It is zero where the engine does not know.
type Usage struct {
	File int64 // bytes
	Free int64 // of File, in which there is nothing
	// Active tells what the contents take, less what goes with it: by it one can tell that they have
	// shrunk. 0: not known.
	Active int64
	// Superseded is by how many bytes the bodies that compaction would drop have grown since the
	// process began. It is negative once compaction has dropped more. Where an engine does not
	// know whether a commit took place, it may be a little off.
	Superseded int64
}

// Usage costs next to nothing.
func (db *DB) Usage(ctx context.Context) (Usage, error) {
	u, err := usage(ctx, db.edb)
	if err != nil {
		return u, db.failed(err)
	}
	u.Superseded = db.superseded.Load()
	return u, db.view(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		u.Active = last.totals.active + recordBytes*int64(last.totals.docs+last.totals.deleted)
		return err
	})
}

// recordBytes is about what a document takes besides its body.
const recordBytes = 200

func usage(ctx context.Context, edb engine.DB) (u Usage, err error) {
	if s, ok := edb.(engine.Sizer); ok {
		u.File, err = s.Size(ctx)
	}
	if m, ok := edb.(engine.Measurer); ok && err == nil {
		u.Free, err = m.Free(ctx)
	}
	return u, err
}

// Measure finds out what File would be after a compaction, and how many bytes of bodies that would
// drop. It reads all of the database, as fast as a throttle in ctx lets it (engine.WithThrottle).
func (db *DB) Measure(ctx context.Context) (live, superseded int64, err error) {
	if superseded, err = db.countSuperseded(ctx); err != nil {
		return 0, 0, err
	}
	parts, err := packed(ctx, db.edb)
	if err != nil {
		return 0, 0, db.failed(err)
	}
	for _, part := range parts {
		if part.Space == spaceBody && part.Bytes > 0 {
			left := max(part.Bytes-superseded, 0)
			part.Size = int64(float64(part.Size) * float64(left) / float64(part.Bytes))
		}
		live += part.Size
	}
	return live, superseded, nil
}

func packed(ctx context.Context, edb engine.DB) ([]engine.Packed, error) {
	if m, ok := edb.(engine.Measurer); ok {
		return m.Packed(ctx)
	}
	return nil, nil
}

// countSuperseded adds up the bodies that compaction drops.
func (db *DB) countSuperseded(ctx context.Context) (total int64, err error) {
	var from []byte
	for more := true; more; {
		size := 0
		err := db.view(ctx, func(r engine.Reader) error {
			more, size = false, 0
			scanned := 0
			return r.Scan(spaceDoc, engine.Range{From: from}, func(k, v []byte) (bool, error) {
				scanned++
				size += len(k) + len(v)
				if more = size >= snapshotBytes || scanned >= snapshotRows; more {
					from = append(append([]byte(nil), k...), 0)
				}
				if isTotals(v) {
					return !more, nil
				}
				rec, err := parseDocRecord(v)
				if err != nil || rec.flags&docInner == 0 {
					return !more, err
				}
				tree, err := rec.decode()
				if err != nil {
					return false, err
				}
				n, err := supersededBytes(&tree)
				total += n
				return !more, err
			})
		})
		if err == nil {
			err = engine.Throttled(ctx, size)
		}
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}

// supersededBytes is how many bytes the bodies of a document take that compaction drops.
func supersededBytes(tree *revtree.Tree) (total int64, err error) {
	for _, n := range supersededNodes(tree) {
		ref, err := parseBodyRef(n.Data)
		if err != nil {
			return 0, err
		}
		total += ref.stored
	}
	return total, nil
}

// The storages of indexes have the same figures. Nothing may drop the storage meanwhile.

// SubUsage is Usage of the storage of an index; the error is ErrMissing if there is none.
func (db *DB) SubUsage(ctx context.Context, name string) (u Usage, err error) {
	err = db.withSub(ctx, name, func(sub engine.DB) (err error) {
		u, err = usage(ctx, sub)
		return err
	})
	return u, err
}

// MeasureSub finds out what File would be after CompactSub.
func (db *DB) MeasureSub(ctx context.Context, name string) (live int64, err error) {
	err = db.withSub(ctx, name, func(sub engine.DB) error {
		live = 0
		parts, err := packed(ctx, sub)
		for _, part := range parts {
			live += part.Size
		}
		return err
	})
	return live, err
}

// CompactSub gives back unused space in the storage of an index.
func (db *DB) CompactSub(ctx context.Context, name string) error {
	return db.withSub(ctx, name, func(sub engine.DB) error {
		if c, ok := sub.(engine.Compacter); ok {
			return c.Compact(ctx)
		}
		return nil
	})
}

func (db *DB) withSub(ctx context.Context, name string, fn func(sub engine.DB) error) error {
	err := db.view(ctx, func(r engine.Reader) error {
		v, err := r.Get(spaceMeta, []byte(metaSub+name))
		if err == nil && v == nil {
			err = ErrMissing
		}
		return err
	})
	if err != nil {
		return err
	}
	sub, err := db.edb.Sub(ctx, name)
	if err != nil {
		return translate(err)
	}
	return errors.Join(translate(fn(sub)), sub.Close())
}

// Stat is what can be told of a database that is not open.
type Stat = engine.Stat

// Stat costs no more than a look into the folder. The error is ErrNoDB if there is no database of
// this name. It is zero where the engine cannot tell.
func (s *Store) Stat(ctx context.Context, name string) (Stat, error) {
	e, ok := s.eng.(engine.Stater)
	if !ok {
		return Stat{}, nil
	}
	st, err := e.Stat(ctx, name)
	return st, translate(err)
}

// IsOpen tells whether a database is open at the moment.
func (s *Store) IsOpen(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.open[name]
	return found
}

// Waiting is how many writes wait at the moment for their transaction to reach the disk.
func (s *Store) Waiting() int { return int(s.waiting.Load()) }

// Writing reports whether a write waits, or has ended within a time. What does not matter to anybody
// who waits for an answer goes slowly then. The time is for the gaps in which clients make their next
// requests.
func (s *Store) Writing(within time.Duration) bool {
	return s.Waiting() > 0 || lately(&s.wrote, within)
}

// Writing is that of the store.
func (db Bare) Writing(within time.Duration) bool { return db.store.Writing(within) }

// Visited reports whether a user has opened a database within a time. Feeds and other requests that take long
// count only when they begin.
func (s *Store) Visited(within time.Duration) bool {
	return lately(&s.visited, within)
}

// lately tells whether a time is not longer ago than that. One that has not come yet was noted before the clock was set back.
func lately(at *atomic.Int64, within time.Duration) bool {
	ago := time.Now().UnixNano() - at.Load()
	return ago >= 0 && ago < int64(within)
}

// noteWrite notes the end of a write that waited.
func (s *Store) noteWrite() {
	s.wrote.Store(time.Now().UnixNano())
	s.waiting.Add(-1)
}

// superseded is kept of a database also while it is closed.
type superseded struct {
	instance string
	bytes    *atomic.Int64
}

// supersededOf finds the counter of a database.
func (s *Store) supersededOf(name, instance string) *atomic.Int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.superseded[name]
	if c.instance != instance {
		c = superseded{instance, &atomic.Int64{}}
		s.superseded[name] = c
	}
	return c.bytes
}

// Superseded is Usage.Superseded of a database, whether it is open or not.
func (s *Store) Superseded(name, instance string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.superseded[name]; c.instance == instance && c.bytes != nil {
		return c.bytes.Load()
	}
	return 0
}
