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

// When a server that is told to stop goes on to what comes next, counted from then,
// whatever is still going on. What has ended earlier is not waited for.
const (
	stopReplications = 4 * time.Second  // their last checkpoints are written
	stopRequests     = 7 * time.Second  // requests have been answered; those under way are called off
	stopConnections  = 8 * time.Second  // those that do not heed that are cut off
	stopProcess      = 10 * time.Second // the process ends, as after a crash
)

// stopping ends the parts of a server in the order in which they need each other: the
// last checkpoint of a replication may have to go to this very server, so replications
// end while it still answers; a feed wants to send its last line, and a request its
// answer, so the indexes and databases that they read end last.
type stopping struct {
	replications func() error // stops what replicates, with its last checkpoints
	api          interface {  // brings feeds to their end, and waits for requests
		Close(context.Context) error
	}
	builds func() error // stops building indexes
	log    *slog.Logger
}

// run returns when nothing is answered any more, and in time for the databases to be
// closed.
func (s *stopping) run(ctx context.Context, server *http.Server, giveUp context.CancelCauseFunc) error {
	began := time.Now()
	s.log.Info("stopping")
	if !s.within(began.Add(stopReplications), s.replications) {
		s.log.Warn("replications are still stopping; they may go over some changes again")
	}
	orderly, cancel := context.WithDeadline(ctx, began.Add(stopRequests))
	defer cancel()
	// Both at once: Shutdown waits for the feeds that Close ends, and no new request
	// is let in behind Close's back.
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

// within does something until a time, and tells whether it was done by then; if not it
// goes on beside. What goes wrong is logged: nothing can be done about it any more.
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

// endInTime ends the process if it has not ended by itself some time after it was told to.
// Nothing that was acknowledged is lost by that: it is on disk.
func endInTime(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		time.AfterFunc(stopProcess, func() {
			fmt.Fprintf(os.Stderr, "tododb: stopping has taken %v; ending what still runs\n", stopProcess)
			os.Exit(exitForced)
		})
	})
}
