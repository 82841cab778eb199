package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// conflictsNote says how much is known of the conflicts of a database. It stands in the conflict space,
// before the first sequence:
//
//	version | uvarints: complete, reached, goal | bytes epoch
//
// There it goes where the conflicts go: a release that knows no such space, and copies a database to
// another engine with all epochs that it has, leaves both behind. (At first the note stood in the meta
// space. There it no longer counts.)
//
// A database that a release made which kept no conflicts has no note. The first who asks for conflicts
// has the documents that stood at the sequences up to goal then looked at, up to reached so far. What
// came after goal is noted by its transactions, so nobody waits for that.
//
// epoch is the newest epoch whose transactions kept conflicts. If a later one is on disk, such a
// release has written to the database in between, and what is noted counts no more.
type conflictsNote struct {
	complete      bool
	reached, goal uint64
	epoch         string
}

var conflictsNoteKey = seqKey(0)

func (n *conflictsNote) appendTo(b []byte) []byte {
	complete := uint64(0)
	if n.complete {
		complete = 1
	}
	b = append(b, record.Version)
	for _, u := range []uint64{complete, n.reached, n.goal} {
		b = binary.AppendUvarint(b, u)
	}
	return record.AppendBytes(b, n.epoch)
}

// noConflicts is the note of a database that begins.
func noConflicts(instance string) []byte {
	n := conflictsNote{complete: true, epoch: instance}
	return n.appendTo(nil)
}

func loadConflictsNote(r engine.Reader) (n conflictsNote, err error) {
	v, err := r.Get(spaceConflict, conflictsNoteKey)
	if err != nil || v == nil {
		return n, err
	}
	rd := record.Read(v)
	version := rd.Byte()
	n.complete, n.reached, n.goal, n.epoch = rd.Uvarint() == 1, rd.Uvarint(), rd.Uvarint(), string(rd.Bytes())
	if version != record.Version || rd.Bad {
		return n, corrupt("the note about conflicts, of %d bytes", len(v))
	}
	return n, nil
}

// What is known of the conflicts of a database.
const (
	conflictsUnknown = iota
	conflictsPartly  // those that are noted are, and others may be
	conflictsComplete
)

// newestEpoch is the newest one on disk.
func newestEpoch(list []Epoch, instance string) string {
	h := history{instance: instance, epochs: list}
	return h.newest().ID
}

func readConflictsNote(r engine.Reader, instance string) (known int, err error) {
	note, err := loadConflictsNote(r)
	if err != nil || note.epoch == "" {
		return conflictsUnknown, err
	}
	list, err := readEpochs(r)
	switch {
	case err != nil || newestEpoch(list, instance) != note.epoch:
		return conflictsUnknown, err
	case note.complete:
		return conflictsComplete, nil
	}
	return conflictsPartly, nil
}

// renewConflictsNote carries the note over to an epoch that begins.
func (w *writer) renewConflictsNote(was, id string) error {
	note, err := loadConflictsNote(w.tx)
	if err != nil || note.epoch == "" || note.epoch != was {
		return err
	}
	note.epoch = id
	return w.tx.Put(spaceConflict, conflictsNoteKey, w.keep(note.appendTo))
}

// conflictsBuild finds the conflicts of a database that has no complete note.
type conflictsBuild struct {
	known atomic.Bool // they are complete

	mu      sync.Mutex // guards running
	running *conflictsSearch
}

// conflictsSearch is one try.
type conflictsSearch struct {
	over chan struct{} // closed once err is known
	err  error
}

// awaitConflicts waits until all conflicts are noted. If nobody is at it, that begins, and goes on if the
// caller leaves.
func (db *DB) awaitConflicts(ctx context.Context) error {
	return db.AwaitConflicts(ctx, func() error { return nil })
}

// waitingEvery is how often somebody who waits for conflicts is called.
const waitingEvery = 100 * time.Millisecond

// AwaitConflicts does the same, and calls waiting from time to time, whose error ends the wait. Whoever
// reads conflicts need not call it: reading waits by itself.
func (db *DB) AwaitConflicts(ctx context.Context, waiting func() error) error {
	b := &db.conflicts
	if b.known.Load() {
		return nil
	}
	var known int
	err := db.view(ctx, func(r engine.Reader) (err error) {
		known, err = readConflictsNote(r, db.identity.Instance)
		return err
	})
	if err != nil {
		return err
	}
	if known == conflictsComplete {
		b.known.Store(true)
		return nil
	}
	b.mu.Lock()
	if b.running == nil {
		this := &conflictsSearch{over: make(chan struct{})}
		b.running = this
		db.inBackground(func(ctx context.Context) {
			this.err = db.buildConflicts(ctx)
			if this.err != nil && ctx.Err() == nil {
				db.store.opt.Logger.Error("cannot look for conflicts", "db", db.name, "error", this.err)
			}
			b.mu.Lock()
			b.running = nil
			b.known.Store(this.err == nil)
			b.mu.Unlock()
			close(this.over)
		})
	}
	search := b.running // the next one may have begun when this one's end is noticed
	b.mu.Unlock()
	every := time.NewTicker(waitingEvery)
	defer every.Stop()
	for there := false; !there; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
			if err := waiting(); err != nil {
				return err
			}
		case <-search.over:
			there = true
		}
	}
	if why := db.WhyGone(); why != nil {
		return why
	}
	return search.err
}

// How much of a build one transaction notes.
const (
	buildConflicts = 200     // documents in conflict
	buildEntries   = 100_000 // entries looked at in vain
)

// buildConflicts looks at all documents that the note does not cover yet.
func (db *DB) buildConflicts(ctx context.Context) error {
	note, err := db.beginConflicts(ctx)
	if err != nil {
		return err
	}
	for !note.complete {
		var forked []uint64
		noted := note.reached
		for more := true; more; {
			found, err := db.findForked(ctx, &note)
			if err != nil {
				return err
			}
			forked = append(forked, found...)
			more = note.reached < note.goal && len(forked) < buildConflicts && note.reached-noted < buildEntries
		}
		note.complete = note.reached >= note.goal
		err := db.commits.submit(ctx, &op{docs: len(forked), bytes: 100 * (1 + len(forked)), apply: func(w *writer) error {
			for _, seq := range forked {
				if err := w.findConflict(seq); err != nil {
					return err
				}
			}
			return w.saveConflictsNote(note)
		}})
		if err != nil {
			return fmt.Errorf("look for conflicts in %q: %w", db.name, err)
		}
	}
	return nil
}

// beginConflicts reads the note, or makes one that covers nothing.
func (db *DB) beginConflicts(ctx context.Context) (note conflictsNote, err error) {
	err = db.commits.submit(ctx, &op{bytes: 64, apply: func(w *writer) error {
		known, err := readConflictsNote(w.tx, db.identity.Instance)
		if err != nil {
			return err
		}
		if known != conflictsUnknown {
			note, err = loadConflictsNote(w.tx)
			return err
		}
		list, err := readEpochs(w.tx)
		if err != nil {
			return err
		}
		note = conflictsNote{goal: w.last, epoch: newestEpoch(list, db.identity.Instance)}
		return errors.Join(w.tx.DeleteRange(spaceConflict, nil, nil), w.tx.Delete(spaceMeta, metaConflicts), w.saveConflictsNote(note))
	}})
	return note, err
}

// saveConflictsNote writes the note. Its epoch may have ended since it was read.
func (w *writer) saveConflictsNote(note conflictsNote) error {
	was, err := loadConflictsNote(w.tx)
	if err != nil {
		return err
	}
	if was.goal == note.goal && was.epoch != "" {
		note.epoch = was.epoch
	}
	return w.tx.Put(spaceConflict, conflictsNoteKey, w.keep(note.appendTo))
}

// findForked looks at the next entries of the feed in one snapshot, and moves reached. It returns the
// sequences of documents that may be in conflict.
func (db *DB) findForked(ctx context.Context, note *conflictsNote) (forked []uint64, err error) {
	size, reached := 0, note.reached
	err = db.view(ctx, func(r engine.Reader) error {
		forked, size, reached = nil, 0, note.goal
		n := 0
		return r.Scan(spaceSeq, engine.Range{From: seqKey(note.reached + 1), To: seqKey(note.goal + 1)}, func(k, v []byte) (bool, error) {
			seq, err := seqOfKey(k)
			if err != nil {
				return false, err
			}
			e, err := parseSeqEntry(v)
			if err != nil {
				return false, fmt.Errorf("sequence %d: %w", seq, err)
			}
			// No leaf lives if the winner does not, and a zero says that there is no other.
			if !e.marker() && !e.deleted() && len(e.leaves) > 0 && e.leaves[0] != 0 {
				forked = append(forked, seq)
			}
			n, size = n+1, size+len(v)
			if n >= snapshotRows || size >= snapshotBytes || len(forked) >= buildConflicts {
				reached = seq
				return false, nil
			}
			return true, nil
		})
	})
	if err == nil {
		note.reached = reached
		err = engine.Throttled(ctx, size)
	}
	return forked, err
}

// findConflict notes the conflict of the document at a sequence, if it still stands there.
func (w *writer) findConflict(seq uint64) error {
	v, err := w.tx.Get(spaceSeq, seqKey(seq))
	if err != nil || v == nil {
		return err
	}
	e, err := parseSeqEntry(v)
	if err != nil || e.marker() {
		return err
	}
	d, err := w.load(string(e.id))
	if err != nil || d.rec.seq != seq {
		return err
	}
	return w.putConflict(&d.tree, d.tree.Leaves(), seq)
}

// noteConflicts says that all conflicts are noted.
func (a *Adoption) noteConflicts() error {
	return a.update(func(tx engine.Tx) error {
		list, err := readEpochs(tx)
		if err != nil {
			return misfit("%v", err)
		}
		note := conflictsNote{complete: true, epoch: newestEpoch(list, a.identity.Instance)}
		return tx.Put(spaceConflict, conflictsNoteKey, note.appendTo(nil))
	})
}
