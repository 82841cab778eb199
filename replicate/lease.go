package replicate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tododb/tododb/store"
)

// leaseFor is how long a lease lasts. It is renewed three times as often. The clocks of
// processes that share a database must not differ by more than a third of it.
const leaseFor = time.Minute

// lease is the right of one process to run the job of a document if several processes share
// its database. It is a local document in that database. The token grows with each new
// holder. A process with an older token has lost the lease. It notices when it renews the
// lease, which it does before each checkpoint.
type lease struct {
	Holder  string    `json:"holder"`
	Token   uint64    `json:"token"`
	Expires time.Time `json:"expires"`
}

// errHeld says that another process runs the job.
type errHeld struct{ until time.Time }

func (e errHeld) Error() string {
	return fmt.Sprintf("another process runs it, until %s at least", stamp(e.until))
}

// errLost says that another process has the lease now.
var errLost = errors.New("another process has taken over the job")

// errOver says that another process has finished the job.
var errOver = errors.New("another process has done the job")

const leasePrefix = "_local/replicator-lease-"

func leaseID(job string) string { return leasePrefix + job }

// IsLease tells whether a document is the lease of a job. Only the server writes those.
func IsLease(id string) bool { return strings.HasPrefix(id, leasePrefix) }

// updateLease reads and writes the lease of a job in one transaction.
func (m *Manager) updateLease(ctx context.Context, owner Owner, job string, fn func(lease) (lease, error)) (next lease, err error) {
	db, err := m.opt.Store.Bare(ctx, owner.DB, store.ForReplications)
	if err != nil {
		return next, err
	}
	defer db.Release()
	err = db.UpdateLocal(ctx, leaseID(job), func(old []byte) ([]byte, error) {
		var now lease
		if old != nil {
			if err := json.Unmarshal(old, &now); err != nil {
				now = lease{} // not one of ours: it is overwritten
			}
		}
		var err error
		if next, err = fn(now); err != nil {
			return nil, err
		}
		return Marshal(next), nil
	})
	return next, err
}

// acquire takes the lease of a job, or returns errHeld.
func (m *Manager) acquire(ctx context.Context, owner Owner, job string) (lease, error) {
	return m.updateLease(ctx, owner, job, func(now lease) (lease, error) {
		at := m.opt.Now()
		if now.Holder != m.holder && now.Expires.After(at) {
			return now, errHeld{now.Expires}
		}
		return lease{m.holder, now.Token + 1, at.Add(m.leaseFor)}, nil
	})
}

// renew extends a lease, or returns errLost.
func (m *Manager) renew(ctx context.Context, owner Owner, job string, mine lease) (lease, error) {
	return m.updateLease(ctx, owner, job, func(now lease) (lease, error) {
		if now.Holder != mine.Holder || now.Token != mine.Token {
			return now, errLost
		}
		mine.Expires = m.opt.Now().Add(m.leaseFor)
		return mine, nil
	})
}

// giveBack lets others have the job at once. It keeps the token, so tokens still only grow.
func (m *Manager) giveBack(ctx context.Context, owner Owner, job string, mine lease) error {
	_, err := m.updateLease(ctx, owner, job, func(now lease) (lease, error) {
		if now.Holder != mine.Holder || now.Token != mine.Token {
			return now, errLost
		}
		mine.Expires = time.Time{}
		return mine, nil
	})
	if errors.Is(err, errLost) || errors.Is(err, store.ErrNoDB) {
		return nil
	}
	return err
}

// runLeased runs a job under its document's lease, if it needs one.
func (m *Manager) runLeased(ctx context.Context, owner Owner, job *Job) (Result, error) {
	if !m.opt.Shared || owner.DB == "" {
		return job.Run(ctx)
	}
	mine, err := m.acquire(ctx, owner, job.id)
	if err != nil {
		return Result{}, err
	}
	if over, err := m.docs.over(ctx, owner); over || err != nil {
		return Result{}, cmp.Or(err, errOver)
	}
	job.fence = func(ctx context.Context) error {
		_, err := m.renew(ctx, owner, job.id, mine)
		return err
	}
	running, cancel := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		cancel(m.keep(running, owner, job.id, mine))
	}()
	result, err := job.Run(running)
	cancel(nil)
	<-kept
	if err != nil && errors.Is(context.Cause(running), errLost) {
		return result, errLost
	}
	if err == nil {
		// The job is done, so nobody else needs the lease. Renewed, it leaves its full time for
		// writing the document. If another process has the lease, that process ends the job.
		if _, e := m.renew(ctx, owner, job.id, mine); errors.Is(e, errLost) {
			return result, errLost
		}
		return result, nil
	}
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if e := m.giveBack(last, owner, job.id, mine); e != nil {
		m.opt.Log.Warn("cannot give back a lease; it will expire", "replication", job.id, "error", e)
	}
	return result, err
}

// keep renews a lease until ctx ends or the lease is lost. It also counts as lost if it could
// not be renewed in time, because another process may have it then.
func (m *Manager) keep(ctx context.Context, owner Owner, job string, mine lease) error {
	tick := time.NewTicker(m.leaseFor / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		next, err := m.renew(ctx, owner, job, mine)
		switch {
		case err == nil:
			mine = next
		case errors.Is(err, errLost), errors.Is(err, store.ErrNoDB):
			return errLost
		case m.opt.Now().Add(m.leaseFor / 3).After(mine.Expires):
			return errLost
		}
	}
}
