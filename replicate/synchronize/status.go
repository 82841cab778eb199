package synchronize

import (
	"maps"
	"slices"
	"time"
)

// States.
const (
	running   = "running"
	waiting   = "waiting"   // for the next time
	retrying  = "retrying"  // after an error
	paused    = "paused"    // by its user
	completed = "completed" // a one-time one that is done
	failed    = "failed"    // a one-time one that was given up
)

// maxConflicts is how many documents in conflict are kept in mind.
const maxConflicts = 1000

// status is how a synchronization is getting on: its local document.
type status struct {
	State     string              `json:"state"`
	Runs      int                 `json:"runs"` // that have ended well
	Started   *time.Time          `json:"started,omitempty"`
	Finished  *time.Time          `json:"finished,omitempty"` // the last run
	NextTry   *time.Time          `json:"next_try,omitempty"`
	LastError *failure            `json:"last_error,omitempty"`
	Progress  map[string]progress `json:"progress"` // by direction
	// ConflictsMet counts documents that were in conflict after this synchronization had
	// written them; those that still are may be among Conflicts.
	ConflictsMet int             `json:"conflicts_met"`
	Conflicts    map[string]bool `json:"conflicts"`
}

// progress is that of one direction.
type progress struct {
	DocsWritten    int64      `json:"docs_written"`
	WriteFailures  int64      `json:"doc_write_failures"`
	SourceSeq      string     `json:"source_seq,omitempty"` // read so far
	Pending        *int64     `json:"changes_pending"`
	CheckpointedAt *time.Time `json:"checkpointed_at,omitempty"`
}

type failure struct {
	Direction string    `json:"direction"`
	Reason    string    `json:"reason"`
	At        time.Time `json:"at"`
}

func newStatus(state string) status {
	return status{State: state, Progress: map[string]progress{}, Conflicts: map[string]bool{}}
}

// clone copies what other goroutines may change.
func (s *status) clone() status {
	c := *s
	c.Progress = maps.Clone(s.Progress)
	c.Conflicts = maps.Clone(s.Conflicts)
	return c
}

func (s *status) moved() (n int64) {
	for _, p := range s.Progress {
		n += p.DocsWritten
	}
	return n
}

// conflictIDs are the documents in mind, in order.
func (s *status) conflictIDs() []string { return slices.Sorted(maps.Keys(s.Conflicts)) }

// meet takes in which of some documents are in conflict, and tells whether that is news.
func (s *status) meet(inConflict map[string]bool) (news bool) {
	for id, is := range inConflict {
		switch {
		case !is:
			delete(s.Conflicts, id)
		case !s.Conflicts[id]:
			news = true
			s.ConflictsMet++
			if len(s.Conflicts) < maxConflicts {
				s.Conflicts[id] = true
			}
		}
	}
	return news
}
