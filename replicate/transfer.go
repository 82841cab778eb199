package replicate

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/revtree"
)

// carry copies those changes of a batch that the target lacks. After a failure it asks the
// target again, so nothing is sent twice.
func (j *Job) carry(ctx context.Context, b *batch) error {
	first := true
	for _, c := range b.changes {
		b.stats.MissingChecked += int64(len(c.Revs))
	}
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
		if first {
			for _, w := range wanted {
				b.stats.MissingFound += int64(len(w.Revs))
			}
			first = false
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

// load gathers documents on their way to the target.
type load struct {
	job   *Job
	ctx   context.Context
	stats *counters
	due   due
	docs  []*Revision
	size  int

	ancestors map[string][]revtree.Rev // by document: leaves of the target that could be ancestors
}

func (l *load) add(r *Revision) error {
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

func (l *load) store() error {
	if len(l.docs) == 0 {
		return nil
	}
	j := l.job
	var refused []Refusal
	err := j.retry(l.ctx, j.target, func() (err error) {
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
