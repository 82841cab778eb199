package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/backup/repository"
)

func restoreCommand() *cobra.Command {
	var q restoreRequest
	cmd := &cobra.Command{
		Use:   "restore TARGET",
		Short: "Restore a server, a database or documents from a backup",
		Long: `restore brings databases of a backup in TARGET to a running server, all or the one of --db. A
database appears when all of it is there and right; if anything is wrong, nothing has
changed. One that the server has already is replaced only with --replace, and left alone with --missing.

With --doc it restores single documents into a database that the server has. What the
backup has of a document becomes its newest revision; a document that the server does
not know comes back with its history.

A restored database is a state of the past. Replications and sync clients notice it, and offer
again what they have. For clients that keep checkpoints only on their own side, say
--forget-clients: the server gets another uuid, so that all of them compare anew.

With --data the databases go into a folder that no server has open.` + targetHelp,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := errors.Join(fromEnv(cmd, "data", "TODODB_DATA"), fromEnv(cmd, "url", "TODODB_URL"), q.fromEnv(cmd))
			if err != nil {
				return err
			}
			q.offline = cmd.Flags().Changed("data") && !cmd.Flags().Changed("url")
			q.data, q.target, q.out = cmd.Flag("data").Value.String(), args[0], cmd.OutOrStdout()
			return q.explained(q.run(cmd.Context()))
		},
	}
	q.targetFlags.add(cmd)
	q.wanted.add(cmd)
	q.addServer(cmd)
	dataFlag(cmd)
	cmd.Flags().StringVar(&q.db, "db", "", "restore this database only")
	cmd.Flags().StringVar(&q.as, "as", "", "with --db: under another name")
	cmd.Flags().StringArrayVar(&q.docs, "doc", nil, "with --db: restore this document only; may be repeated")
	cmd.Flags().BoolVar(&q.replace, "replace", false, "replace databases, or documents, that are there")
	cmd.Flags().BoolVar(&q.missing, "missing", false, "restore the databases that are not there, and leave the others alone")
	cmd.Flags().BoolVar(&q.dry, "dry-run", false, "do everything, but change nothing in the end, and say what would be there")
	cmd.Flags().BoolVar(&q.settings, "settings", false, "also set the server's settings and administrators as they were, except for addresses, certificates and its uuid")
	cmd.Flags().BoolVar(&q.forget, "forget-clients", false, "then give the server another uuid, so that every client compares anew")
	return cmd
}

// restoreRequest is what the command line asks for.
type restoreRequest struct {
	targetFlags
	serverFlags
	wanted                wantedFlags
	target, data          string
	offline               bool
	db, as                string
	docs                  []string
	replace, missing      bool
	dry, settings, forget bool
	out                   io.Writer
}

func (q *restoreRequest) check() error {
	switch {
	case q.db == "" && (q.as != "" || len(q.docs) > 0):
		return usagef("--as and --doc: say of which database, with --db")
	case q.missing && (q.db != "" || q.replace):
		return usagef("--missing: it is for all databases, and replaces none; leave out --db and --replace")
	case q.offline && (len(q.docs) > 0 || q.settings || q.forget):
		return usagef("--doc, --settings and --forget-clients need a running server")
	case len(q.docs) > 0 && (q.settings || q.forget):
		return usagef("--doc: documents come as new writes, which need no --settings and no --forget-clients")
	}
	return nil
}

func (q *restoreRequest) run(ctx context.Context) (err error) {
	if err := q.check(); err != nil {
		return err
	}
	want, err := q.wanted.wanted()
	if err != nil {
		return err
	}
	var server *client.Server
	var sink repository.Sink
	if q.offline {
		log, err := newLog("auto", slog.LevelWarn)
		if err != nil {
			return err
		}
		f, err := openOffline(ctx, q.data, true, log)
		if err != nil {
			return orAskServer(err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		sink = repository.Local{Store: f.store}
	} else {
		if server, err = q.server(); err != nil {
			return err
		}
		sink = server
	}
	repo, err := q.openBackups(ctx, q.target)
	if err != nil {
		return err
	}
	want.What = repository.Content{Database: q.db, All: q.db == ""}
	b, err := repo.Find(ctx, want)
	if err != nil {
		return err
	}
	fmt.Fprintf(q.out, "from backup %s of %s\n", b.ID, b.Time.Local().Format(time.DateTime))
	if len(q.docs) > 0 {
		return q.documents(ctx, repo, server, b)
	}
	bar := newMoving(os.Stderr)
	defer bar.close()
	word := "restored"
	if q.dry {
		word = "could be restored"
	}
	err = repo.Restore(ctx, sink, b, repository.Restoring{
		Database: q.db, As: q.as, Replace: q.replace, Missing: q.missing, Dry: q.dry, Progress: bar.show,
		Done: func(name string, c *repository.Chain) {
			fmt.Fprintf(q.out, "%s: %s %s, as of %s\n", name, count(int(c.Documents-c.Deleted), "document"), word, c.Time.Local().Format(time.DateTime))
		},
	})
	bar.close()
	if there, is := errors.AsType[*repository.ExistError](err); is {
		return fmt.Errorf("%w; say --replace to do so", there)
	}
	if err != nil || server == nil {
		return err
	}
	if q.settings {
		if err := q.restoreSettings(ctx, server, b); err != nil {
			return err
		}
	}
	if q.forget && !q.dry {
		if err := server.RenewUUID(ctx); err != nil {
			return err
		}
		_, err = fmt.Fprintln(q.out, "the server has another uuid: all clients compare anew")
	}
	return err
}

// restoreSettings sets what differs.
func (q *restoreRequest) restoreSettings(ctx context.Context, server *client.Server, b *repository.Backup) error {
	now, err := server.Settings(ctx)
	if err != nil {
		return err
	}
	differ, n := map[string]map[string]string{}, 0
	for section, names := range b.Settings {
		for name, value := range names {
			if was, is := now[section][name]; is && was == value || ofMachine(section, name) {
				continue
			}
			if differ[section] == nil {
				differ[section] = map[string]string{}
			}
			differ[section][name] = value
			n++
		}
	}
	word := "could be set"
	if !q.dry {
		word = "set"
		if err := server.SetSettings(ctx, differ); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(q.out, "%s %s as they were\n", count(n, "setting"), word)
	return err
}

// ofMachine tells settings that belong to a machine and not to what a server is.
func ofMachine(section, name string) bool {
	return section == "ssl" || section == "chttpd" && (name == "port" || name == "bind_address" || name == "socket")
}

// documents restores single documents.
func (q *restoreRequest) documents(ctx context.Context, repo *repository.Repository, server *client.Server, b *repository.Backup) error {
	err := repo.RestoreDocuments(ctx, server, b, repository.RestoringDocuments{
		Database: q.db, As: q.as, IDs: q.docs, Replace: q.replace, Dry: q.dry,
		Done: func(d repository.RestoredDocument) {
			word := "restored"
			if q.dry {
				word = "could be restored"
			}
			if d.Already {
				fmt.Fprintf(q.out, "%s: is at revision %s already\n", d.ID, d.Rev)
				return
			}
			fmt.Fprintf(q.out, "%s: %s as it was at revision %s\n", d.ID, word, d.Rev)
		},
	})
	if there, is := errors.AsType[*repository.DocumentThereError](err); is {
		return fmt.Errorf("%w; say --replace to do so", there)
	}
	return err
}
