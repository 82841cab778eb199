package query

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
)

// Options say what the room stands on. Access, Designs and Reroute are needed.
type Options struct {
	Access  *access.Access
	Designs *design.Cache

	// Indexes keeps the indexes of design documents, Opener opens those of views, and Finder
	// those of selectors; nil, all three: there are none, and what needs one answers 501.
	Indexes *index.Manager
	Opener  *view.Opener
	Finder  *mango.Finder

	// Reroute serves a request under another path, escaped as a path is, with the query that
	// the request has.
	Reroute func(w http.ResponseWriter, r *http.Request, path string) error
}

// Room answers queries.
type Room struct {
	access  *access.Access
	designs *design.Cache
	indexes *index.Manager
	opener  *view.Opener
	finder  *mango.Finder
	reroute func(w http.ResponseWriter, r *http.Request, path string) error
}

// New makes it.
func New(opt Options) *Room {
	return &Room{
		access: opt.Access, designs: opt.Designs, indexes: opt.Indexes, opener: opt.Opener, finder: opt.Finder, reroute: opt.Reroute,
	}
}
