package replications

import (
	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/store/index"
)

// Options say what a Room stands on.
type Options struct {
	Access       *access.Access
	Replicator   Replicator     // nil: there are no replications, and what needs one answers 501
	Synchronizer Synchronizer   // nil: as with Replicator, for synchronizations
	Indexes      *index.Manager // whose builds are tasks (there are none)
}

// Room answers what is asked about replications, synchronizations and tasks.
type Room struct {
	access       *access.Access
	replicator   Replicator
	synchronizer Synchronizer
	indexes      *index.Manager
}

// New makes it.
func New(opt Options) *Room {
	return &Room{access: opt.Access, replicator: opt.Replicator, synchronizer: opt.Synchronizer, indexes: opt.Indexes}
}
