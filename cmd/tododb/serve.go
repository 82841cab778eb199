package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/logging"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/peruser"
	"github.com/tododb/tododb/httpapi/snapshot"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/replicate/synchronize"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/disk"
	"github.com/tododb/tododb/store/expiry"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/smoosh"
	"github.com/tododb/tododb/store/updates"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Start the server",
		Long: `serve starts the server and runs until SIGTERM or SIGINT, which stop it in an orderly
way. A second signal ends it at once.

COUCHDB_USER and COUCHDB_PASSWORD name an administrator. If there is none, the first
start creates one called admin and prints its password.

--preset makes the server right for PouchDB or RxDB in a web page, or for LiveSync, Obsidian's
plugin: settings that nobody sets have the values that the client needs, and the first start
makes a database and a user, and prints what the client asks for.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := serveFlags(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), opt, cmd.OutOrStdout())
		},
	}
	addServeFlags(cmd)
	return cmd
}

// serve runs a server until ctx ends. It stops the parts in the order of their dependencies:
// replications, answers, indexes, databases.
func serve(ctx context.Context, opt serveOptions, out io.Writer) (err error) {
	hungUp := hangups()
	start, err := prepare(ctx, opt, out)
	if err != nil {
		return err
	}
	cfg, log := start.cfg, start.log
	defer func() { err = errors.Join(err, start.logs.Close()) }()
	limitMemory(cfg, log)
	defer start.listening.close()
	figures := metrics.New()
	guard := disk.New(disk.Options{Folder: opt.data, Log: log})
	cfg.Watch(func() { guard.SetThresholds(diskThresholds(cfg)) })
	f, err := locked{dir: opt.data, at: start.at, lock: start.lock, cfg: cfg, figures: figures, noRoom: guard.NoRoomForWrites, log: log}.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := atHome(ctx, f, start.at, opt, log); err != nil {
		return err
	}
	if start.at.elsewhere() {
		if err := start.join(ctx, f, out); err != nil {
			return err
		}
	}

	trail, err := openTrail(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trail.Close()) }()
	work := startChores(ctx)
	defer work.stop()
	// alone starts work that one process does at a time, of those that share the storage.
	alone := func(name string, do func(context.Context)) {
		work.run(func(ctx context.Context) { f.members.While(ctx, name, do) })
	}
	reload := func() error {
		if err := cfg.Reload(); err != nil {
			return err
		}
		if err := trail.Open(cfg.String("audit", "file")); err != nil { // again, because it may have been renamed
			return err
		}
		if err := start.logs.Reopen(logPlace(cfg, opt.data)); err != nil {
			return err
		}
		return administrators(cfg, out)
	}
	if start.cert != nil {
		work.run(func(ctx context.Context) { start.cert.keep(ctx, lookEvery, log) })
	}
	work.run(func(ctx context.Context) { reloadOnHangup(ctx, hungUp, reload, log) })
	work.run(newResting().run)

	traces, err := openTracing(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer closeTracing(ctx, traces, log)
	happened := updates.Open(ctx, updates.Options{Store: f.store, Log: log, Members: f.members})
	defer func() { err = errors.Join(err, happened.Close()) }()
	functions, err := workers(cfg, opt.data, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, functions.Close()) }()
	functionFigures(figures, functions)
	designs := design.NewCache(f.store, functions)
	var keeper *smoosh.Smoosh // set before an index can be built
	indexes := index.NewManager(ctx, index.Options{
		Store: f.store, Log: log, Scratch: filepath.Join(opt.data, "scratch"), Members: f.members,
		NoRoom: guard.NoRoomForQueries, NoRoomBehind: guard.NoRoomForBackground,
		Built: func(db, signature string) { keeper.Built(db, signature) },
	})
	defer func() { err = errors.Join(err, indexes.Close()) }()
	indexFigures(figures, indexes)
	keeper = upkeep(cfg, opt.data, guard, designs, smoosh.Options{Store: f.store, Indexes: indexes, Log: log})
	upkeepFigures(figures, keeper, guard)
	keeping := startChores(ctx)
	defer keeping.stop()
	keeping.run(func(ctx context.Context) { f.members.While(ctx, "upkeep", keeper.Run) })
	ends := expiry.New(expiry.Options{
		Store: f.store, Log: log, Floor: indexes.Building,
		Every: func() time.Duration { return cfg.Duration("tombstones", "interval") },
		Spare: func(db string) bool { return db == cfg.String("chttpd_auth", "authentication_db") },
	})
	expiryFigures(figures, ends)
	alone("tombstones", ends.Run)

	views := view.NewOpener(indexes, compilers(functions))
	filters := &filter.Opener{Designs: designs, Views: views, Finder: mango.NewFinder(indexes, designs)}

	spool, err := intake.OpenSpool(filepath.Join(opt.data, "spool"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	shared := wire.NewShared(wire.SharedOptions{Config: cfg, Log: log, Spool: spool, Audited: trail.On, Faults: fault.Of})
	rights, err := access.New(access.Options{Store: f.store, Config: cfg, Log: log, Shared: shared, Designs: designs})
	if err != nil {
		return err
	}

	trust, err := replicatorTLS(cfg)
	if err != nil {
		return err
	}
	manager, err := replicate.NewManager(ctx, replicate.Options{
		Store: f.store, Filters: filters, Server: cfg.String("couchdb", "uuid"), Log: log, Settings: replicatorSettings(cfg), TLS: trust, Members: f.members, Node: wire.NodeName(f.members.Name()),
		Open: rights.OpenFor, IsAdmin: rights.IsAdmin, Allowed: rights.Allowed, Origin: wire.Origin,
		Wrap: func(next http.RoundTripper) http.RoundTripper { return wire.Outgoing(next, traces.Tracer()) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()
	replicationFigures(figures, manager)
	synchronizer, err := synchronize.Open(ctx, synchronize.Options{Store: f.store, Replicator: manager, Members: f.members, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, synchronizer.Close()) }()

	snapshots, err := snapshot.OpenFiles(snapshot.FilesOptions{Dir: filepath.Join(opt.data, "snapshots"), Config: cfg, Log: log, Full: guard.NoRoomForQueries})
	if err != nil {
		return err
	}
	work.run(func(ctx context.Context) { snapshots.Run(ctx, f.store) })
	snapshotFigures(figures, snapshots)

	backups := newBackupKeeper(cfg, opt.data, spool, f, log)
	backupFigures(figures, backups)
	history := metrics.NewHistory(figures)
	work.run(history.Run)
	api, err := httpapi.New(httpapi.Options{
		Store: f.store, Log: log, Lines: logging.Later(log), Version: version, FirstAdmin: start.printed,
		UUID: f.uuid, Config: cfg, Reload: reload, Metrics: figures, History: history, Tail: start.logs, Health: healthOf(cfg, opt.data).Look, Trail: trail, Tracer: traces.Tracer(),
		Replicator: manager, Synchronizer: synchronizer, Smoosh: keeper, Keeper: backups, Members: f.members,
		Access: rights, Spool: spool, Snapshots: snapshots, Updates: happened, Indexes: indexes, Expiry: ends, Views: views, Finder: filters.Finder, Designs: designs,
	})
	if err != nil {
		return err
	}
	// One process at a time: the first one makes what a new server has.
	f.members.While(ctx, "first start", func(ctx context.Context) {
		if err = reread(cfg, f.members); err == nil {
			err = rights.CreateSystemDatabases(ctx)
		}
		if err == nil {
			err = start.preset(ctx, f.store, rights, out)
		}
	})
	if err != nil {
		return err
	}
	alone("couch_peruser", func(ctx context.Context) { peruser.Run(ctx, peruser.Options{Store: f.store, Config: cfg, Log: log}) })
	if start.listening.figures != nil {
		work.run(func(ctx context.Context) { start.serveFigures(ctx, api.Figures()) })
	}
	alone("backups", backups.Run)
	synchronizer.Start()
	cfg.Watch(func() { manager.SetSettings(replicatorSettings(cfg)) })
	if err := manager.FollowDocuments(); err != nil {
		return err
	}
	stop := &stopping{
		replications: func() error { return errors.Join(synchronizer.Close(), manager.Close()) },
		api:          api, builds: indexes.Close, log: log,
	}
	if opt.beside != nil {
		var wait func() error
		ctx, wait = besides(ctx, func(ctx context.Context) error { return opt.beside(ctx, f) })
		defer func() { err = errors.Join(err, wait()) }()
	}
	if start.first {
		return start.answer(ctx, api, stop, out)
	}
	ctx, handler, settled := settle(ctx, api, cfg, out)
	return errors.Join(start.answer(ctx, handler, stop, out), settled())
}

// besides runs something beside a server, which is to end with it: the context does. wait stops it, if it still
// runs, and returns its error.
func besides(ctx context.Context, do func(context.Context) error) (_ context.Context, wait func() error) {
	doing, stop := context.WithCancel(ctx)
	over, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- do(doing)
		end()
	}()
	return over, func() error {
		stop()
		defer end()
		return <-ended
	}
}
