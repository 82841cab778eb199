package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/uuids"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/smoosh"
)

// Options are what a Room needs. All but Reload, Smoosh, Keeper and Log must be set.
type Options struct {
	Access  *access.Access
	Store   *store.Store
	Config  *config.Config
	Metrics *metrics.Metrics
	IDs     *uuids.Source
	Version string // of tododb
	UUID    string // of the server

	// Reload reads the files of Config again (Config.Reload), and does what else must be done then.
	Reload func() error

	// RenewFunctions has functions that are called from now on run in new processes.
	RenewFunctions func()

	// Smoosh compacts without being asked to (nil: nothing does).
	Smoosh *smoosh.Smoosh
	// Keeper backs the server up by itself (nobody does).
	Keeper Keeper
	// History has the figures of the last hour.
	History *metrics.History
	// Log has the last lines of the log (there are none).
	Log LogTail

	// Members are the processes that share the storage (this one is alone).
	Members *members.Members

	// Health looks at the data folder (there is none).
	Health Look

	// CompactIndex starts to compact the index of a design document, given its name.
	CompactIndex func(r *http.Request, db *store.DB, design string) error
}

// Room answers requests of operators about the server and its databases.
type Room struct {
	access       *access.Access
	store        *store.Store
	config       *config.Config
	metrics      *metrics.Metrics
	uuids        *uuids.Source
	version      string
	uuid         string
	reload       func() error
	renew        func()
	smoosh       *smoosh.Smoosh
	keeper       Keeper
	history      *metrics.History
	log          LogTail
	health       Look
	members      *members.Members
	compactIndex func(r *http.Request, db *store.DB, design string) error
	settings     func() *settings
}

// New makes a Room.
func New(opt Options) *Room {
	o := &Room{
		access: opt.Access, store: opt.Store, config: opt.Config, metrics: opt.Metrics, uuids: opt.IDs,
		version: opt.Version, uuid: opt.UUID, reload: opt.Reload, renew: opt.RenewFunctions, smoosh: opt.Smoosh, keeper: opt.Keeper, history: opt.History, log: opt.Log, health: opt.Health, members: opt.Members, compactIndex: opt.CompactIndex,
		settings: config.Follow(opt.Config, readSettings),
	}
	if o.reload == nil {
		o.reload = o.config.Reload
	}
	o.tellUpkeep()
	for kind, answer := range o.ofSelf() {
		o.members.Answer(kind, answer)
	}
	return o
}

// settings are the settings that the room itself reads.
type settings struct {
	usersSecurity bool   // the security object of _users may be changed
	maxUUIDs      int    // the most that GET /_uuids gives at once
	upState       string // the state that _up answers instead of ok; "": none
	vendorNames   map[string]string
	flags         map[string]string // of features
	maxInfoKeys   int               // the most databases in one POST /_dbs_info
}

func readSettings(c *config.Config, _ *settings) *settings {
	return &settings{
		usersSecurity: c.Bool("couchdb", "users_db_security_editable"),
		maxUUIDs:      int(c.Int("uuids", "max_count")),
		maxInfoKeys:   int(c.Int("chttpd", "max_db_number_for_dbs_info_req")),
		upState:       upStates[c.String("couchdb", "maintenance_mode")],
		vendorNames:   c.Section("vendor"),
		flags:         c.Section("feature_flags"),
	}
}
