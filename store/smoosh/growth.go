package smoosh

import (
	"time"

	"github.com/tododb/tododb/store"
)

// growsAtMost is for how long a file is put off because it grows.
const growsAtMost = 3 * time.Minute

// growth is how far the contents of a file had come at a time.
type growth struct {
	active int64 // store.Usage.Active
	at     time.Time
	since  time.Time // when it was first put off
}

// grows tells whether a file gets more contents just now. What a compaction copies of a file that is being filled
// is copied a second time along with all that comes meanwhile, and takes time from who fills it. Garbage alone makes
// nothing wait: a database that is only rewritten is compacted at any time, once it is known how much is in it.
func (s *Smoosh) grows(o object, c *counted, u store.Usage) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	g, before := s.growing[o]
	switch {
	case c != nil && !muchMore(u.Active, c.Active),
		before && now.Sub(g.since) >= growsAtMost,
		before && now.Sub(g.at) >= s.opt.Settle && !muchMore(u.Active, g.active):
		delete(s.growing, o)
		return false
	case !before:
		s.growing[o] = growth{active: u.Active, at: now, since: now}
	case now.Sub(g.at) >= s.opt.Settle:
		g.active, g.at = u.Active, now
		s.growing[o] = g
	}
	return true
}

func muchMore(now, before int64) bool { return now > before+before/16 }

// putOff has a file that grows judged again a little later. The caller holds mu.
func (s *Smoosh) putOff(o object) {
	s.later[o] = time.Now().Add(s.opt.Settle)
	time.AfterFunc(s.opt.Settle, s.wake)
}

// countsLater puts a count off if the file grows.
func (s *Smoosh) countsLater(db store.Bare, o object, u store.Usage) bool {
	s.mu.Lock()
	c := s.ofInstance(db).file(o)
	s.mu.Unlock()
	if !s.grows(o, c, u) {
		return false
	}
	s.mu.Lock()
	s.putOff(o)
	s.mu.Unlock()
	return true
}
