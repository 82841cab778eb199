package changes

import (
	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
)

// Room answers requests about changes.
type Room struct {
	access  *access.Access
	store   *store.Store // its events, and the names of its databases
	filters *filter.Opener
}

// New makes a Room.
func New(a *access.Access, s *store.Store, filters *filter.Opener) *Room {
	return &Room{access: a, store: s, filters: filters}
}
