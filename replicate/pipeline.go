package replicate

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// storeBytes and storeDocs limit what is gathered for one write.
	storeBytes = 4 << 20
	storeDocs  = 1000
	// waitForChange is how long one request of a continuous job waits for a change.
	waitForChange = 50 * time.Second
	// emptyPause is how long to leave a peer alone if it says at once that there is nothing.
	// It may be about to stop, or it may not know how to wait.
	emptyPause = 250 * time.Millisecond
	// doubtPause is how long after a look at both sides the next one may be, whatever happens.
	doubtPause = time.Second
)

// pipeline moves the changes of one run. One goroutine reads them in batches. Several copy
// batches at the same time. One puts the finished batches back in order, because a checkpoint
// must be true of everything before it.
type pipeline struct {
	job     *Job
	since   string
	session *session
	history []session

	rows    int64 // changes seen; only collect uses it
	saved   string
	savedAt time.Time
}

// batch is a run of consecutive changes.
type batch struct {
	n       int // its place among the batches
	changes []Change
	last    string // the sequence at its end
	pending int64
	stats   counters

	places map[string]int // of the documents in changes
}

// add adds a change. A peer may list a document in several rows. They become one: of two members of the same name, which
// a request about them would have, servers see the last one only, and the revisions of the other would never come.
func (b *batch) add(c Change) {
	i, known := b.places[c.ID]
	if !known {
		b.places[c.ID] = len(b.changes)
		b.changes = append(b.changes, c)
		return
	}
	one := &b.changes[i]
	one.Seq = c.Seq
	for _, rev := range c.Revs {
		if !slices.Contains(one.Revs, rev) {
			one.Revs = append(one.Revs, rev)
		}
	}
}

func (p *pipeline) run(ctx context.Context) error {
	p.saved, p.savedAt = p.since, p.job.now()
	g, ctx := errgroup.WithContext(ctx)
	work, done := make(chan *batch), make(chan *batch)
	g.Go(func() error {
		defer close(work)
		return p.read(ctx, work)
	})
	var workers sync.WaitGroup
	for range p.job.spec.Workers {
		workers.Add(1)
		g.Go(func() error {
			defer workers.Done()
			for b := range work {
				if err := p.job.carry(ctx, b); err != nil {
					return err
				}
				select {
				case done <- b:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		workers.Wait()
		close(done)
		return nil
	})
	g.Go(func() error { return p.collect(ctx, done) })
	return g.Wait()
}

// read cuts the source's changes into batches.
func (p *pipeline) read(ctx context.Context, work chan<- *batch) error {
	j := p.job
	q := ChangesQuery{Since: p.since, Limit: j.spec.BatchSize, Filter: j.spec.Filter, Winners: j.spec.Winners}
	if j.spec.Continuous {
		q.Wait = waitForChange
	}
	for n := 0; ; {
		var b *batch
		var end ChangesEnd
		asked, tries := j.now(), 0
		err := j.retry(ctx, j.source, func() (err error) {
			tries++
			b = &batch{n: n, changes: make([]Change, 0, 64), places: map[string]int{}}
			end, err = j.source.Changes(ctx, q, func(c Change) error {
				b.add(c)
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
		// A feed ends early if its database is replaced or its server stops.
		if j.spec.Continuous && (tries > 1 || end.Rows == 0 && j.now().Sub(asked) < q.Wait) {
			j.lookSoon()
		}
		if end.Rows == 0 && end.Pending == 0 {
			j.nothingLeft(q.Since)
		}
		goesOn := end.goesOn(&q)
		q.Since = end.LastSeq
		if end.Rows > 0 {
			b.last, b.pending = end.LastSeq, end.Pending
			n++
			select {
			case work <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !j.spec.Continuous && !goesOn {
			return nil
		}
		if end.Rows == 0 && j.now().Sub(asked) < emptyPause { // it should have waited, and did not
			select {
			case <-time.After(emptyPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// goesOn tells whether more changes may follow those of an answer. A peer that says how many are left is believed, for
// it, or something on the way, may give fewer rows than it was asked for.
func (e *ChangesEnd) goesOn(q *ChangesQuery) bool {
	switch {
	case e.Full:
		return true
	case e.Pending < 0:
		return e.Rows >= q.Limit
	case e.Rows == 0: // it may have looked at some that the filter rejects
		return e.Pending > 0 && numberOf(e.LastSeq) > numberOf(q.Since)
	}
	return e.Pending > 0
}

// nothingLeft notes that the source has no changes after a sequence, if the target has everything before it. A job that
// goes on where it ended brings no batch that would say so.
func (j *Job) nothingLeft(since string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if orZero(j.through) == orZero(since) {
		j.pending = 0
	}
}

// collect takes the batches in order and writes checkpoints.
func (p *pipeline) collect(ctx context.Context, done <-chan *batch) error {
	early := map[int]*batch{} // batches that overtook others
	next := 0
	for every := p.job.spec.CheckpointInterval; ; {
		// A continuous job with nothing to do still writes a checkpoint. If there is none to
		// write, it checks that both sides are still the same databases.
		var quiet <-chan time.Time
		if p.job.spec.Continuous {
			quiet = time.After(max(every-p.job.now().Sub(p.savedAt), 0))
		}
		select {
		case b, more := <-done:
			if !more {
				return nil
			}
			early[b.n] = b
			for b := early[next]; b != nil; b = early[next] {
				delete(early, next)
				next++
				p.account(b)
			}
			if !p.dirty() || p.job.now().Sub(p.savedAt) < every {
				continue
			}
		case <-quiet:
		case <-p.job.doubt:
			every = min(every, doubtPause)
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := p.checkpoint(ctx); err != nil {
			return err
		}
		every = p.job.spec.CheckpointInterval
	}
}

// account counts a batch. The target has it and everything before it.
func (p *pipeline) account(b *batch) {
	p.rows += int64(len(b.changes))
	p.session.add(b.stats)
	j := p.job
	j.mu.Lock()
	defer j.mu.Unlock()
	j.through, j.pending, j.stats, j.updated = b.last, b.pending, p.session.counters, j.now()
	j.sourceAt = b.last
}

// moved tells whether there were any changes to look at.
func (p *pipeline) moved() bool { return p.rows > 0 }

// dirty tells whether there is progress that no checkpoint has yet.
func (p *pipeline) dirty() bool {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	return p.rows > 0 && p.job.through != p.saved
}
