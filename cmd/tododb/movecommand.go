package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/move"
)

func moveCommand() *cobra.Command {
	var q moveRequest
	cmd := &cobra.Command{
		Use:   "move",
		Short: "Move all databases from a folder to PostgreSQL, or back",
		Long: `move brings all databases, with their indexes, from one storage into another: from the data folder of
a server to PostgreSQL, or back. A storage is a folder, postgres://USER@HOST/DATABASE, or a file that has this
URL with a password. Clients notice nothing: sequences, revisions, checkpoints, users, tokens, settings
and the server's identity are the same afterwards.

Until the move is done the databases can be read and not written: writers get a 503 and try again. Servers on
PostgreSQL go on by themselves. A folder is open to one process: stop its server, and give --listen to have
the move answer in its stead.

A move that was interrupted goes on when the same command is run again. At the end all entries of both
storages have been compared, and the target has been checked as by tododb check. From then on no server starts on
the old storage, which stays as it is; move --undo makes it a home again, with what it had then.

The target has no databases, or is what an interrupted move has left.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.out = cmd.OutOrStdout()
			if q.from == "" || q.to == "" && !q.undo && !q.dryRun {
				return usagef("--from and --to: want both")
			}
			return q.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&q.from, "from", "", "storage that has the databases")
	cmd.Flags().StringVar(&q.to, "to", "", "storage that is to have them")
	cmd.Flags().StringVar(&q.listen, "listen", "", "HOST:PORT where a folder's databases can be read meanwhile")
	cmd.Flags().StringVar(&q.config, "config", "", "with --listen: the server's file of settings")
	cmd.Flags().BoolVar(&q.dryRun, "dry-run", false, "read all that would be moved, print how much it is, and change nothing")
	cmd.Flags().BoolVar(&q.anew, "anew", false, "remove what an unfinished move has brought to the target, and begin again")
	cmd.Flags().BoolVar(&q.undo, "undo", false, "give a move up, or make the storage that --from names a home again")
	return cmd
}

// moveRequest is what the command line asks for.
type moveRequest struct {
	from, to           string
	listen, config     string
	dryRun, anew, undo bool
	out                io.Writer
	log                *slog.Logger
	began              time.Time
}

// place is a storage of a move.
type place struct {
	*folder
	dir  string // "": in PostgreSQL
	name string // without a password
}

// placeName is how a storage is called where others can read it.
func placeName(storage string) (string, error) {
	if isPostgres(storage) {
		return publicURL(storage)
	}
	info, err := os.Stat(storage)
	if err == nil && info.Mode().IsRegular() {
		line, err := firstLine(storage)
		if err != nil {
			return "", err
		}
		if !isPostgres(line) {
			return "", usagef("the first line of %s is no URL of PostgreSQL", storage)
		}
		return publicURL(line)
	}
	return filepath.Abs(storage)
}

// withoutPassword is a storage as the command line has it, for others to read.
func withoutPassword(storage string) string {
	if !isPostgres(storage) {
		return storage
	}
	public, err := publicURL(storage)
	if err != nil {
		return "SOURCE"
	}
	return public
}

// publicURL is a URL without its password.
func publicURL(storage string) (string, error) {
	u, err := url.Parse(storage)
	if err != nil {
		return "", usagef("the URL of PostgreSQL has a form that is not understood") // the error has the URL in it
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	for _, secret := range []string{"password", "sslpassword"} {
		query.Del(secret)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func (q *moveRequest) open(ctx context.Context, storage string, create bool) (p place, err error) {
	if p.name, err = placeName(storage); err != nil {
		return p, err
	}
	if info, statErr := os.Stat(storage); isPostgres(storage) || statErr == nil && info.Mode().IsRegular() {
		p.folder, err = openElsewhere(ctx, storage, q.log)
		return p, err
	}
	p.dir = storage
	p.folder, err = openOffline(ctx, storage, create, q.log)
	if errors.Is(err, errInUse) && create {
		err = fmt.Errorf("%w, a server or another move", err)
	} else if errors.Is(err, errInUse) {
		err = fmt.Errorf("%w; --listen has the move answer in its stead", err)
	}
	return p, err
}

func (q *moveRequest) run(ctx context.Context) (err error) {
	if q.log, err = newLog("auto", slog.LevelWarn); err != nil {
		return err
	}
	if q.listen != "" && !q.undo && !q.dryRun {
		return q.serving(ctx)
	}
	from, err := q.open(ctx, q.from, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	switch {
	case q.undo:
		return q.giveUp(ctx, from)
	case q.dryRun:
		return q.tell(ctx, from)
	}
	return q.move(ctx, from)
}

// serving moves the databases of a folder while they are read.
func (q *moveRequest) serving(ctx context.Context) error {
	host, port, err := hostPort("--listen", q.listen)
	if err != nil {
		return err
	}
	name, err := placeName(q.from)
	if err != nil {
		return err
	}
	if info, err := os.Stat(q.from); err != nil || !info.IsDir() {
		return usagef("--listen is for a folder; servers on PostgreSQL go on by themselves")
	}
	at := func(name string) config.Name { return config.Name{Section: "chttpd", Name: name} }
	opt := serveOptions{data: q.from, file: q.config, logFormat: "auto", flags: map[config.Name]string{
		at("bind_address"): host, at("port"): port,
	}}
	opt.beside = func(ctx context.Context, f *folder) error { return q.move(ctx, place{f, q.from, name}) }
	return serve(ctx, opt, q.out)
}

// atHome tells whether a server may start on a storage.
func atHome(ctx context.Context, f *folder, at storage, opt serveOptions, log *slog.Logger) error {
	if err := move.Home(ctx, f.engine); err != nil {
		return err
	}
	mark, err := move.MarkOf(ctx, f.engine)
	if err != nil || mark == nil || opt.beside != nil {
		return err
	}
	if at.elsewhere() { // it would have to write that it is there
		return &move.Moving{To: mark.To}
	}
	log.Warn("the databases can be read and not written: a move from here is not complete; tododb move goes on with it, tododb move --undo gives it up", "to", mark.To)
	return nil
}

// stays tells which databases have nothing that is to be moved: that of the processes that share a storage.
func stays(name string) bool { return name == store.ServerDB }

func (q *moveRequest) move(ctx context.Context, from place) (err error) {
	to, err := q.open(ctx, q.to, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if from.name == to.name {
		return usagef("--from and --to are the same")
	}
	q.began = time.Now()
	bar := newMoving(os.Stderr)
	defer bar.close()
	report, err := move.Run(ctx, move.Options{
		From: from.engine, To: to.engine, FromName: from.name, ToName: to.name, Skip: stays, Anew: q.anew, Show: bar.showMove,
		Settle: func(ctx context.Context) error {
			bar.close()
			if err := moveSettings(ctx, from, to); err != nil {
				return fmt.Errorf("settings: %w", err)
			}
			return q.check(ctx, to)
		},
	})
	bar.close()
	if err != nil {
		return q.explained(err)
	}
	took := time.Since(q.began)
	for _, index := range report.Rebuilt {
		fmt.Fprintf(q.out, "%s is damaged and stays behind: the server will build it anew\n", index)
	}
	_, err = fmt.Fprintf(q.out, "moved to %s: %s with %s and %s, %s in %s (%s/s)\nstart servers there: tododb serve %s\n", to.name,
		counted(int64(report.Databases), "database"), counted(int64(report.Indexes), "index"), counted(report.Entries, "entry"),
		humanize.Bytes(uint64(report.Bytes)), took.Round(time.Millisecond*100), humanize.Bytes(uint64(float64(report.Bytes)/took.Seconds())), q.startWith())
	return err
}

// counted is a number of things.
func counted(n int64, what string) string {
	if n != 1 {
		what = map[string]string{"database": "databases", "index": "indexes", "entry": "entries"}[what]
	}
	return humanize.Comma(n) + " " + what
}

// startWith are the arguments for a server in the new home.
func (q *moveRequest) startWith() string {
	switch name, err := placeName(q.to); {
	case err != nil:
		return ""
	case isPostgres(q.to):
		return "--storage " + name
	case isPostgres(name):
		return "--storage " + q.to
	}
	return "--data " + q.to
}

// explained says what an error means for what goes on.
func (q *moveRequest) explained(err error) error {
	moved, moving := (*move.Moved)(nil), (*move.Moving)(nil)
	switch {
	case errors.As(err, &moved), errors.As(err, &moving), errors.Is(err, move.ErrNotEmpty), errors.Is(err, move.ErrUndone), errors.Is(err, move.ErrBusy), errors.Is(err, move.ErrOther), errors.Is(err, move.ErrUnfit):
		return err
	}
	return fmt.Errorf("%w; the same command goes on where this one was, and tododb move --undo --from %s gives it up", err, withoutPassword(q.from))
}

// check is tododb check of what has arrived.
func (q *moveRequest) check(ctx context.Context, to place) error {
	names, err := to.engine.List(ctx, "", -1)
	if err != nil {
		return err
	}
	known := names[:0]
	for _, name := range names {
		if store.ValidName(name) { // what the move itself has there is none
			known = append(known, name)
		}
	}
	return checkAll(ctx, to.store, known, q.out)
}

// tell prints what would be moved.
func (q *moveRequest) tell(ctx context.Context, from place) error {
	var all move.Size
	n := 0
	err := move.Sizes(ctx, from.engine, stays, func(s move.Size) error {
		n++
		all.Entries, all.Bytes, all.Indexes, all.IndexBytes = all.Entries+s.Entries, all.Bytes+s.Bytes, all.Indexes+s.Indexes, all.IndexBytes+s.IndexBytes
		_, err := fmt.Fprintf(q.out, "%s: %s, %s; %s, %s\n", s.Name, counted(s.Entries, "entry"), humanize.Bytes(uint64(s.Bytes)), counted(int64(s.Indexes), "index"), humanize.Bytes(uint64(s.IndexBytes)))
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(q.out, "%s with %s and %s would be moved: %s; nothing has been changed\n", counted(int64(n), "database"),
		counted(int64(all.Indexes), "index"), counted(all.Entries, "entry"), humanize.Bytes(uint64(all.Bytes+all.IndexBytes)))
	return err
}

// giveUp makes the old home a home again.
func (q *moveRequest) giveUp(ctx context.Context, from place) error {
	mark, err := move.Undo(ctx, from.engine)
	switch {
	case err != nil:
		return err
	case mark == nil:
		_, err = fmt.Fprintf(q.out, "nothing moves away from %s\n", from.name)
	case mark.Moved:
		_, err = fmt.Fprintf(q.out, "%s is a home again, as it was on %s; what was written to %s since then is not here\n", from.name, mark.Began.Format(time.RFC3339), mark.To)
	default:
		_, err = fmt.Fprintf(q.out, "%s stays the home; remove what has arrived at %s, or move there again\n", from.name, mark.To)
	}
	return err
}

// moveSettings takes along what a server keeps beside its databases, and processes that share a storage keep
// in it: its identity, the secret of its sessions, its administrators and settings.
func moveSettings(ctx context.Context, from, to place) error {
	values, err := settingsOf(ctx, from)
	if err != nil || len(values) == 0 {
		return err
	}
	if to.dir != "" {
		cfg, err := config.Open(config.Options{Local: filepath.Join(to.dir, "local.ini")})
		if err != nil {
			return err
		}
		return cfg.PutAll(values)
	}
	if err := to.store.Create(ctx, store.ServerDB); err != nil && !errors.Is(err, store.ErrDBExists) {
		return err
	}
	records, err := serverRecords(ctx, to.store)
	if err != nil {
		return err
	}
	defer records.Release()
	shared := &sharedSettings{ctx, records}
	_, err = shared.Change(func(all map[config.Name]string) bool {
		clear(all)
		for n, value := range values {
			all[n] = value
		}
		return true
	})
	return err
}

func settingsOf(ctx context.Context, from place) (map[config.Name]string, error) {
	if from.dir != "" {
		cfg, err := config.Open(config.Options{Local: filepath.Join(from.dir, "local.ini")})
		if err != nil {
			return nil, err
		}
		return cfg.Common(), nil
	}
	records, err := serverRecords(ctx, from.store)
	if errors.Is(err, store.ErrNoDB) { // no server has been there
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer records.Release()
	common, err := (&sharedSettings{ctx, records}).Read()
	return common.Values, err
}

// serverRecords opens what processes that share a storage have in common. The error may be ErrNoDB.
func serverRecords(ctx context.Context, st *store.Store) (store.Bare, error) {
	return st.Bare(ctx, store.ServerDB, store.ForMembers)
}

// showMove shows how far a move is.
func (m *moving) showMove(p move.Progress) {
	if m.bar == nil {
		return
	}
	m.bar.Describe(fmt.Sprintf("%s (%d of %d), %s compared", cmp.Or(p.Database, "all"), min(p.Done+1, p.All), p.All, humanize.Bytes(uint64(p.Proved))))
	m.bar.Set64(p.Bytes)
}
