package smoosh

import "time"

// Settings say what is done when. They may change at any time (Smoosh.SetSettings).
type Settings struct {
	Enabled bool
	// Wait is how long nothing is begun after the start, and how long at most what has changed waits for a second in
	// which nobody reads or writes.
	Wait time.Duration
	// Staleness is how long a count of what is in a file stands. A file that has grown by a
	// sixteenth since is counted anew anyway.
	Staleness time.Duration
	// Rate is how many bytes may be copied and read in a second, all compactions together; 0: any number.
	Rate int64
	// Ignore tells whether a database and its indexes are left alone. Chores are done all the same.
	Ignore func(db string) bool
	// The channels for each kind of work. A file goes into the first that takes it.
	Databases, Views, Cleanups []Channel
}

// Priority is how a channel judges a file.
type Priority string

// The priorities that there are.
const (
	Ratio Priority = "ratio" // its size, divided by what is alive in it
	Slack Priority = "slack" // its size, less what is alive in it, in bytes
)

// Channel is a queue of files to compact, and what it takes. The zero value of a field named Max is no
// limit.
type Channel struct {
	Name     string
	Priority Priority // another one takes nothing
	// MinPriority and MaxPriority are the priorities between which a file is taken: above the
	// one, not above the other.
	MinPriority, MaxPriority float64
	MinSize, MaxSize         int64         // of files, likewise
	MinChanges               uint64        // of the database since it was last compacted by us
	Concurrency              int           // compactions at a time
	Capacity                 int           // files that wait; those with the least priority are forgotten
	From, To                 time.Duration // of the day, in UTC, at which it works; equal: always
	Strict                   bool          // work that is going on ends with the window
}

// priority is the place of a file in the queue; 0: the channel does not take it.
func (c *Channel) priority(size, live int64) float64 {
	if size <= c.MinSize || c.MaxSize > 0 && size > c.MaxSize {
		return 0
	}
	live = max(live, 1)
	p := float64(0)
	switch c.Priority {
	case Ratio:
		p = float64(size) / float64(live)
	case Slack:
		p = float64(size - live)
	}
	if p <= c.MinPriority || c.MaxPriority > 0 && p > c.MaxPriority {
		return 0
	}
	return p
}

// enough tells whether a database has changed enough since a sequence.
func (c *Channel) enough(seq, since uint64) bool {
	return c.MinChanges == 0 || seq >= since+c.MinChanges
}

// open tells whether the channel works at a time.
func (c *Channel) open(now time.Time) bool {
	now = now.UTC()
	at := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute
	if c.From < c.To {
		return c.From <= at && at < c.To
	}
	return c.From == c.To || at >= c.From || at < c.To
}

// find is the first channel that takes a file.
func find(channels []Channel, size, live int64) (c *Channel, priority float64) {
	for i := range channels {
		if p := channels[i].priority(size, live); p > 0 {
			return &channels[i], p
		}
	}
	return nil, 0
}

// channel finds a channel by its name.
func (s *Settings) channel(name string) *Channel {
	for _, channels := range [][]Channel{s.Databases, s.Views, s.Cleanups} {
		for i := range channels {
			if channels[i].Name == name {
				return &channels[i]
			}
		}
	}
	return nil
}

// minSize is the size up to which no channel takes a file.
func minSize(channels []Channel) int64 {
	least := int64(1<<63 - 1)
	for i := range channels {
		least = min(least, channels[i].MinSize)
	}
	return least
}
