package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/move"
)

// dataFlag gives a command the flag for its data folder.
func dataFlag(cmd *cobra.Command) {
	cmd.Flags().String("data", "./data", "folder of the databases [TODODB_DATA]")
}

// offlineCommand makes a command for databases in a folder that no server has open.
// asItIs says that it only reads.
func offlineCommand(use, short, long string, asItIs bool, work func(ctx context.Context, st *store.Store, names []string, out io.Writer) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use + " [DB...]",
		Short: short,
		Long:  long,
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			if err := errors.Join(fromEnv(cmd, "data", "TODODB_DATA"), fromEnv(cmd, "storage", "TODODB_STORAGE")); err != nil {
				return err
			}
			dir, _ := cmd.Flags().GetString("data")
			url, _ := cmd.Flags().GetString("storage")
			log, err := newLog("auto", slog.LevelWarn)
			if err != nil {
				return err
			}
			var f *folder
			if url != "" {
				f, err = openElsewhere(cmd.Context(), url, log)
			} else {
				f, err = openFor(cmd.Context(), dir, false, asItIs, log)
			}
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			if err := arrived(cmd.Context(), f.engine); err != nil {
				return err
			}
			if len(names) == 0 {
				if names, err = allNames(cmd.Context(), f.store); err != nil {
					return err
				}
			}
			return work(cmd.Context(), f.store, names, cmd.OutOrStdout())
		},
	}
	dataFlag(cmd)
	storageFlag(cmd)
	return cmd
}

// arrived tells whether a storage has what belongs there: what a move has brought so far is no whole of anything.
func arrived(ctx context.Context, eng engine.Engine) error {
	err := move.Home(ctx, eng)
	if errors.Is(err, move.ErrArriving) {
		return fmt.Errorf("%w; nothing was looked at, because what has come so far is a part of what is to be here", err)
	}
	return nil // what else may be wrong is no reason not to look
}

func allNames(ctx context.Context, st *store.Store) ([]string, error) {
	var all []string
	for after := ""; ; {
		page, err := st.Names(ctx, after, 1000)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
		after = page[len(page)-1]
	}
}

// withDB opens a database for the length of a call.
func withDB(ctx context.Context, st *store.Store, name string, work func(store.Bare) error) error {
	db, err := st.Bare(ctx, name, store.ForUpkeep)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer db.Release()
	if err := work(db); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func checkCommand() *cobra.Command {
	return offlineCommand("check", "Look for damage in databases",
		`check reads every page and record of the named databases, or of all, and every page of
their indexes, and reports what is wrong. It changes nothing. The server rebuilds damaged
indexes, and those that belong to another database or to another state of it. No server may have the folder open;
servers may use a --storage meanwhile.`,
		true, checkAll)
}

// checkAll checks databases, and prints what is wrong.
func checkAll(ctx context.Context, st *store.Store, names []string, out io.Writer) error {
	problems, bad := 0, 0
	var failed []error
	for _, name := range names {
		before := problems
		say := func(problem any) {
			problems++
			fmt.Fprintf(out, "%s: %v\n", name, problem)
		}
		err := withDB(ctx, st, name, func(db store.Bare) error {
			if err := db.Check(ctx, func(problem string) { say(problem) }); err != nil {
				return err
			}
			return index.Check(ctx, db, func(index, why string) {
				say(fmt.Sprintf("index %s does not belong here: %s; the server will build it anew", index, why))
			})
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrDamaged):
			say(strings.TrimPrefix(err.Error(), name+": "))
		case err != nil: // go on with the others
			failed = append(failed, err)
		}
		if problems > before {
			bad++
		}
	}
	if problems > 0 {
		damaged := fmt.Errorf("%w: databases checked: %d, damaged: %d, problems: %d", errDamaged, len(names), bad, problems)
		return errors.Join(append([]error{damaged}, failed...)...)
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	_, err := fmt.Fprintf(out, "databases checked: %d, problems: 0\n", len(names))
	return err
}

func compactCommand() *cobra.Command {
	return offlineCommand("compact", "Free the space of data that is no longer needed",
		`compact drops the bodies of revisions that are no longer leaves, and attachments that
nothing has referred to for a day. It rewrites the files of the named databases, or of
all, and of their indexes. It removes damaged indexes; the server rebuilds them. No
server may have the folder open; servers may use a --storage meanwhile, where vacuum does the rest. A running server compacts for POST /DB/_compact.`,
		false, func(ctx context.Context, st *store.Store, names []string, out io.Writer) error {
			for _, name := range names {
				err := withDB(ctx, st, name, func(db store.Bare) error {
					before, err := db.Info(ctx)
					if err != nil {
						return err
					}
					if err := errors.Join(db.Sweep(ctx), db.Compact(ctx)); err != nil {
						return err
					}
					err = db.CompactSubs(ctx, func(index string, why error) {
						fmt.Fprintf(out, "%s: removed the damaged index %s, which the server will rebuild: %v\n", name, index, why)
					})
					if err != nil {
						return err
					}
					after, err := db.Info(ctx)
					if err != nil {
						return err
					}
					_, err = fmt.Fprintf(out, "%s: %d bytes, %d before\n", name, after.File, before.File)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
}
