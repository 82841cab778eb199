package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

func backupCommand() *cobra.Command {
	var q backupRequest
	cmd := &cobra.Command{
		Use:   "backup TARGET",
		Short: "Back up a server's databases, and look after backups",
		Long: `backup copies the databases of a running server to TARGET, each as it is at one moment, with
all revisions, attachments, local documents and properties, and the server's settings. The
next backup to the same TARGET moves only what has changed. One that was cut goes on when the
command is run again. With --data it reads a folder that no server has open.

With rules --keep-..., backups that no rule keeps are forgotten afterwards, and what
only they needed is deleted.` + targetHelp,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.fromEnv(cmd); err != nil {
				return err
			}
			q.offline = cmd.Flags().Changed("data") && !cmd.Flags().Changed("url")
			q.data, q.target, q.out = cmd.Flag("data").Value.String(), args[0], cmd.OutOrStdout()
			return q.explained(q.run(cmd.Context()))
		},
	}
	q.add(cmd)
	q.addRecipients(cmd)
	q.keep.add(cmd)
	q.addServer(cmd)
	dataFlag(cmd)
	cmd.Flags().StringArrayVar(&q.databases, "db", nil, "back up this database only; may be repeated")
	cmd.Flags().BoolVar(&q.follow, "follow", false, "go on: ship changes within seconds, until interrupted")
	lastingVar(cmd, &q.every, "follow-keep", time.Minute, "with --follow: keep one backup each of these, besides the newest")
	cmd.AddCommand(backupListCommand(), backupShowCommand(), backupVerifyCommand(), backupForgetCommand(), backupPruneCommand())
	return cmd
}

// backupRequest is what the command line asks for.
type backupRequest struct {
	targetFlags
	serverFlags
	keep      keepFlags
	target    string
	data      string
	offline   bool
	databases []string
	follow    bool
	every     time.Duration
	out       io.Writer
}

func (q *backupRequest) fromEnv(cmd *cobra.Command) error {
	return errors.Join(fromEnv(cmd, "data", "TODODB_DATA"), fromEnv(cmd, "url", "TODODB_URL"), q.targetFlags.fromEnv(cmd))
}

func (q *backupRequest) run(ctx context.Context) (err error) {
	keep, err := q.keep.rules()
	if err != nil {
		return err
	}
	keys, err := q.keys()
	if err != nil {
		return err
	}
	storage, err := q.storage(q.target, scratchFolder())
	if err != nil {
		return err
	}
	m := repository.Making{Databases: q.databases, Wait: q.wait}
	var src backup.Source
	var server *client.Server
	if q.offline {
		if q.follow {
			return usagef("--follow: a folder without a server does not change")
		}
		log, err := newLog("auto", slog.LevelWarn)
		if err != nil {
			return err
		}
		f, err := openOffline(ctx, q.data, false, log)
		if err != nil {
			return orAskServer(err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		src, m.Server, m.Version = backup.Local{Store: f.store}, f.uuid, version
	} else {
		if server, err = q.server(); err != nil {
			return err
		}
		id, err := server.Identity(ctx)
		if err != nil {
			return err
		}
		if m.Settings, err = server.Settings(ctx); err != nil {
			return err
		}
		src, m.Server, m.Version = server, id.UUID, id.Vendor.Version
	}
	repo, err := repository.Create(ctx, storage, keys)
	if err != nil {
		return err
	}
	bar := newMoving(os.Stderr)
	defer bar.close()
	m.Progress = bar.show
	if q.follow {
		return q.following(ctx, repo, server, m, keep)
	}
	began := time.Now()
	b, err := repo.Make(ctx, src, m)
	bar.close()
	if b == nil {
		return err
	}
	err = errors.Join(err, tell(q.out, b, time.Since(began)))
	return errors.Join(err, q.tidy(ctx, repo, m.Server, keep))
}

// tidy forgets what no rule keeps, and deletes what only that needed.
func (q *backupRequest) tidy(ctx context.Context, repo *repository.Repository, server string, keep repository.Keep) error {
	if keep.IsZero() {
		return nil
	}
	gone, err := repo.Forget(ctx, repository.Forgetting{Keep: keep, Server: server})
	if err != nil || len(gone) == 0 {
		return err
	}
	done, err := repo.Prune(ctx, repository.Pruning{Wait: q.wait})
	_, saying := fmt.Fprintf(q.out, "forgotten: %d backups, %s freed\n", len(gone), humanize.IBytes(uint64(done.Bytes)))
	return errors.Join(err, saying)
}

// tell says what a backup has.
func tell(out io.Writer, b *repository.Backup, took time.Duration) error {
	var docs uint64
	for _, c := range b.Chains {
		docs += c.Documents
	}
	_, err := fmt.Fprintf(out, "backup %s: %s, %s, %s new, in %v\n", b.ID, count(len(b.Chains), "database"), count(int(docs), "document"),
		humanize.IBytes(uint64(b.Stored)), took.Round(time.Millisecond))
	if b.Anew > 0 && err == nil {
		_, err = fmt.Fprintf(out, "%s stored anew: parts that earlier backups of them need are missing\n", count(b.Anew, "database"))
	}
	return err
}

// count is a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return humanize.Comma(int64(n)) + " " + thing + "s"
}
