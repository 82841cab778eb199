package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sort"
	"sync"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// metaRecounted is when the totals were last set right: version | uvarint sequence. Of two processes that have
// found the same difference one takes it away, and the other sees that somebody has.
var metaRecounted = []byte("recounted")

// readRecounted is 0 if they never were.
func readRecounted(r engine.Reader) (uint64, error) {
	v, err := r.Get(spaceMeta, metaRecounted)
	if err != nil || v == nil {
		return 0, err
	}
	rd := record.Read(v)
	version, seq := rd.Byte(), rd.Uvarint()
	if version != record.Version || rd.Bad {
		return 0, corrupt("%s of %d bytes", metaRecounted, len(v))
	}
	return seq, nil
}

// figuresMove is what a transaction has added to the figures of a document.
type figuresMove struct {
	id string
	totals
}

// recount counts all documents beside those who write them, a page in each snapshot. A nil one counts nothing. Of the
// transactions that are committed meanwhile it is told what they add; it knows which of them a page has seen.
//
// What transactions add is right, though the totals that they add it to may not be. So how much the totals are off is
// the same at any time, and is taken away once.
type recount struct {
	mu    sync.Mutex // guards what follows; no I/O under it
	found totals
	pages []countedPage
	late  []lateMove // committed since the page under way began
	lost  bool       // nobody knows whether a transaction was committed
}

// countedPage is the documents from where the page before ends up to a key.
type countedPage struct {
	to    []byte // nil: the end
	asOf  uint64 // the newest sequence of its snapshot
	found totals
}

// lateMove is a move of a document that no page had when it was told.
type lateMove struct {
	figuresMove
	at uint64 // the newest sequence of its transaction
}

// committed takes in what a transaction has added, up to its newest sequence.
func (c *recount) committed(moves []figuresMove, at uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range moves {
		if !c.add(&m, at) {
			c.late = append(c.late, lateMove{m, at})
		}
	}
}

// add adds a move that the page of its document has not seen. It is false if there is no such page yet. The lock is
// held.
func (c *recount) add(m *figuresMove, at uint64) bool {
	i := sort.Search(len(c.pages), func(i int) bool { return c.pages[i].to == nil || m.id < string(c.pages[i].to) })
	if i == len(c.pages) {
		return false
	}
	if at > c.pages[i].asOf {
		c.found.add(&m.totals)
	}
	return true
}

// begins says that the snapshot of the next page is about to be taken. It has all that was told before.
func (c *recount) begins() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = c.late[:0]
}

// counted takes in a page.
func (c *recount) counted(page countedPage) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found.add(&page.found)
	c.pages = append(c.pages, page)
	for i := range c.late { // what belongs to later pages is seen by them
		c.add(&c.late[i].figuresMove, c.late[i].at)
	}
}

// lose says that a transaction may have been committed, or not.
func (c *recount) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
}

// sum is what there is in a transaction that has added moves so far. ok is false if nobody knows.
func (c *recount) sum(moves []figuresMove) (t totals, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t = c.found
	for i := range moves {
		t.add(&moves[i].totals)
	}
	return t, !c.lost
}

// mendTotals sets the running totals right if they say something else than what c has counted, or, if other processes
// write too, what is counted now. Those of partitions are not looked at.
func (db *DB) mendTotals(ctx context.Context, c *recount) error {
	var off totals
	var mended uint64
	if c == nil {
		err := db.view(ctx, func(r engine.Reader) (err error) {
			if mended, err = readRecounted(r); err != nil {
				return err
			}
			off, err = wrongBy(r)
			return err
		})
		if err != nil {
			return err
		}
	}
	var said totals
	err := db.commits.submit(ctx, &op{upkeep: true, sparing: true, bytes: 100, apply: func(w *writer) error {
		said = w.totals
		if c == nil {
			if now, err := readRecounted(w.tx); now != mended || err != nil {
				off = totals{}
				return err
			}
		} else if now, ok := c.sum(w.figures); ok {
			off = now.since(&said)
		} else {
			off = totals{}
		}
		if off == (totals{}) {
			return nil
		}
		w.totals.add(&off)
		v := binary.AppendUvarint([]byte{record.Version}, w.last+1) // of the marker that will tell it
		return w.tx.Put(spaceMeta, metaRecounted, v)
	}})
	if err != nil || off == (totals{}) {
		return err
	}
	right := said
	right.add(&off)
	db.store.opt.Logger.Warn("the totals of the database did not agree with its documents, and are counted anew", "db", db.name,
		"documents", right.docs, "documents before", said.docs, "deleted", right.deleted, "deleted before", said.deleted,
		"bytes", right.external, "bytes before", said.external)
	return nil
}

// wrongBy is what the totals lack. Other processes tell nothing of what they write, so all is counted in one snapshot.
func wrongBy(r engine.Reader) (off totals, err error) {
	last, err := newest(r)
	if err != nil {
		return off, err
	}
	var found totals
	err = r.Scan(spaceDoc, engine.Range{}, func(k, v []byte) (bool, error) {
		if isTotals(v) {
			return true, nil
		}
		rec, err := skimDocRecord(v)
		if err == nil {
			err = rec.addFigures(&found)
		}
		if err != nil {
			return false, fmt.Errorf("document %q: %w", k, err)
		}
		return true, nil
	})
	return found.since(&last.totals), err
}

// addFigures adds what the document adds to the totals.
func (rec *docRecord) addFigures(t *totals) error {
	if rec.deleted() {
		t.deleted++
	} else {
		t.docs++
	}
	if rec.flags&docForked == 0 { // the winner is the only leaf
		ref, err := parseBodyRef(rec.data)
		if err == nil {
			ref.addTo(t, 1)
		}
		return err
	}
	tree, err := rec.decode()
	if err != nil {
		return err
	}
	for _, leaf := range tree.Leaves() {
		ref, err := parseBodyRef(leaf.Data)
		if err != nil {
			return err
		}
		ref.addTo(t, 1)
	}
	return nil
}
