package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// ErrNotContinued says that a capture cannot continue from a Point: it is not of the database's
// history.
var ErrNotContinued = errors.New("the point is not of this database's history")

// CaptureSink takes in what a Capture reads. Its methods are called inside a snapshot: they wait for
// nobody, and keep no slice. What a document needs comes before it.
type CaptureSink interface {
	// Attachment is one that the next document refers to. Linked is the sequence since which it
	// has been here, 0 if that is not known.
	Attachment(a CapturedAttachment) error
	Body(key, value []byte) error
	Document(id []byte, seq uint64, record, entry []byte) error
	// Gone is a document that is there no longer.
	Gone(id []byte) error
	// Survivors lists, in order, all sequences from..to that documents have.
	Survivors(from, to uint64, seqs []uint64) error
	// Space begins a space that comes whole.
	Space(space byte) error
	Entry(space byte, key, value []byte) error
	// Trim says that the entries of a space before a key are gone.
	Trim(space byte, key []byte) error
}

// CapturedAttachment is an attachment whose content a backup needs.
type CapturedAttachment struct {
	Digest Digest
	Length int64
	Linked uint64
}

// CaptureEnd is the state of the database that a Capture has reached.
type CaptureEnd struct {
	Point         Point
	Docs, Deleted uint64 // documents of the database, and those of them whose winner is a tombstone
}

// Capture reads a database from a Point on, as the store's own records, in short snapshots. All
// pages together, in order, are one state of the database: that of the last snapshot. Between pages
// everybody may write. While there are captures, no attachments are swept, and times are not thinned.
type Capture struct {
	db          *DB
	since       Point
	checkpoints bool
	page        int
	epoch       string // of the newest sequence at the beginning, and that sequence
	last        uint64

	seq   uint64 // documents up to here have been read
	purge uint64 // so have purges
	times uint64 // times from this key on have not
	once  uint64 // recorded answers up to here have been read

	// Documents that are gone without a successor in the feed are named by the purges after goneFrom.
	// If some of these are forgotten, or documents have become death records since deadFrom, the
	// sequences that are left are listed instead.
	goneFrom, deadFrom uint64
	list               survivorList

	end     CaptureEnd
	scratch []uint64
	key     [len(BodyKey{})]byte

	docsNear, bodiesNear nearby // of the snapshot that is open
}

// survivorList is how far the listing of sequences is.
type survivorList struct {
	purge, dead uint64 // what they were when it began
	from, to    uint64 // still to list
	begun       bool
}

// BeginCapture starts to read the database from a Point on: all of it if that is zero. The error may
// be ErrNotContinued. The caller closes the capture.
func (db Bare) BeginCapture(ctx context.Context, since Point, opt CaptureOptions) (*Capture, error) {
	c := &Capture{db: db.bareDB, since: since, checkpoints: opt.Checkpoints, page: cmp.Or(opt.Page, capturePage), seq: since.Seq, purge: since.Purge, once: since.Once}
	err := db.view(ctx, func(r engine.Reader) (err error) {
		h, last, err := lineageIn(r, db.bareDB)
		if err != nil {
			return err
		}
		c.epoch, c.last = h.of(last), last
		if err = c.continues(r, &h, last); err != nil {
			return err
		}
		c.goneFrom, c.deadFrom = since.Purge, since.Dead
		if since.Seq == 0 { // nobody has anything that may be gone, before this capture brings it
			if c.goneFrom, err = lastPurge(r); err == nil {
				c.deadFrom, err = deadCounter(r)
			}
		}
		if t, ok, err := timeBefore(r, since.Base+1); err != nil {
			return err
		} else if ok {
			c.times = t.after // it may have been merged with later ones
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	db.captures.Add(1)
	return c, nil
}

// CaptureOptions say what a Capture reads.
type CaptureOptions struct {
	// Checkpoints has those of replications read too, which are among the local documents.
	Checkpoints bool
	// Page is how many documents are read in one snapshot at most (1,000).
	Page int
}

// Close ends the capture.
func (c *Capture) Close() { c.db.captures.Add(-1) }

// Began is the newest sequence when the capture began.
func (c *Capture) Began() Seq { return Seq{c.last, c.epoch} }

// Seq is the sequence up to which documents have been read.
func (c *Capture) Seq() uint64 { return c.seq }

// End is the state that was reached, once Page has returned false.
func (c *Capture) End() CaptureEnd { return c.end }

// continues judges whether the database has come by the point that the capture continues.
func (c *Capture) continues(r engine.Reader, h *history, last uint64) error {
	if c.since.IsZero() {
		return nil
	}
	reach, open, known := h.reach(c.since.Epoch)
	if open {
		reach = last
	}
	if !known || c.since.Seq > reach || c.since.Base > c.since.Seq {
		return ErrNotContinued
	}
	purge, err := lastPurge(r)
	if err == nil && c.since.Purge > purge {
		err = ErrNotContinued
	}
	return err
}

// lineageIn is the history of the database in a snapshot, and its newest sequence.
func lineageIn(r engine.Reader, db *DB) (h history, last uint64, err error) {
	n, err := newest(r)
	if err != nil {
		return h, 0, err
	}
	h = history{instance: db.identity.Instance}
	h.epochs, err = readEpochs(r)
	return h, n.seq, err
}

// Sizes of what is read in one snapshot. A document is read whole, however large it is.
const (
	capturePage  = 1000
	captureBytes = 4 << 20
	captureSeqs  = 64 << 10
)

// Page reads the next part of the database in one snapshot. more is false when it was the last one.
// If it fails, the capture is over.
func (c *Capture) Page(ctx context.Context, sink CaptureSink) (more bool, err error) {
	err = c.db.view(ctx, func(r engine.Reader) error {
		for _, part := range []func(engine.Reader, CaptureSink) (bool, error){
			c.documents, c.answers, c.timeEntries, c.purges, c.survivors,
		} {
			if more, err = part(r, sink); more || err != nil {
				return err
			}
		}
		return c.finish(r, sink)
	})
	if err != nil {
		return false, fmt.Errorf("read %q for a backup: %w", c.db.name, err)
	}
	return more, nil
}

// documents reads those that come next in the feed.
func (c *Capture) documents(r engine.Reader, sink CaptureSink) (more bool, err error) {
	n, size := 0, 0
	c.docsNear, c.bodiesNear = nearby{r: r, space: spaceDoc}, nearby{r: r, space: spaceBody}
	err = r.Scan(spaceSeq, engine.Range{From: seqKey(c.seq + 1)}, func(k, v []byte) (bool, error) {
		seq, err := seqOfKey(k)
		if err != nil {
			return false, err
		}
		e, err := skimSeqEntry(v)
		if err != nil {
			return false, fmt.Errorf("sequence %d: %w", seq, err)
		}
		if e.marker() {
			return true, nil // the newest entry: it belongs to the end
		}
		one, err := c.document(r, sink, seq, &e, v)
		if err != nil {
			return false, err
		}
		c.seq = seq
		n, size = n+1, size+one
		more = n >= c.page || size >= captureBytes
		return !more, nil
	})
	return more, err
}

// document reads one with all that it needs.
func (c *Capture) document(r engine.Reader, sink CaptureSink, seq uint64, e *seqEntry, entry []byte) (size int, err error) {
	v, err := c.docsNear.get(e.id)
	if err != nil {
		return 0, err
	}
	if v == nil {
		return 0, corrupt("document %q stands at sequence %d and is not there", e.id, seq)
	}
	rec, err := skimDocRecord(v)
	if err != nil {
		return 0, fmt.Errorf("document %q: %w", e.id, err)
	}
	if rec.flags&(docForked|docInner) == 0 { // only the winner has a body
		size, err = c.body(r, sink, rec.data)
	} else {
		size, err = c.bodies(r, sink, &rec)
	}
	if err != nil {
		return 0, fmt.Errorf("document %q: %w", e.id, err)
	}
	return size + len(v) + len(entry), sink.Document(e.id, seq, v, entry)
}

// bodies reads those of all revisions of a document.
func (c *Capture) bodies(r engine.Reader, sink CaptureSink, rec *docRecord) (size int, err error) {
	tree, err := rec.decode()
	if err != nil {
		return 0, err
	}
	tree.Nodes(func(n revtree.Node, _ bool) bool {
		if n.Data == nil {
			return true
		}
		var one int
		one, err = c.body(r, sink, n.Data)
		size += one
		return err == nil
	})
	return size, err
}

// body reads a body that the earlier backup does not have.
func (c *Capture) body(r engine.Reader, sink CaptureSink, data []byte) (size int, err error) {
	ref, err := parseBodyRef(data)
	if err != nil || ref.seq <= c.since.Base {
		return 0, err
	}
	key := appendBodyKey(c.key[:0], ref)
	v, err := c.bodiesNear.get(key)
	if err != nil {
		return 0, err
	}
	if v == nil {
		return 0, corrupt("a revision of sequence %d has lost its body", ref.seq)
	}
	if len(v) > 1 && v[1]&bodyAtts != 0 {
		stored, err := parseBody(v)
		if err != nil {
			return 0, err
		}
		atts, err := parseAttachments(stored.atts)
		if err != nil {
			return 0, err
		}
		for i := range atts {
			if err := c.attachment(r, sink, atts[i].Digest); err != nil {
				return 0, err
			}
		}
	}
	return len(v), sink.Body(key, v)
}

// attachment names one that the earlier backup may not have.
func (c *Capture) attachment(r engine.Reader, sink CaptureSink, d Digest) error {
	v, err := r.Get(spaceAtt, digestKey(d))
	if err != nil {
		return err
	}
	if v == nil {
		return corrupt("the content of attachment %s is missing", d)
	}
	rec, err := parseDigestRecord(v)
	if err != nil || rec.linked != 0 && rec.linked <= c.since.Base {
		return err
	}
	return sink.Attachment(CapturedAttachment{Digest: d, Length: rec.length, Linked: rec.linked})
}

// answers reads recorded answers, in the order in which they were recorded.
func (c *Capture) answers(r engine.Reader, sink CaptureSink) (more bool, err error) {
	size := 0
	rg := onceQueueRange()
	rg.From = onceQueueKey(c.once + 1)
	err = r.Scan(spaceOnce, rg, func(k, v []byte) (bool, error) {
		e, err := parseOnceEntry(k, v)
		if err != nil {
			return false, err
		}
		c.once = e.n
		answer, err := r.Get(spaceOnce, onceKey(e.key))
		if err != nil {
			return false, err
		}
		if rec, err := parseOnce(answer); err != nil || rec.n != e.n {
			return true, nil // the key was used again: that answer comes later
		}
		if err := errors.Join(sink.Entry(byte(spaceOnce), onceKey(e.key), answer), sink.Entry(byte(spaceOnce), k, v)); err != nil {
			return false, err
		}
		size += len(k) + len(v) + len(answer)
		more = size >= captureBytes
		return !more, nil
	})
	return more, err
}

// timeEntries reads when changes were made.
func (c *Capture) timeEntries(r engine.Reader, sink CaptureSink) (more bool, err error) {
	n := 0
	err = r.Scan(spaceTime, engine.Range{From: seqKey(c.times)}, func(k, v []byte) (bool, error) {
		e, err := parseTimeEntry(k, v)
		if err != nil {
			return false, err
		}
		c.times = e.after + 1
		n++
		more = n >= captureSeqs
		return !more, sink.Entry(byte(spaceTime), k, v)
	})
	return more, err
}

// purges reads what was purged, and finds documents that are gone with it.
func (c *Capture) purges(r engine.Reader, sink CaptureSink) (more bool, err error) {
	n := 0
	err = r.Scan(spacePurge, engine.Range{From: seqKey(c.purge + 1)}, func(k, v []byte) (bool, error) {
		p, err := parsePurge(k, v)
		if err != nil {
			return false, err
		}
		if p.Seq == c.goneFrom+1 { // else some before it are forgotten: see survivors
			there, err := r.Get(spaceDoc, []byte(p.ID))
			if err == nil && there == nil {
				err = sink.Gone([]byte(p.ID))
			}
			if err != nil {
				return false, err
			}
			c.goneFrom++
		}
		c.purge = p.Seq
		n++
		more = n >= c.page
		return !more, sink.Entry(byte(spacePurge), k, v)
	})
	return more, err
}

// survivors lists sequences that are left, if documents may be gone that no purge names.
func (c *Capture) survivors(r engine.Reader, sink CaptureSink) (more bool, err error) {
	purge, err := lastPurge(r)
	if err != nil {
		return false, err
	}
	dead, err := deadCounter(r)
	if err != nil || c.goneFrom == purge && c.deadFrom == dead {
		return false, err
	}
	l := &c.list
	if !l.begun || l.purge != purge || l.dead != dead {
		*l = survivorList{purge: purge, dead: dead, from: 1, to: c.seq, begun: true}
	}
	seqs := c.scratch[:0]
	last := l.to
	err = r.Scan(spaceSeq, engine.Range{From: seqKey(l.from), To: seqKey(l.to + 1), KeysOnly: true}, func(k, _ []byte) (bool, error) {
		seq, err := seqOfKey(k)
		if err != nil {
			return false, err
		}
		seqs = append(seqs, seq)
		if more = len(seqs) >= captureSeqs; more {
			last = seq
		}
		return !more, nil
	})
	c.scratch = seqs
	if err != nil {
		return false, err
	}
	if l.from <= l.to {
		if err := sink.Survivors(l.from, last, seqs); err != nil {
			return false, err
		}
		l.from = last + 1
	}
	if l.from <= l.to {
		return true, nil
	}
	c.goneFrom, c.deadFrom = purge, dead
	return false, nil
}

// deadCounter is the counter of the death records.
func deadCounter(r engine.Reader) (uint64, error) {
	notes, err := readDeaths(r)
	return notes.changes, err
}

// finish reads, in the snapshot in which everything else has come to its end, what a state of the
// database is besides.
func (c *Capture) finish(r engine.Reader, sink CaptureSink) error {
	last, err := newest(r)
	if err != nil {
		return err
	}
	if last.marker {
		k, v, err := r.Last(spaceSeq)
		if err == nil {
			err = sink.Entry(byte(spaceSeq), k, v)
		}
		if err != nil {
			return err
		}
	}
	for _, s := range []engine.Space{spacePurge, spaceOnce} {
		if err := c.trim(r, sink, s); err != nil {
			return err
		}
	}
	p := Point{Seq: last.seq, Base: last.seq, Once: c.once}
	if p.Purge, err = lastPurge(r); err != nil {
		return err
	}
	h, _, err := lineageIn(r, c.db)
	if err != nil {
		return err
	}
	p.Epoch = h.of(last.seq)
	if p.Dead, err = deadCounter(r); err != nil {
		return err
	}
	if p.Dead != c.since.Dead {
		if err := c.whole(r, sink, spaceDead); err != nil {
			return err
		}
	}
	if p.Meta, err = c.changed(r, sink, spaceMeta, c.since.Meta); err != nil {
		return err
	}
	if p.Local, err = c.changed(r, sink, spaceLocal, c.since.Local); err != nil {
		return err
	}
	c.end = CaptureEnd{Point: p, Docs: last.totals.docs + last.totals.deleted, Deleted: last.totals.deleted}
	return nil
}

// trim names the first entry of a space of which old ones go.
func (c *Capture) trim(r engine.Reader, sink CaptureSink, s engine.Space) error {
	rg := engine.Range{Limit: 1, KeysOnly: true}
	if s == spaceOnce {
		rg.From, rg.To = onceQueueRange().From, onceQueueRange().To
	}
	return r.Scan(s, rg, func(k, _ []byte) (bool, error) { return false, sink.Trim(byte(s), k) })
}

// whole reads a space.
func (c *Capture) whole(r engine.Reader, sink CaptureSink, s engine.Space) error {
	if err := sink.Space(byte(s)); err != nil {
		return err
	}
	return r.Scan(s, engine.Range{}, func(k, v []byte) (bool, error) {
		if !c.carries(s, k, v) {
			return true, nil
		}
		return true, sink.Entry(byte(s), k, v)
	})
}

// changed reads a space if its digest is another one than before.
func (c *Capture) changed(r engine.Reader, sink CaptureSink, s engine.Space, before [8]byte) (now [8]byte, err error) {
	sum := newCaptureSum()
	err = r.Scan(s, engine.Range{}, func(k, v []byte) (bool, error) {
		if c.carries(s, k, v) {
			sum.add(k, v)
		}
		return true, nil
	})
	if err != nil {
		return now, err
	}
	if now = sum.digest(); now == before {
		return now, nil
	}
	return now, c.whole(r, sink, s)
}

// carries reports whether an entry belongs to a backup. The names of indexes do not, nor what is known
// of conflicts: both are made anew.
func (c *Capture) carries(s engine.Space, k, v []byte) bool {
	switch s {
	case spaceMeta:
		return !bytes.HasPrefix(k, []byte(metaSub)) && !bytes.Equal(k, metaConflicts)
	case spaceLocal:
		return c.checkpoints || !isCheckpoint(v)
	}
	return true
}
