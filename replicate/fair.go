package replicate

import (
	"sort"
	"time"
)

// line is where tasks wait for their turn: those of a user that come from one database.
type line struct{ user, db string }

func (t *task) line() line {
	user := t.req.User.Name
	if t.req.sharer != "" {
		user = t.req.sharer
	}
	return line{user, t.req.Owner.DB}
}

// count takes in that a task runs, or does not any more.
func (m *Manager) count(t *task, n int) {
	at := t.line()
	for _, key := range []line{at, {user: at.user, db: anyDB}} {
		if m.runningOf[key] += n; m.runningOf[key] == 0 {
			delete(m.runningOf, key)
		}
	}
}

// anyDB stands for all databases of a user in counts; no database is called so.
const anyDB = "*"

// runs is how many jobs of a user run.
func (m *Manager) runs(user string) int { return m.runningOf[line{user, anyDB}] }

// nextInLine takes a task out of the line of the user who has the fewest jobs running, and
// among his of the database that has, so that thousands of documents, or of requests,
// leave room for others.
func (m *Manager) nextInLine() *task {
	var best *task
	var at line
	for key, q := range m.lines {
		t := q.first()
		if t == nil {
			delete(m.lines, key)
			continue
		}
		if best == nil || m.before(key, t, at, best) {
			best, at = t, key
		}
	}
	if best != nil {
		best.leave()
	}
	return best
}

func (m *Manager) before(a line, first *task, b line, second *task) bool {
	if x, y := m.runs(a.user), m.runs(b.user); x != y {
		return x < y
	}
	if x, y := m.runningOf[a], m.runningOf[b]; x != y {
		return x < y
	}
	return byTurn(first, second)
}

// share is how many jobs each of the users may have at least: those who run any, or wait.
func (m *Manager) share() int {
	users := map[string]bool{}
	for key := range m.runningOf {
		users[key.user] = true
	}
	for key, q := range m.lines {
		if q.Len() > 0 {
			users[key.user] = true
		}
	}
	return max(m.set.MaxJobs/max(len(users), 1), 1)
}

// kept tells whether somebody waits who has less than his share.
func (m *Manager) kept(share int) bool {
	for key, q := range m.lines {
		if q.Len() > 0 && m.runs(key.user) < share {
			return true
		}
	}
	return false
}

// makeRoom stops continuous jobs, those that have run longest first. One-time jobs come
// to their end by themselves; they are stopped only if there are too many, or if their
// user has more than his share and somebody who has less waits: they go on from their
// checkpoints.
func (m *Manager) makeRoom(n int, alsoOnce bool, now time.Time) {
	share := m.share()
	kept := m.kept(share)
	left := map[string]int{} // by user: how many run
	over := func(t *task) bool { return kept && left[t.line().user] > share }
	var running []*task
	for _, t := range m.tasks {
		if t.job == nil {
			continue
		}
		if t.stopped {
			n-- // its slot will be free
			continue
		}
		left[t.line().user]++
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
			left[t.line().user]--
			n--
		}
	}
}
