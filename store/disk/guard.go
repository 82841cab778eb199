package disk

import (
	"log/slog"
	"sync"
	"time"
)

// Space is the size of a disk, in bytes.
type Space struct {
	Used, Free uint64 // Free is what may be written
	Root       uint64 // what only root may write besides
}

// Percent is the share in use.
func (s Space) Percent() float64 {
	if s.Used+s.Free == 0 {
		return 0
	}
	return 100 * float64(s.Used) / float64(s.Used+s.Free)
}

// Thresholds are percentages of the disk in use, above which something is refused.
type Thresholds struct {
	Enabled bool // otherwise nothing is refused
	// Background is for indexes that nobody waits for, Queries for those that somebody does,
	// Writes for documents.
	Background, Queries, Writes float64
}

// Options are what a Guard needs. Folder must be set.
type Options struct {
	Folder string                             // on the disk
	Of     func(folder string) (Space, error) // the system's answer (Of)
	Every  time.Duration                      // for which an answer stands (3 s)
	Log    *slog.Logger                       // nil: nothing is logged
}

// Guard watches a disk. Its methods may be called from any goroutine.
type Guard struct {
	opt Options

	mu     sync.Mutex // guards what follows
	at     Thresholds
	space  Space
	err    error
	asked  time.Time
	refuse bool // writes were refused at the last look
}

// New makes a Guard that refuses nothing yet.
func New(opt Options) *Guard {
	if opt.Of == nil {
		opt.Of = Of
	}
	if opt.Every <= 0 {
		opt.Every = 3 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Guard{opt: opt}
}

// SetThresholds changes what is refused.
func (g *Guard) SetThresholds(at Thresholds) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = at
}

// Space is the state of the disk, a few seconds old at the most.
func (g *Guard) Space() (Space, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ask()
	return g.space, g.err
}

// ask asks the system, if its last answer is too old. The caller holds mu: whoever else wants to know
// waits for the same answer.
func (g *Guard) ask() {
	if !g.asked.IsZero() && time.Since(g.asked) < g.opt.Every {
		return
	}
	failed := g.err != nil
	g.space, g.err = g.opt.Of(g.opt.Folder)
	g.asked = time.Now()
	if g.err != nil && !failed {
		g.opt.Log.Error("cannot tell how full the disk is", "folder", g.opt.Folder, "error", g.err)
	}
	if refuse := g.over(g.at.Writes); refuse != g.refuse {
		g.refuse = refuse
		if refuse {
			g.opt.Log.Warn("the disk is nearly full: documents are not written", "folder", g.opt.Folder, "percent", g.space.Percent(), "free", g.space.Free)
		} else {
			g.opt.Log.Info("the disk has room again: documents are written", "folder", g.opt.Folder, "percent", g.space.Percent(), "free", g.space.Free)
		}
	}
}

func (g *Guard) over(threshold float64) bool {
	return g.at.Enabled && g.err == nil && g.space.Percent() > threshold
}

func (g *Guard) exceeds(threshold func(Thresholds) float64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.at.Enabled {
		return false
	}
	g.ask()
	return g.over(threshold(g.at))
}

// NoRoomForWrites tells whether the disk is too full for documents.
func (g *Guard) NoRoomForWrites() bool {
	return g.exceeds(func(t Thresholds) float64 { return t.Writes })
}

// NoRoomForQueries tells whether it is too full to bring an index up to date for somebody who waits.
func (g *Guard) NoRoomForQueries() bool {
	return g.exceeds(func(t Thresholds) float64 { return t.Queries })
}

// NoRoomForBackground tells whether it is too full to bring an index up to date while nobody waits.
func (g *Guard) NoRoomForBackground() bool {
	return g.exceeds(func(t Thresholds) float64 { return t.Background })
}
