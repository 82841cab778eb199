package replicate

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/revtree"
)

// carry copies those changes of a batch that the target lacks. After a failure it asks the
// target again, so nothing is sent twice.
func (j *Job) carry(ctx context.Context, b *batch) error {
	for _, c := range b.changes {
		b.stats.MissingChecked += int64(len(c.Revs))
	}
	first := true
	var failed error
	for {
		read := b.stats.DocsRead
		err := j.retry(ctx, j.target, func() error {
			if err := failed; err != nil { // what comes before the next try is the pause
				failed = nil
				return err
			}
			err := j.copy(ctx, b, &first)
			left, is := errors.AsType[letGo](err)
			switch {
			case !is && err != nil:
				return stop{err}
			case is && b.stats.DocsRead > read: // it has taken others meanwhile, so its failures are counted anew
				failed = left.error
				return nil
			case is:
				return left.error
			}
			return nil
		})
		if err != nil || failed == nil {
			return err
		}
	}
}

// copy is carry until the target fails while the place of large pieces is taken.
func (j *Job) copy(ctx context.Context, b *batch, first *bool) error {
	return j.retry(ctx, j.source, func() error {
		b.stats.DocWriteFailures = 0 // what an earlier try met is missing still, and is tried again
		var wanted []Wanted
		err := j.retry(ctx, j.target, func() (err error) {
			wanted, err = j.target.Missing(ctx, b.changes)
			return err
		})
		if err != nil {
			return stop{err}
		}
		if *first {
			for _, w := range wanted {
				b.stats.MissingFound += int64(len(w.Revs))
			}
			*first = false
		}
		if len(wanted) == 0 {
			return nil
		}
		load := load{job: j, ctx: ctx, stats: &b.stats, due: dueOf(wanted), ancestors: map[string][]revtree.Rev{}}
		for _, w := range wanted {
			load.ancestors[w.ID] = w.Ancestors
		}
		if err := j.source.Fetch(ctx, wanted, load.add); err != nil {
			return err
		}
		if err := load.store(); err != nil {
			return err
		}
		return load.due.settle(ctx, j.source)
	})
}

// stop marks a failure of the target within work that is retried when the source fails. The
// target's part has been retried already.
type stop struct{ error }

func (s stop) Unwrap() error { return s.error }

// letGo is a failure of the target while the place of large pieces is taken. Other jobs wait for this place, so the
// document is let go, and fetched again after the pause.
type letGo struct{ error }

// load gathers documents on their way to the target.
type load struct {
	job   *Job
	ctx   context.Context
	stats *counters
	due   due
	docs  []*Revision
	size  int
	holds bool // the place of large pieces is taken for the revision that is being carried

	ancestors map[string][]revtree.Rev // by document: leaves of the target that could be ancestors
}

func (l *load) add(r *Revision) error {
	l.holds = r.holds
	defer func() { l.holds = false }()
	if err := l.due.came(r); err != nil {
		return err
	}
	if r.Unreadable != nil {
		l.stats.DocsRead++
		l.stats.DocsWritten++
		l.refuse(Refusal{ID: r.Doc.ID, Reason: r.Unreadable.Error()})
		return nil
	}
	if len(r.Attachments) > 0 {
		r.markStubs(l.ancestors[r.Doc.ID])
		return l.carryAttached(r)
	}
	l.docs = append(l.docs, r)
	l.size += r.size()
	if l.size >= storeBytes || len(l.docs) >= storeDocs {
		return l.store()
	}
	return nil
}

// write writes to the target.
func (l *load) write(fn func() error) error {
	j := l.job
	if l.holds {
		err := fn()
		switch {
		case err == nil || l.ctx.Err() != nil:
			return err
		case transient(err):
			return letGo{err}
		}
		return &PeerError{Peer: j.target.Name(), Err: err}
	}
	return j.retry(l.ctx, j.target, fn)
}

func (l *load) store() error {
	if len(l.docs) == 0 {
		return nil
	}
	j := l.job
	var refused []Refusal
	err := l.write(func() (err error) {
		refused, err = j.target.Store(l.ctx, l.docs)
		return err
	})
	if err != nil {
		return stop{err}
	}
	l.stats.DocsRead += int64(len(l.docs))
	l.stats.BulkGetDocs += int64(len(l.docs))
	l.stats.BulkGetAttempts += int64(len(l.docs))
	l.stats.DocsWritten += int64(len(l.docs))
	for _, r := range refused {
		l.refuse(r)
	}
	l.docs, l.size = nil, 0
	return nil
}

// refuse moves a document from the written ones to the refused ones.
func (l *load) refuse(r Refusal) {
	l.job.log.Warn("the target refused a document", "doc", fmt.Sprintf("%.200s", r.ID), "reason", r.Reason)
	l.stats.DocsWritten--
	l.stats.DocWriteFailures++
}
