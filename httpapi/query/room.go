package query

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
)

// Options are what a Room needs. Access, Config, Designs and Reroute must be set.
type Options struct {
	Access  *access.Access
	Config  *config.Config
	Designs *design.Cache

	// Indexes keeps the indexes of design documents. Opener opens the ones of views, and Finder
	// the ones of selectors. If all three are nil there are none, and requests that need one
	// answer 501.
	Indexes *index.Manager
	Opener  *view.Opener
	Finder  *mango.Finder

	// Reroute serves a request under another path, with the request's query. The path is
	// escaped.
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

	settings func() *settings
}

// settings are the settings for queries.
type settings struct {
	findLimit   int // documents that _find gives unless the request says otherwise
	scanWarning int // _find warns if it reads more documents than this for each match; 0: never

	queryLimit, partitionLimit int // the most rows of a query, and of one in a partition or of a partitioned view

	rewriteLimit   int  // how often one request may be rewritten
	secureRewrites bool // a rewrite stays in its database
}

func readSettings(c *config.Config, _ *settings) *settings {
	return &settings{
		findLimit: int(c.Int("mango", "default_limit")), scanWarning: int(c.Int("mango", "index_scan_warning_threshold")),
		queryLimit:     int(min(c.Int("query_server_config", "query_limit"), maxLimit)),
		partitionLimit: int(min(c.Int("query_server_config", "partition_query_limit"), maxLimit)),
		rewriteLimit:   int(c.Int("chttpd", "rewrite_limit")),
		secureRewrites: c.Bool("chttpd", "secure_rewrites"),
	}
}

// New makes a Room.
func New(opt Options) *Room {
	return &Room{
		settings: config.Follow(opt.Config, readSettings),
		access:   opt.Access, designs: opt.Designs, indexes: opt.Indexes, opener: opt.Opener, finder: opt.Finder, reroute: opt.Reroute,
	}
}
