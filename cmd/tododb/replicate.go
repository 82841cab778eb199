package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/replicate"
)

// pollProgress is how often progress is read and shown.
const pollProgress = 200 * time.Millisecond

func replicateCommand() *cobra.Command {
	var request replicateRequest
	cmd := &cobra.Command{
		Use:   "replicate SOURCE TARGET",
		Short: "Copy to TARGET what it lacks from SOURCE",
		Long: `replicate copies to TARGET what it lacks from SOURCE. Each is a URL,
http://USER:PASSWORD@HOST:PORT/DB, or the name of a database in the --data folder, which
no server may have open. The next run continues where this one ended.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("replicate: want SOURCE and TARGET, got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd, "data", "TODODB_DATA"); err != nil {
				return err
			}
			request.Source, request.Target = args[0], args[1]
			return request.run(cmd.Context(), cmd.Flag("data").Value.String(), cmd.OutOrStdout())
		},
	}
	dataFlag(cmd)
	cmd.Flags().BoolVar(&request.Continuous, "continuous", false, "keep going as changes come, until interrupted")
	cmd.Flags().BoolVar(&request.CreateTarget, "create-target", false, "create TARGET if it does not exist")
	cmd.Flags().BoolVar(&request.Params.Partitioned, "partitioned", false, "with --create-target: make it a partitioned database")
	return cmd
}

// replicateRequest has the same form as the body of a POST to /_replicate.
type replicateRequest struct {
	Source       string `json:"source"`
	Target       string `json:"target"`
	Continuous   bool   `json:"continuous"`
	CreateTarget bool   `json:"create_target"`
	Params       struct {
		Partitioned bool `json:"partitioned,omitempty"`
	} `json:"create_target_params"`
}

// replicated is the answer of a finished replication.
type replicated struct {
	NoChanges bool `json:"no_changes"`
	History   []struct {
		Written int64 `json:"docs_written"`
		Refused int64 `json:"doc_write_failures"`
	} `json:"history"`
}

func isURL(peer string) bool {
	return strings.HasPrefix(peer, "http://") || strings.HasPrefix(peer, "https://")
}

// run replicates. It opens the data folder if the source or the target is a name.
func (q replicateRequest) run(ctx context.Context, dir string, out io.Writer) (err error) {
	log, err := newLog("auto", slog.LevelWarn)
	if err != nil {
		return err
	}
	opt := replicate.Options{Log: log, Patient: true}
	if !isURL(q.Source) || !isURL(q.Target) {
		f, err := openOffline(ctx, dir, q.CreateTarget && !isURL(q.Target), log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		opt.Store, opt.Open, opt.Server = f.store, replicate.Everything(f.store), f.uuid
	}
	manager, err := replicate.NewManager(ctx, opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}

	type ending struct {
		answer  []byte
		started bool
		err     error
	}
	ended := make(chan ending, 1)
	go func() {
		answer, started, err := manager.Replicate(ctx, body, replicate.User{Admin: true})
		ended <- ending{answer, started, err}
	}()
	bar := newProgress(os.Stderr)
	defer bar.close()
	tick := time.NewTicker(pollProgress)
	defer tick.Stop()
	continuous := false
	for {
		select {
		case end := <-ended:
			switch {
			case errors.Is(end.err, replicate.ErrNoDB) && !q.CreateTarget:
				return fmt.Errorf("replicate: %w; --create-target makes a target that is not there", end.err)
			case end.err != nil:
				return fmt.Errorf("replicate: %w", end.err)
			case !end.started:
				return report(end.answer, out)
			}
			continuous = true // it continues by itself until ctx ends
		case <-tick.C:
			tasks := manager.Tasks()
			if continuous && len(tasks) == 0 {
				return errors.New("replicate: the replication has ended; the log says why")
			}
			for _, task := range tasks {
				bar.show(task)
			}
		case <-ctx.Done():
			if !continuous {
				<-ended
				return fmt.Errorf("replicate: %w", ctx.Err())
			}
			return nil
		}
	}
}

// report says what was done.
func report(answer []byte, out io.Writer) error {
	var done replicated
	if err := json.Unmarshal(answer, &done); err != nil {
		return fmt.Errorf("replicate: %w", err)
	}
	if done.NoChanges || len(done.History) == 0 {
		_, err := fmt.Fprintln(out, "nothing new")
		return err
	}
	last := done.History[0]
	if len(done.History) > 1 { // the counters continue from session to session
		last.Written -= done.History[1].Written
		last.Refused -= done.History[1].Refused
	}
	_, err := fmt.Fprintf(out, "documents written: %d, refused by the target: %d\n", last.Written, last.Refused)
	return err
}

// progress shows a bar on a terminal, and nothing elsewhere.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(w *os.File) progress {
	if !isTerminal(w) {
		return progress{}
	}
	return progress{progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("changes"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())}
}

// show draws the progress of a task: how many revisions it has checked, and how many changes
// are left.
func (p progress) show(task []byte) {
	var now struct {
		Checked int64  `json:"revisions_checked"`
		Pending *int64 `json:"changes_pending"`
	}
	if p.bar == nil || json.Unmarshal(task, &now) != nil {
		return
	}
	if now.Pending != nil {
		p.bar.ChangeMax64(max(now.Checked+*now.Pending, 1))
	}
	p.bar.Set64(now.Checked)
}

func (p progress) close() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
