package changes

import (
	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/updates"
)

// Room answers requests about changes.
type Room struct {
	access  *access.Access
	store   *store.Store
	updates *updates.Log // nil: _db_updates answers 501
	filters *filter.Opener
}

// New makes a Room.
func New(a *access.Access, s *store.Store, u *updates.Log, filters *filter.Opener) *Room {
	return &Room{access: a, store: s, updates: u, filters: filters}
}
