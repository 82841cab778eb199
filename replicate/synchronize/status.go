package synchronize

import (
	"maps"
	"slices"
	"time"
)

// States.
const (
	running   = "running"
	waiting   = "waiting"   // for the next run
	retrying  = "retrying"  // after an error
	paused    = "paused"    // by its user
	completed = "completed" // ran once and is done
	failed    = "failed"    // was to run once and has been given up
)

// maxConflicts is how many documents in conflict are remembered.
const maxConflicts = 1000

// status says how a synchronization is doing. It is stored as a local document.
type status struct {
	Rev       string              `json:"rev,omitempty"`   // of the definition that it is about; "": of the newest
	Token     uint64              `json:"token,omitempty"` // greater for each process that has run it
	State     string              `json:"state"`
	Runs      int                 `json:"runs"` // successful ones
	Started   *time.Time          `json:"started,omitempty"`
	Finished  *time.Time          `json:"finished,omitempty"` // the last run
	NextTry   *time.Time          `json:"next_try,omitempty"`
	LastError *failure            `json:"last_error,omitempty"`
	Progress  map[string]progress `json:"progress"` // by direction
	// ConflictsMet counts documents that were in conflict after this synchronization had
	// written them. Conflicts has those that still are, up to maxConflicts.
	ConflictsMet int             `json:"conflicts_met"`
	Conflicts    map[string]bool `json:"conflicts"`
}

// progress is the progress in one direction.
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

// clone makes a copy that other goroutines do not change.
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

// conflictIDs returns the ids of the remembered documents in order.
func (s *status) conflictIDs() []string { return slices.Sorted(maps.Keys(s.Conflicts)) }

// meet notes which of some documents are in conflict, and tells whether any are new.
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
