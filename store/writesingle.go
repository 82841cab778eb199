package store

import (
	"context"
	"fmt"
)

// MaxSingleBytes is how many bytes of documents one transaction may bring: more are
// ErrTransactionTooLarge for a Write that must be one.
const MaxSingleBytes = 32 << 20

// What a Write takes at the most that must go into one transaction; the engine may take
// less. Other writers of the database wait for it.
const (
	singleDocs  = 10_000
	singleBytes = MaxSingleBytes
)

// Changed says that a database has changed since the sequence that a writer knew.
type Changed struct{ Seq Seq } // the newest one

func (e *Changed) Error() string { return "the database has changed, to " + e.Seq.String() }

// refused tells whether one of the results is an error, and if so marks the others as
// not written.
func refused(results []Result) bool {
	one := false
	for i := range results {
		one = one || results[i].Err != nil
	}
	if one {
		for i := range results {
			if results[i].Err == nil {
				results[i].Err = ErrNotWritten
			}
		}
	}
	return one
}

// writeSingle applies edits in one transaction. Its error is also what the options make
// of them: *Changed, *Repeated, ErrOtherRequest; and errStale, with nothing written.
func (db *DB) writeSingle(ctx context.Context, edits []pendingEdit, results []Result, opt WriteOptions) error {
	size := 0
	for i := range edits {
		size += edits[i].size()
		for _, st := range edits[i].staged {
			size += len(st.chunk)
		}
	}
	if len(edits) > singleDocs || size > min(singleBytes, db.store.eng.Caps().MaxTxBytes) {
		return ErrTransactionTooLarge
	}
	var outcome error // of the last run of the transaction
	o := &op{docs: len(edits), bytes: size}
	o.apply = func(w *writer) (err error) {
		if opt.Once != nil {
			if outcome, err = w.repeated(opt.Once); outcome != nil || err != nil {
				return err
			}
		}
		if ok, err := w.holdAll(edits); !ok || err != nil {
			outcome = errStale
			return err
		}
		if outcome, err = w.editSingle(edits, results, opt); err != nil || opt.Once == nil {
			return err
		}
		return w.record(opt.Once, opt.Once.Answer(results, outcome))
	}
	if err := db.commits.submit(ctx, o); err != nil {
		return err
	}
	return outcome
}

// editSingle applies the edits as the options want them; outcome is a *Changed or nil.
func (w *writer) editSingle(edits []pendingEdit, results []Result, opt WriteOptions) (outcome, err error) {
	if opt.Unchanged != nil && w.last != *opt.Unchanged {
		return &Changed{w.db.Seq(w.last)}, nil
	}
	if !opt.Atomic {
		return nil, w.edit(edits)
	}
	// Judge all before writing one. What is written of one document does not matter to
	// another, so that the second time nothing can be refused.
	if err := eachDocument(edits, w.judge); err != nil || refused(results) {
		return nil, err
	}
	if err := w.edit(edits); err != nil {
		return nil, err
	}
	for i := range edits {
		if err := edits[i].result.Err; err != nil {
			return nil, fmt.Errorf("document %q was accepted and then refused: %w", edits[i].doc.ID, err)
		}
	}
	return nil, nil
}

// judge finds out what editDocument would make of the edits of one document.
func (w *writer) judge(edits []pendingEdit) error {
	if edits[0].local {
		for i := range edits {
			edits[i].result.Err = nil // of an earlier run
		}
		return nil
	}
	_, tree, known, err := w.loadTree(edits[0].doc.ID)
	if err != nil {
		return err
	}
	ref := bodyRef{seq: w.last + 1}
	for i := range edits {
		e := &edits[i]
		path, err := w.admit(e, &tree, known)
		if err != nil {
			return err
		}
		if path == nil {
			continue
		}
		if _, err := tree.Merge(path, e.doc.Deleted, ref.appendTo(nil)); err != nil {
			e.result.Err = err
			continue
		}
		known = true
	}
	return nil
}
