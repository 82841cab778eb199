package store

import (
	"context"
	"errors"
	"fmt"
)

// MaxSingleBytes is the most document bytes in one transaction. A Write that must be one
// transaction and has more fails with ErrTransactionTooLarge.
const MaxSingleBytes = 32 << 20

// The most that a Write takes if it must be one transaction; the engine may take less. Other
// writers of the database wait for it.
const (
	singleDocs  = 10_000
	singleBytes = MaxSingleBytes
)

// Changed says that a database has changed since the sequence that the writer knew.
type Changed struct{ Seq Seq } // the newest one

func (e *Changed) Error() string { return "the database has changed, to " + e.Seq.String() }

// refused reports whether any result is an error. If so, it marks the others as not written.
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

// transact applies edits, in one transaction if the options require it, and returns the edits
// that have to be judged again. Its error may also come from the options: *Changed, *Repeated
// or ErrOtherRequest.
func (db *DB) transact(ctx context.Context, edits []pendingEdit, results []Result, opt WriteOptions) (stale []pendingEdit, err error) {
	if opt.single() {
		size, err := db.fitsInOne(edits)
		if err == nil {
			err = db.commit(ctx, edits, size, results, opt)
		}
		if errors.Is(err, errStale) { // with nothing written
			return edits, nil
		}
		return nil, err
	}
	for len(edits) > 0 {
		n, size := chunkOf(edits)
		if err := db.commit(ctx, edits[:n], size, results, opt); err != nil {
			return nil, err
		}
		for _, p := range edits[:n] {
			if p.result.Err == errStale {
				stale = append(stale, p)
			}
		}
		edits = edits[n:]
	}
	return stale, nil
}

// fitsInOne returns the size of edits that must go into one transaction. The error is
// ErrTransactionTooLarge if they do not fit.
func (db *DB) fitsInOne(edits []pendingEdit) (size int, err error) {
	for i := range edits {
		size += edits[i].size()
		for _, st := range edits[i].staged {
			size += len(st.chunk)
		}
	}
	if len(edits) > singleDocs || size > min(singleBytes, db.store.eng.Caps().MaxTxBytes) {
		return 0, ErrTransactionTooLarge
	}
	return size, nil
}

// commit applies edits in one transaction. errStale says that one of them has to be judged
// again. With options that hold for all edits together, it also says that nothing was written.
func (db *DB) commit(ctx context.Context, edits []pendingEdit, size int, results []Result, opt WriteOptions) error {
	if !opt.single() {
		return db.commits.submit(ctx, &op{docs: len(edits), bytes: size, edits: edits, sparing: sparing(edits)})
	}
	return db.commitSingle(ctx, edits, size, results, opt)
}

// commitSingle is commit with options that hold for all edits together.
func (db *DB) commitSingle(ctx context.Context, edits []pendingEdit, size int, results []Result, opt WriteOptions) error {
	o := &op{docs: len(edits), bytes: size, edits: edits, sparing: sparing(edits)}
	if opt.Once != nil {
		o.ahead = func(w *wanted) { w.get(spaceOnce, onceKey(opt.Once.Key)) }
	}
	var outcome error // of the last run of the transaction
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
		if answer := opt.Once.Answer(results, outcome); answer != nil {
			return w.record(opt.Once, answer)
		}
		return nil
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
	// Judge all before writing one. What is written of one document does not affect another,
	// so the second time nothing can be refused.
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

// judge finds out what editDocument would do with the edits of one document.
func (w *writer) judge(edits []pendingEdit) error {
	if edits[0].local {
		for i := range edits {
			e := &edits[i]
			e.result.Err = nil // from an earlier run
			if !e.doc.Deleted {
				_, e.result.Err = localParent(e.doc)
			}
		}
		return nil
	}
	d, err := w.load(edits[0].doc.ID)
	if err != nil {
		return err
	}
	for i := range edits {
		e := &edits[i]
		ref := bodyRef{seq: w.last + 1, size: int64(len(e.doc.Body)), attached: attachedBytes(e.atts)}
		path, err := w.admit(e, &d.tree, d.known)
		if err != nil {
			return err
		}
		if path == nil {
			continue
		}
		if _, err := d.tree.Merge(path, e.doc.Deleted, ref.appendTo(nil)); err != nil {
			e.result.Err = err
			continue
		}
		d.known = true
	}
	return nil
}
