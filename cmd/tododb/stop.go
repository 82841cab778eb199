package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/tododb/tododb/store"
)

// The steps of stopping a server. Each ends at this time after the signal, even if something
// still runs, or as soon as everything has ended.
const (
	stopReplications = 4 * time.Second  // replications write their last checkpoints
	stopRequests     = 7 * time.Second  // requests are answered; then the rest are cancelled
	stopConnections  = 8 * time.Second  // cancelled requests end; then connections are cut
	stopProcess      = 10 * time.Second // then the process ends, as in a crash
)

// stopping stops the parts of a server in the order of their dependencies. Replications end
// while the server still answers, because their last checkpoint may go to this server. Feeds
// still send their last line and requests their answer, so the indexes and databases that
// they read end last.
type stopping struct {
	replications func() error // stops what replicates, with its last checkpoints
	api          interface {  // ends feeds, and waits for requests
		Close(context.Context) error
	}
	builds func() error // stops building indexes
	log    *slog.Logger
}

// run returns when no request is being answered, and in time to close the databases.
func (s *stopping) run(ctx context.Context, server *http.Server, giveUp context.CancelCauseFunc) error {
	began := time.Now()
	s.log.Info("stopping")
	if !s.within(began.Add(stopReplications), s.replications) {
		s.log.Warn("replications are still stopping; they may go over some changes again")
	}
	orderly, cancel := context.WithDeadline(ctx, began.Add(stopRequests))
	defer cancel()
	// Both at once: Shutdown waits for the feeds that Close ends, and lets no new request in
	// while Close runs.
	shut := make(chan error, 1)
	go func() { shut <- server.Shutdown(orderly) }()
	err := errors.Join(s.api.Close(orderly), <-shut)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	s.log.Warn("requests are still running; cancelling them")
	giveUp(store.ErrClosed)
	s.within(began.Add(stopConnections), func() error { return errors.Join(s.builds(), s.api.Close(ctx)) })
	err = server.Close()
	s.within(time.Now().Add(500*time.Millisecond), func() error { return s.api.Close(ctx) })
	return err
}

// within calls do and tells whether it returned before end. If not, it continues in the
// background. Errors are only logged, because nothing can be done about them now.
func (s *stopping) within(end time.Time, do func() error) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := do(); err != nil {
			s.log.Error("stopping", "error", err)
		}
	}()
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// endInTime ends the process if it still runs some time after the signal to stop. No
// acknowledged write is lost, because those are on disk.
func endInTime(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		time.AfterFunc(stopProcess, func() {
			fmt.Fprintf(os.Stderr, "tododb: stopping has taken %v; ending what still runs\n", stopProcess)
			os.Exit(exitForced)
		})
	})
}
