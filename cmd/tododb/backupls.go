package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/store/backup/repository"
)

// openBackups opens the repository that a command is about.
func (f *targetFlags) openBackups(ctx context.Context, target string) (*repository.Repository, error) {
	keys, err := f.keys()
	if err != nil {
		return nil, err
	}
	storage, err := f.storage(target, scratchFolder())
	if err != nil {
		return nil, err
	}
	repo, err := repository.Open(ctx, storage, keys)
	if err != nil {
		return nil, err
	}
	repo.Wait = f.wait
	return repo, nil
}

// backupsCommand makes a command that works on a repository.
func backupsCommand(use, short, long string, work func(cmd *cobra.Command, repo *repository.Repository) error) (*cobra.Command, *targetFlags) {
	f := &targetFlags{}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.fromEnv(cmd); err != nil {
				return err
			}
			repo, err := f.openBackups(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return work(cmd, repo)
		},
	}
	f.add(cmd)
	return cmd, f
}

// listedBackup is a backup for programs, as GET /_backups/_all has it.
type listedBackup struct {
	ID        string    `json:"id"`
	Began     time.Time `json:"began"`
	Time      time.Time `json:"time"`
	Server    string    `json:"server,omitempty"`
	Partial   bool      `json:"partial"`
	Databases int       `json:"databases"`
	Documents uint64    `json:"documents"`
	Deleted   uint64    `json:"deleted"`
	Stored    int64     `json:"stored_bytes"`
	Size      int64     `json:"total_bytes"`
}

func backupListCommand() *cobra.Command {
	var asJSON bool
	cmd, _ := backupsCommand("ls TARGET", "List backups", "ls lists the backups in TARGET, the oldest first.", func(cmd *cobra.Command, repo *repository.Repository) error {
		all := []listedBackup{}
		err := repo.List(cmd.Context(), func(b *repository.Backup) error {
			one := listedBackup{ID: b.ID, Began: b.Began, Time: b.Time, Server: b.UUID, Partial: b.Partial, Databases: len(b.Chains), Stored: b.Stored, Size: b.Bytes()}
			for _, c := range b.Chains {
				one.Documents += c.Documents - c.Deleted
				one.Deleted += c.Deleted
			}
			all = append(all, one)
			return nil
		})
		if asJSON {
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			return errors.Join(err, out.Encode(all))
		}
		out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, "ID\tTIME\tDATABASES\tDOCUMENTS\tSIZE\tNEW\tSERVER")
		for _, b := range all {
			server, databases := b.Server, strconv.Itoa(b.Databases)
			if server == "" {
				server = "(encrypted)"
			}
			if b.Partial {
				databases = "only " + databases
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", b.ID, b.Time.Local().Format(time.DateTime), databases, b.Documents+b.Deleted,
				humanize.IBytes(uint64(b.Size)), humanize.IBytes(uint64(b.Stored)), server)
		}
		return errors.Join(err, out.Flush())
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
	return cmd
}

// wantedFlags say which backup is meant.
type wantedFlags struct{ at, server string }

func (f *wantedFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.at, "at", "", "ID of a backup, or a time, of which the newest backup not younger is taken: 2026-11-29 15:04, 15:04, or 90m, 12h, 2d ago; empty: the newest")
	cmd.Flags().StringVar(&f.server, "server", "", "uuid of the server, if TARGET has backups of several")
}

// wanted reads them.
func (f *wantedFlags) wanted() (w repository.Wanted, err error) {
	w.Server = f.server
	if f.at == "" {
		return w, nil
	}
	if isID(f.at) {
		w.ID = f.at
		return w, nil
	}
	w.At, err = parseTime(f.at, time.Now())
	if err != nil {
		return w, usagef("--at: %w", err)
	}
	return w, nil
}

func isID(s string) bool {
	return len(s) >= 6 && len(s) <= 16 && strings.Trim(s, "0123456789abcdef") == "" && strings.Trim(s, "0123456789") != "" || len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// parseTime reads a time as people write it, in the local zone unless it says another.
func parseTime(s string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return wholeSecond(t), nil
		}
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	for _, form := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(form, s); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.Local)
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			if form == time.TimeOnly {
				at = wholeSecond(at)
			}
			return at, nil
		}
	}
	if d, err := repository.ParseWithin(strings.TrimSpace(strings.TrimSuffix(s, "ago"))); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither the id of a backup nor a time", s)
}

// wholeSecond is the end of a second that was named without a fraction: what ls shows of a backup's
// time finds that backup.
func wholeSecond(t time.Time) time.Time {
	if t.Nanosecond() > 0 {
		return t
	}
	return t.Add(time.Second - time.Nanosecond)
}

func backupVerifyCommand() *cobra.Command {
	var ids []string
	cmd, _ := backupsCommand("verify TARGET", "Read backups and look for damage",
		`verify reads everything that the backups in TARGET need, compares it with its checksums, and looks
whether the body of every revision and the content of every attachment is there. Of encrypted
backups it compares only checksums unless there is an --identity.`, func(cmd *cobra.Command, repo *repository.Repository) error {
			bar := newMoving(os.Stderr)
			defer bar.close()
			out := cmd.OutOrStdout()
			v, err := repo.Verify(cmd.Context(), ids, func(problem string) { fmt.Fprintln(out, problem) },
				func(v repository.Verified) { bar.show(repository.Progress{Bytes: v.Bytes}) })
			bar.close()
			if err != nil {
				return err
			}
			what := fmt.Sprintf("%s, %s, %s", count(v.Backups, "backup"), count(v.Objects, "object"), humanize.IBytes(uint64(v.Bytes)))
			if v.Deep {
				what += fmt.Sprintf("; %s and %s have all that they need", count(int(v.Documents), "document"), count(int(v.Attachments), "attachment"))
			} else {
				what += "; encrypted, so only checksums were compared"
			}
			if v.Problems > 0 {
				return fmt.Errorf("%w: %s in %s", errDamaged, count(v.Problems, "problem"), what)
			}
			_, err = fmt.Fprintf(out, "verified: %s\n", what)
			return err
		})
	cmd.Flags().StringArrayVar(&ids, "id", nil, "verify this backup only; may be repeated")
	return cmd
}

func backupForgetCommand() *cobra.Command {
	var keep keepFlags
	var ids []string
	var server string
	var dry, prune bool
	var f *targetFlags
	cmd, f := backupsCommand("forget TARGET", "Forget backups that are not needed any longer",
		`forget forgets the backups with an --id, and those that no rule --keep-... keeps. Rules add up,
and count for each server by itself; backups of some databases (--db) do not count for those of
all. The newest backup always stays unless it is named. The space comes back with prune, or with
--prune at once.`, func(cmd *cobra.Command, repo *repository.Repository) error {
			rules, err := keep.rules()
			if err != nil {
				return err
			}
			if rules.IsZero() && len(ids) == 0 {
				return usagef("forget: say which backups, with --id or --keep-...")
			}
			out := cmd.OutOrStdout()
			gone, err := repo.Forget(cmd.Context(), repository.Forgetting{IDs: ids, Keep: rules, Server: server, Dry: dry})
			slices.SortFunc(gone, func(a, b repository.Forgotten) int { return a.Time.Compare(b.Time) })
			for _, b := range gone {
				fmt.Fprintf(out, "%s of %s\n", b.ID, b.Time.Local().Format(time.DateTime))
			}
			if err != nil {
				return err
			}
			word := "forgotten"
			if dry {
				word = "to be forgotten"
			}
			fmt.Fprintf(out, "%s: %s\n", word, count(len(gone), "backup"))
			if !prune || dry {
				return nil
			}
			return pruneBackups(cmd, repo, f.wait, false)
		})
	keep.add(cmd)
	cmd.Flags().StringArrayVar(&ids, "id", nil, "forget this backup; may be repeated")
	cmd.Flags().StringVar(&server, "server", "", "uuid of the server whose backups the rules are for; empty: each server")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say which")
	cmd.Flags().BoolVar(&prune, "prune", false, "then prune")
	f.addRecipients(cmd)
	return cmd
}

func backupPruneCommand() *cobra.Command {
	var dry bool
	var f *targetFlags
	cmd, f := backupsCommand("prune TARGET", "Delete what no backup needs",
		`prune deletes what no backup in TARGET needs any longer, and merges what many small backups have
brought. Merging encrypted backups needs their --identity and recipients. It waits for backups
and restores that are going on, and they wait for it.`, func(cmd *cobra.Command, repo *repository.Repository) error {
			return pruneBackups(cmd, repo, f.wait, dry)
		})
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say how much")
	f.addRecipients(cmd)
	return cmd
}

func pruneBackups(cmd *cobra.Command, repo *repository.Repository, wait time.Duration, dry bool) error {
	bar := newMoving(os.Stderr)
	defer bar.close()
	done, err := repo.Prune(cmd.Context(), repository.Pruning{Wait: wait, Dry: dry, Progress: func(p repository.Pruned) {
		bar.show(repository.Progress{Bytes: p.Bytes})
	}})
	bar.close()
	if err != nil && done == (repository.Pruned{}) {
		return err
	}
	word := "deleted"
	if dry {
		word = "to be deleted"
	}
	_, saying := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s; segments merged: %d\n", word, count(done.Objects, "object"), humanize.IBytes(uint64(done.Bytes)), done.Merged)
	return errors.Join(err, saying)
}
