package replicate

import (
	"sort"
	"time"

	"github.com/tododb/tododb/store/fair"
)

// key says for whom a task waits. The next task comes from the waiting user with the fewest
// running jobs, and among theirs from the database with the fewest. So thousands of documents
// or requests leave room for others.
func (t *task) key() fair.Key {
	user := t.req.User.Name
	if t.req.sharer != "" {
		user = t.req.sharer
	}
	return fair.Key{Owner: user, Name: t.req.Owner.DB}
}

// byTurn puts the task first that has waited longest since it last ran.
func byTurn(a, b *task) bool {
	if !a.started.Equal(b.started) {
		return a.started.Before(b.started)
	}
	return a.number < b.number
}

func byNextTry(a, b *task) bool { return a.nextTry.Before(b.nextTry) }

// makeRoom stops continuous jobs, beginning with those that have run longest. One-time jobs
// end by themselves. They are stopped only if there are too many, or if their user has more
// than a share while somebody with less waits. Later they continue from their checkpoints.
func (m *Manager) makeRoom(n int, alsoOnce bool, now time.Time) {
	share := max(m.set.MaxJobs/max(m.line.Owners(), 1), 1) // at least this much for each user
	kept := m.line.Short(share)
	left := map[string]int{} // by user: how many run
	over := func(t *task) bool { return kept && left[t.key().Owner] > share }
	var running []*task
	for _, t := range m.tasks {
		if t.job == nil {
			continue
		}
		if t.stopped {
			n-- // its slot will be free
			continue
		}
		left[t.key().Owner]++
		running = append(running, t)
	}
	sort.Slice(running, func(i, k int) bool {
		a, b := running[i], running[k]
		if x, y := over(a), over(b); x != y {
			return x
		}
		if a.req.Spec.Continuous != b.req.Spec.Continuous {
			return a.req.Spec.Continuous
		}
		return a.started.Before(b.started)
	})
	for _, t := range running {
		if n <= 0 {
			return
		}
		if alsoOnce || now.Sub(t.started) >= m.set.Interval && (t.req.Spec.Continuous || over(t)) {
			t.stop()
			left[t.key().Owner]--
			n--
		}
	}
}
