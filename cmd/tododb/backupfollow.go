package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/backup/repository"
)

// following backs up until the context ends.
func (q *backupRequest) following(ctx context.Context, repo *repository.Repository, server *client.Server, m repository.Making, keep repository.Keep) error {
	watch, err := server.Updates(ctx)
	if err != nil {
		return err
	}
	f := repository.Following{Making: m, Watch: watch, Every: q.every, Made: func(b *repository.Backup, err error) {
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "tododb: backup:", err)
		}
		if b != nil {
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
	return repo.Follow(ctx, server, f)
}
