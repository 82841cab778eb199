package synchronize

import (
	"context"
	"time"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// Show returns a synchronization as JSON, and the revision of its definition. The revision
// does not change with the status.
func (s *Synchronizer) Show(ctx context.Context, db, id string) (body []byte, rev string, err error) {
	x, err := s.find(ctx, db, id)
	if err != nil {
		return nil, "", err
	}
	if err := x.refresh(ctx); err != nil {
		return nil, "", err
	}
	if err := x.settleConflicts(ctx); err != nil {
		return nil, "", err
	}
	d, at, st := x.shown()
	remote, err := d.remote()
	if err != nil {
		return nil, "", err
	}
	type conflictList struct {
		Met int      `json:"met"`
		IDs []string `json:"ids"`
	}
	shown := struct {
		ID           string    `json:"id"`
		Rev          string    `json:"rev"`
		DB           string    `json:"db"`
		Remote       string    `json:"remote"`
		Direction    string    `json:"direction"`
		Continuous   bool      `json:"continuous"`
		Schedule     *schedule `json:"schedule"`
		Paused       bool      `json:"paused"`
		CreateRemote bool      `json:"create_remote,omitempty"`
		filter
		Owner     string       `json:"owner"`
		Created   time.Time    `json:"created"`
		State     string       `json:"state"`
		Runs      int          `json:"runs"`
		Started   *time.Time   `json:"started"`
		Finished  *time.Time   `json:"finished"`
		NextTry   *time.Time   `json:"next_try"`
		LastError *failure     `json:"last_error"`
		Moved     int64        `json:"documents_moved"`
		Pull      *progress    `json:"pull,omitempty"`
		Push      *progress    `json:"push,omitempty"`
		Conflicts conflictList `json:"conflicts"`
	}{
		ID: id, Rev: at.String(), DB: d.DB, Remote: remote.Name(), Direction: d.Direction, Continuous: d.Continuous, Schedule: d.Schedule,
		Paused: d.Paused, CreateRemote: d.CreateRemote, filter: d.filter, Owner: d.Owner.Name, Created: d.Created,
		State: st.State, Runs: st.Runs, Started: st.Started, Finished: st.Finished, NextTry: st.NextTry, LastError: st.LastError,
		Moved: st.moved(), Conflicts: conflictList{st.ConflictsMet, st.conflictIDs()},
	}
	for _, direction := range d.directions() {
		p := st.Progress[direction]
		if direction == pull {
			shown.Pull = &p
		} else {
			shown.Push = &p
		}
	}
	if shown.Conflicts.IDs == nil {
		shown.Conflicts.IDs = []string{}
	}
	return replicate.Marshal(shown), shown.Rev, nil
}

// settleConflicts forgets the conflicts that have been resolved.
func (x *synchronization) settleConflicts(ctx context.Context) error {
	x.mu.Lock()
	ids := x.status.conflictIDs()
	x.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	db, err := x.s.opt.Store.Bare(ctx, x.db, store.ForSynchronizations)
	if err != nil {
		return err
	}
	defer db.Release()
	return x.look(ctx, db, ids, func(s *status, found map[string]bool) {
		for id, is := range found {
			if !is {
				delete(s.Conflicts, id)
			}
		}
	})
}
