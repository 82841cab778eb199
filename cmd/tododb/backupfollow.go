package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/backup/repository"
)

// tidyEvery is how often a following backup forgets and prunes.
const tidyEvery = time.Hour

// following backs up until the context ends.
func (q *backupRequest) following(ctx context.Context, repo *repository.Repository, server *client.Server, m repository.Making, keep repository.Keep) error {
	watch, err := server.Updates(ctx)
	if err != nil {
		return err
	}
	tidied := time.Now()
	f := repository.Following{Making: m, Watch: watch, Every: q.every, Made: func(b *repository.Backup, err error) {
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "tododb: backup:", err)
		}
		if b != nil {
			tell(q.out, b, b.Time.Sub(b.Began))
		}
	}}
	f.Idle = func(ctx context.Context) {
		if time.Since(tidied) < tidyEvery {
			return
		}
		tidied = time.Now()
		if err := q.tidy(ctx, repo, m.Server, keep); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "tododb: backup:", err)
		}
	}
	return repo.Follow(ctx, server, f)
}
