package synchronize

import (
	"cmp"
	"slices"
)

// Place says where a synchronization is.
type Place struct {
	DB string // its database's name
	ID string
}

// All returns the synchronizations of the whole server, oldest first. Some may be of a database
// that has been deleted meanwhile.
func (s *Synchronizer) All() []Place {
	if err := s.catchUp(s.ctx); err != nil && s.ctx.Err() == nil {
		s.opt.Log.Warn("cannot read the synchronizations of other processes", "error", err)
	}
	s.mu.Lock()
	all := make([]*synchronization, 0, len(s.all))
	for _, x := range s.all {
		all = append(all, x)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(x, y *synchronization) int {
		return cmp.Or(x.created.Compare(y.created), cmp.Compare(x.id, y.id))
	})
	places := make([]Place, len(all))
	for i, x := range all {
		places[i] = Place{x.db, x.id}
	}
	return places
}
