package pg

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tododb/tododb/store/engine"
)

// database is what all handles of this process to a database share.
type database struct {
	eng    *Engine
	id     int64
	parent int64 // of a sub-database
	name   string
	dbid   engine.DBID

	writing chan struct{} // held by the one of this process who writes
	alone   atomic.Int64  // until when no convoy is to wait for it, in nanoseconds
	unsure  atomic.Bool   // guarded by writing: the last commit may be there and not be safe (sqlConfirm)

	handles int // guarded by eng.mu

	mu       sync.Mutex // guards what follows
	gone     bool
	watchers map[*watcher]struct{}
	seen     seen
}

// drop notes that the database is gone, and tells its watchers.
func (d *database) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
	d.wakeLocked()
}

func (d *database) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wakeLocked()
}

func (d *database) wakeLocked() {
	for w := range d.watchers {
		select {
		case w.c <- struct{}{}:
		default:
		}
	}
}

func (d *database) isGone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

// lock keeps the other writers of this process out.
func (d *database) lock(ctx context.Context) error {
	select {
	case d.writing <- struct{}{}:
		return nil
	default:
	}
	select {
	case d.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *database) unlock() { <-d.writing }
