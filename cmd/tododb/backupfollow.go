package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/backup/repository"
)

// endFollowing is how long changes may still be shipped after an interrupt, which is less than stopProcess.
const endFollowing = 8 * time.Second

// following backs up until the context ends, and then what has changed until now.
func (q *backupRequest) following(ctx context.Context, repo *repository.Repository, server *client.Server, m repository.Making, keep repository.Keep) error {
	watch, err := server.Updates(ctx)
	if err != nil {
		return err
	}
	var newest *repository.Backup
	unsaid := func() bool { return true }
	defer func() { unsaid() }()
	f := repository.Following{Making: m, Watch: watch, Every: q.every, Ending: endFollowing, Made: func(b *repository.Backup, err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "tododb: backup:", err)
		}
		if b != nil {
			if newest == nil { // until then an interrupt cuts it
				unsaid = context.AfterFunc(ctx, func() {
					fmt.Fprintln(os.Stderr, "tododb: shipping what has changed until now; interrupt again to stop at once")
				})
			}
			newest = b
			tell(q.out, b, b.Time.Sub(b.Began))
		}
	}}
	f.Tidy = func(ctx context.Context) {
		err := q.tidy(ctx, repo, m.Server, keep)
		if err == nil { // without rules too: what has been replaced is not needed
			_, err = repo.Prune(ctx, repository.Pruning{Wait: q.wait})
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "tododb: backup:", err)
		}
	}
	if err := repo.Follow(ctx, server, f); err != nil {
		return err
	}
	if newest != nil {
		_, err = fmt.Fprintf(q.out, "stopped: the newest backup is %s, of %s\n", newest.ID, newest.Time.Local().Format(time.DateTime))
	}
	return err
}
