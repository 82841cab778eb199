package replications

import (
	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/expiry"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/smoosh"
)

// Options are what a Room needs.
type Options struct {
	Access       *access.Access
	Replicator   Replicator     // nil: there are no replications, and what needs one answers 501
	Synchronizer Synchronizer   // nil: as with Replicator, for synchronizations
	Indexes      *index.Manager // whose builds are tasks (there are none)
	Expiry       *expiry.Keeper // whose work is a task (there is none)
	Smoosh       *smoosh.Smoosh // whose compactions are tasks (there are none)
	Store        *store.Store   // whose compactions that somebody asked for are tasks
	// Members are the processes that share the storage (this one is alone).
	Members *members.Members
	// Others lists other tasks as _active_tasks shows them (there are none).
	Others func() []map[string]any
}

// Room answers requests about replications, synchronizations and tasks.
type Room struct {
	access       *access.Access
	replicator   Replicator
	synchronizer Synchronizer
	indexes      *index.Manager
	expiry       *expiry.Keeper
	smoosh       *smoosh.Smoosh
	store        *store.Store
	others       func() []map[string]any
	members      *members.Members
}

// New makes a Room.
func New(opt Options) *Room {
	a := &Room{access: opt.Access, replicator: opt.Replicator, synchronizer: opt.Synchronizer, indexes: opt.Indexes, expiry: opt.Expiry, smoosh: opt.Smoosh, store: opt.Store, others: opt.Others, members: opt.Members}
	a.members.Tell(taskNotes, a.tell)
	return a
}
