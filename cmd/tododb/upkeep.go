package main

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/disk"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/smoosh"
)

// databaseChores are what is done in databases besides compaction. Attachments that nothing refers to are kept
// for a day.
var databaseChores = []smoosh.Chore{
	{Name: "sweep", Every: time.Hour, After: 25 * time.Hour, Run: func(ctx context.Context, db store.Bare) error { return db.Sweep(ctx) }},
}

// upkeep makes the owner of all that is done to files without being asked for. opt has the rest.
func upkeep(cfg *config.Config, data string, guard *disk.Guard, designs *design.Cache, opt smoosh.Options) *smoosh.Smoosh {
	opt.State = filepath.Join(data, "upkeep.json")
	opt.Chores = databaseChores
	opt.Free = func() (int64, error) {
		space, err := guard.Space()
		return int64(min(space.Free, math.MaxInt64)), err
	}
	opt.Clean = func(ctx context.Context, db store.Bare) (left bool, err error) {
		docs, err := designs.All(ctx, db.Unguarded())
		if err != nil {
			return false, err
		}
		wanted := mango.Wanted(docs)
		if err := opt.Indexes.Cleanup(ctx, db.Unguarded(), func(signature string) bool { return wanted[signature] }); err != nil {
			return false, err
		}
		there, err := opt.Indexes.Signatures(ctx, db.Unguarded())
		return slices.ContainsFunc(there, func(signature string) bool { return !wanted[signature] }), err
	}
	s := smoosh.New(opt, smooshSettings(cfg))
	cfg.Watch(func() { s.SetSettings(smooshSettings(cfg)) })
	return s
}

// smooshSettings reads [smoosh] and the sections of its channels.
func smooshSettings(cfg *config.Config) smoosh.Settings {
	ignored := cfg.Section("smoosh.ignore")
	return smoosh.Settings{
		Enabled:   cfg.Bool("smoosh", "enable"),
		Wait:      cfg.Duration("smoosh", "wait_secs"),
		Staleness: time.Duration(cfg.Int("smoosh", "staleness")) * time.Minute,
		Rate:      cfg.Int("smoosh", "max_rate"),
		Ignore:    func(db string) bool { return ignored[db] == "true" },
		Databases: smooshChannels(cfg, cfg.List("smoosh", "db_channels"), "ratio_dbs", "slack_dbs"),
		Views:     smooshChannels(cfg, cfg.List("smoosh", "view_channels"), "ratio_views", "slack_views"),
		Cleanups:  smooshChannels(cfg, cfg.List("smoosh", "cleanup_channels"), "index_cleanup"),
	}
}

// smooshChannels reads the channels of one kind: CouchDB's own and an operator's, in the order of their
// names, as CouchDB has them.
func smooshChannels(cfg *config.Config, names []string, own ...string) (channels []smoosh.Channel) {
	names = append(slices.Clone(names), own...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if strings.HasPrefix(name, "upgrade_") {
			continue // there is nothing to upgrade
		}
		channels = append(channels, smooshChannel(cfg, name))
	}
	return channels
}

func smooshChannel(cfg *config.Config, name string) smoosh.Channel {
	section := "smoosh." + name
	ch := smoosh.Channel{
		Name:        name,
		Concurrency: int(cfg.Int(section, "concurrency")),
		Capacity:    int(cfg.Int(section, "capacity")),
		From:        timeOfDay(cfg.String(section, "from")),
		To:          timeOfDay(cfg.String(section, "to")),
	}
	if name == "index_cleanup" {
		return ch
	}
	ch.Priority = smoosh.Priority(cfg.String(section, "priority"))
	ch.MinPriority = cfg.Float(section, "min_priority")
	if cfg.String(section, "min_priority") == "" {
		ch.MinPriority = map[smoosh.Priority]float64{smoosh.Ratio: 2, smoosh.Slack: 512 << 20}[ch.Priority]
	}
	ch.MaxPriority = cfg.Float(section, "max_priority")
	ch.MinSize = cfg.Int(section, "min_size")
	ch.MaxSize = cfg.Int(section, "max_size")
	ch.MinChanges = uint64(cfg.Int(section, "min_changes"))
	ch.Strict = cfg.Bool(section, "strict_window")
	return ch
}

func timeOfDay(text string) time.Duration {
	at, err := time.Parse("15:04", text)
	if err != nil {
		return 0 // the settings have refused it
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
}

// diskThresholds reads [disk_monitor].
func diskThresholds(cfg *config.Config) disk.Thresholds {
	of := func(name string) float64 { return float64(cfg.Int("disk_monitor", name)) }
	return disk.Thresholds{
		Enabled:    cfg.Bool("disk_monitor", "enable"),
		Background: of("background_view_indexing_threshold"),
		Queries:    of("interactive_view_indexing_threshold"),
		Writes:     of("interactive_database_writes_threshold"),
	}
}
