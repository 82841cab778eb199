package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store"
)

// changesRequest is what the command line asks of a feed.
type changesRequest struct {
	asking
	since, filter     string
	limit             int64
	follow, docs, all bool
}

func changesCommand() *cobra.Command {
	var q changesRequest
	cmd := &cobra.Command{
		Use: "changes DATABASE", Short: "Print what has changed in a database, and follow it", Args: wants(1, 1, "one DATABASE"), ValidArgsFunction: inOrder(databaseNames, noMore),
		Long: `changes prints a line of JSON for each document that has changed, oldest change first. With --follow
it goes on until it is interrupted, also after the connection or the server was gone.`,
	}
	cmd.Flags().StringVar(&q.since, "since", "0", "only what has changed after this seq, as a line says it; now: only what is still to come")
	cmd.Flags().StringVar(&q.filter, "filter", "", "only what this filter function of a design document lets through: DESIGN/NAME")
	cmd.Flags().Int64Var(&q.limit, "limit", 0, "end after so many lines; 0: no limit")
	cmd.Flags().BoolVar(&q.follow, "follow", false, "go on with what is still to come")
	cmd.Flags().BoolVar(&q.docs, "include-docs", false, "with the documents")
	cmd.Flags().BoolVar(&q.all, "all-revisions", false, "name conflicting and deleted revisions too, and not only the winner")
	return q.command(cmd, func(ctx context.Context, args []string) error {
		if q.limit < 0 {
			return usagef("--limit: a number from 0 on")
		}
		err := q.run(ctx, args[0])
		if errors.Is(err, store.ErrNoDB) {
			return q.noDatabase(ctx, args[0])
		}
		if q.filter != "" && statusOf(err) == http.StatusNotFound {
			return missingf("there is no filter function %s in %s: filters is the member of a design document that has them", q.filter, args[0])
		}
		return err
	})
}

// run prints the feed. A feed that is followed and breaks is taken up where it broke.
func (q *changesRequest) run(ctx context.Context, database string) error {
	left := q.limit
	wait := backoff.NewExponentialBackOff()
	for {
		err := q.read(ctx, database, &left, wait.Reset)
		switch {
		case !q.follow, q.limit > 0 && left == 0:
			return err
		case ctx.Err() != nil:
			return nil // that is how following ends
		}
		if status := statusOf(err); status >= 400 && status < 500 && status != http.StatusTooManyRequests {
			return err
		}
		if written, is := errors.AsType[*os.PathError](err); is {
			return written // nobody reads what is printed
		}
		pause := wait.NextBackOff()
		why := "the feed ended"
		if err != nil {
			why = q.explained(err).Error()
		}
		fmt.Fprintf(os.Stderr, "%s; trying again in %v\n", why, pause.Round(100*time.Millisecond))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// read prints one feed to its end. Each line counts one down, and moves since on.
func (q *changesRequest) read(ctx context.Context, database string, left *int64, alive func()) error {
	if q.follow && q.since == "now" { // of the first feed, and not of one after it broke
		var now struct {
			Last string `json:"last_seq"`
		}
		if err := q.Ask(ctx, client.Request{Method: "GET", Path: []string{database, "_changes"}, Query: url.Values{"since": {"now"}}}, &now); err != nil {
			return err
		}
		q.since = now.Last
	}
	query := url.Values{"since": {q.since}, "feed": {"continuous"}}
	if q.follow {
		query.Set("heartbeat", "20000")
	} else {
		query.Set("timeout", "0")
	}
	if q.limit > 0 {
		query.Set("limit", strconv.FormatInt(*left, 10))
	}
	if q.filter != "" {
		query.Set("filter", q.filter)
	}
	if q.docs {
		query.Set("include_docs", "true")
	}
	if q.all {
		query.Set("style", "all_docs")
	}
	answer, err := q.Open(ctx, client.Request{Method: "GET", Path: []string{database, "_changes"}, Query: query})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := bufio.NewReaderSize(answer.Body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if row := bytes.TrimSpace(line); len(row) > 0 && err == nil {
			alive()
			var at struct {
				Seq  *string
				Last *string `json:"last_seq"`
			}
			if err := json.Unmarshal(row, &at); err != nil {
				return fmt.Errorf("the feed has a line that is no JSON: %w", err)
			}
			if at.Seq == nil {
				if at.Last != nil {
					q.since = *at.Last
				}
				return nil // its last line
			}
			if _, err := q.out.Write(append(row, '\n')); err != nil {
				return err
			}
			q.since = *at.Seq
			*left--
		}
		if err != nil {
			return fmt.Errorf("the feed broke: %w", err)
		}
	}
}
