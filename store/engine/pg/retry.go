package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tododb/tododb/store/engine"
)

// final is an error after which there is no other try, and which is an engine's or the caller's already.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// duplicatesTried is how often an Insert of a key that is there is tried. It may be there because another
// writer got in when the lock was lost; if not, it stays there.
const duplicatesTried = 3

// retry runs fn until it succeeds, fails for good, or patience is at its end. The result is an engine's
// error, or the caller's own.
func (e *Engine) retry(ctx context.Context, patience time.Duration, fn func() error) error {
	return result(e.try(ctx, patience, fn))
}

// try is retry with the error as it comes.
func (e *Engine) try(ctx context.Context, patience time.Duration, fn func() error) error {
	err := fn()
	if err == nil || isFinal(err) || !passing(err) {
		return err
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 5*time.Millisecond, time.Second
	tries, duplicates := 0, 0
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		if tries++; tries > 1 {
			e.figures.retries.Add(1)
			err = fn()
		}
		if code(err) == codeUniqueViolation {
			duplicates++
		}
		if err != nil && (isFinal(err) || !passing(err) || duplicates >= duplicatesTried || e.isClosed()) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(patience))
	return err
}

// sqlConfirm writes what is there. Its commit is answered when all that was committed before is as safe as it ever will be.
//
// A commit whose answer did not come may be there for all to see and not be safe: if it waited for a synchronous standby
// until it was given up, or until the server crashed. So that it is seen does not prove it.
const (
	sqlConfirm    = "update td_meta set value = value where name = 'installation'"
	sqlConfirmRow = "update td_db set stamp = stamp where id = $1" // for who has its lock
)

// lostAnswer is the error of a round trip that may have done all that was asked.
type lostAnswer struct{ error }

func (l lostAnswer) Unwrap() error { return l.error }

// write is retry for what is written in fn, a later try of which may find that an earlier one has done it. The error is
// ErrUnknown if nobody knows.
func (e *Engine) write(ctx context.Context, fn func() error) error {
	unknown := false
	err := e.try(ctx, e.opt.Patience, func() error {
		err := fn()
		unknown = unknown || errors.As(err, &lostAnswer{})
		return err
	})
	if err == nil && unknown {
		err = e.try(ctx, e.opt.Patience/3, func() error {
			_, err := e.one(ctx, e.writers, nil, query{sql: sqlConfirm})
			return err
		})
	}
	if err != nil && unknown && !isFinal(err) {
		e.figures.unknown.Add(1)
		return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
	}
	return result(err)
}

func isFinal(err error) bool {
	f := final{}
	return errors.As(err, &f)
}

// result is what a caller is told.
func result(err error) error {
	if f := (final{}); errors.As(err, &f) {
		return f.error
	}
	return translate(err)
}

// fatal reports whether the server has closed the connection with an error.
func fatal(err error) bool {
	e := (*pgconn.PgError)(nil)
	return errors.As(err, &e) && e.SeverityUnlocalized != "ERROR"
}

// notSent reports whether nothing of a round trip has reached the server.
func notSent(err error) bool { return code(err) == "" && pgconn.SafeToRetry(err) }
