package store

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// ChangesQuery says what to read of the sequence feed.
type ChangesQuery struct {
	Since uint64 // rows after this sequence; ignored with Descending
	To    uint64 // rows up to this sequence; 0: the newest when the read begins
	// Follow, without To, makes the read end only in a snapshot whose newest change it has read. A
	// document that moves meanwhile comes again.
	Follow      bool
	Descending  bool
	Limit       int  // negative: none
	AllLeaves   bool // Change.Revs lists every leaf, not the winner alone (style=all_docs)
	IncludeDocs bool // fill Change.Doc
	Conflicts   bool // with IncludeDocs: fill Document.Conflicts
	Times       bool // fill Change.Time
	// DeletedConflicts, with IncludeDocs: fill Document.DeletedConflicts.
	DeletedConflicts bool
	Revs             bool // with IncludeDocs: fill Document.Path
	// DocIDs, if not nil, restricts the read to these documents; an id listed twice comes
	// twice.
	DocIDs []string
	// InConflict restricts the read to documents in conflict, and costs as many as there are. AllLeaves
	// goes without saying, but only leaves that live are listed. Change.Ancestors is filled. A document
	// of which all but one are hidden or rejected is left out. DocIDs and Seqs are ignored.
	InConflict bool
	// Seqs, if not nil, restricts the read to these sequences, in ascending order. A sequence
	// that its document has moved on from gives nothing. Ignored with DocIDs.
	Seqs []uint64
	// MatchLeaf, if not nil, judges each revision that a row would list. Rejected revisions
	// are left out; so is a row with none left. It must keep nothing that it is given, and is
	// called inside a snapshot.
	MatchLeaf func(*Document) (bool, error)
	// MatchLeaves, if not nil, judges in the same way the revisions that MatchLeaf accepted,
	// all of a page at once. pass holds the verdicts for the first of docs. If it is shorter
	// than docs, err belongs to the next one, and ends the read when it gets there.
	MatchLeaves func(docs []*Document) (pass []bool, err error)
	// PageRows is the most changes to look at in one snapshot, for a MatchLeaf that takes its
	// time; 0: as many as suit the storage.
	PageRows int
	// Match, if not nil, judges each row; rejected rows do not count for Limit. It is called
	// inside a snapshot.
	Match func(*Change) (bool, error)
}

// Change is a row of the feed: the newest change of a document. It is valid only
// during the call that brings it.
type Change struct {
	Seq     uint64
	ID      []byte
	Deleted bool          // the winner is a tombstone
	Revs    []revtree.Rev // the winner first
	// Ancestors, with InConflict: the nearest common ancestor of Revs[0] and each of the others, zero
	// where none is known.
	Ancestors []revtree.Rev
	Doc       *Document // with IncludeDocs: the winner, tombstones too
	Time      time.Time // with Times: the second of the change, zero if it is not known
}

// ChangesEnd says where a read of the feed ended.
type ChangesEnd struct {
	// Last is where the next read continues: the last sequence looked at, or Since if there
	// was none.
	Last uint64
	// LastRow is the sequence of the last row returned, 0 if there was none.
	LastRow uint64
	// Beyond is the sequence of the change after Last if Limit ended the read and that change
	// is known not to match, else 0. As in CouchDB, a reader need not be told of it again.
	Beyond uint64
	// Seen is how many changes were looked at; with InConflict, only those that are conflicts as far as
	// they are shown.
	Seen int
	// Done says that nothing was left to look at.
	Done bool
	// Pending is how many changes were left after Last.
	Pending int
}

// Changes reads the feed. It calls row inside a snapshot, so row must do no I/O. It calls flush
// between snapshots, also when Match has rejected every row for a while. Unless To is given,
// the read ends at the sequence that was newest when it began: a document that moves beyond it
// in the meantime is left to the next read.
func (db *DB) Changes(ctx context.Context, q ChangesQuery, row func(*Change) error, flush func() error) (ChangesEnd, error) {
	if q.InConflict {
		if err := db.awaitConflicts(ctx); err != nil {
			return ChangesEnd{Last: q.Since}, err
		}
		q.AllLeaves, q.DocIDs, q.Seqs = true, nil, nil
	}
	if db.Hides() && q.Limit != 0 {
		row = db.seeChanges(&q, row)
	}
	c := changesRead{db: db, q: q, end: ChangesEnd{Last: q.Since}, left: q.Limit, row: row}
	for more := true; more; {
		err := db.view(ctx, func(r engine.Reader) (err error) {
			if err = c.begin(r); err != nil {
				return err
			}
			if more, err = c.page(r); err == nil && c.counted {
				err = c.countLeft(r, more)
			}
			return err
		})
		if err == nil && !more && !c.counted {
			c.end.Pending, err = db.pending(ctx, &c)
		}
		if err != nil {
			return c.end, err
		}
		clear(c.rows)
		c.bodies.forget()
		if err := flush(); err != nil {
			return c.end, err
		}
	}
	return c.end, nil
}

// changesRead is a read of the feed under way.
type changesRead struct {
	db      *DB
	q       ChangesQuery
	row     func(*Change) error
	begun   bool
	left    int // rows that may still be returned, negative: any number
	end     ChangesEnd
	counted bool // by countAhead
	marker  bool // the newest entry is one

	from, to []byte   // sequence keys still to read, [from, to)
	seqs     []uint64 // with DocIDs or Seqs: the sequences still to read, in reading order
	rows     []changeRow
	bodies   bodyReader
	other    []byte // memory for the body of a leaf
	leaves   []leaf
	revs     []revtree.Rev
	times    timeline
	verdicts []leafVerdict // with MatchLeaves: of the leaves of the page
}

type changeRow struct {
	seq       uint64
	entry     seqEntry
	from, end int // its leaves in leaves
	doc       Document
	ancestors []revtree.Rev // with InConflict
	others    []Document    // if leaves are judged, with AllLeaves: the other leaves
	data      [][]byte      // without MatchLeaves: where their bodies are, which are read one after the other
	verdicts  int           // with MatchLeaves: where its leaves' verdicts begin
}

// judged reports whether rows may be rejected.
func (q *ChangesQuery) judged() bool { return q.Match != nil || q.judgesLeaves() }

func (q *ChangesQuery) judgesLeaves() bool { return q.MatchLeaf != nil || q.MatchLeaves != nil }

func (q *ChangesQuery) pageRows() int {
	if q.PageRows > 0 {
		return q.PageRows
	}
	return snapshotRows
}

// bodies reports whether documents have to be read.
func (q *ChangesQuery) bodies() bool { return q.IncludeDocs || q.judgesLeaves() }

// begin fixes the range in the first snapshot.
func (c *changesRead) begin(r engine.Reader) error {
	if c.begun && !c.q.Follow {
		return nil
	}
	if c.q.To == 0 || c.q.Follow {
		if c.walks() && !c.begun && !c.q.Descending {
			engine.FetchPage(inner(r), spaceSeq, engine.Range{From: seqKey(c.q.Since + 1), Limit: c.limit()})
			c.countAhead(r)
		}
		last, err := newest(r)
		if err != nil {
			return err
		}
		if c.q.To, c.marker = last.seq, last.marker; c.db.shared {
			if err := c.db.inEra(r); err != nil {
				return err
			}
			c.db.news.advance(last.seq)
		}
	}
	if c.begun {
		c.to = seqKey(c.q.To + 1)
		return nil
	}
	c.begun = true
	if c.q.Descending {
		c.q.Since = 0
		c.end.Last = 0
	}
	c.from, c.to = seqKey(c.q.Since+1), seqKey(c.q.To+1)
	if c.q.Since == math.MaxUint64 || c.q.To == math.MaxUint64 {
		c.from, c.to = seqKey(math.MaxUint64), seqKey(math.MaxUint64)
	}
	if c.q.DocIDs == nil && c.q.Seqs == nil {
		return nil
	}
	var err error
	if c.q.DocIDs != nil {
		err = c.listSeqs(r)
	} else {
		for _, seq := range c.q.Seqs {
			if seq > c.q.Since && seq <= c.q.To {
				c.seqs = append(c.seqs, seq)
			}
		}
	}
	slices.Sort(c.seqs)
	if c.q.Descending {
		slices.Reverse(c.seqs)
	}
	return err
}

// listSeqs finds the sequences of the requested documents.
func (c *changesRead) listSeqs(r engine.Reader) error {
	keys := make([][]byte, len(c.q.DocIDs))
	for i, id := range c.q.DocIDs {
		keys[i] = []byte(id)
	}
	return r.GetMulti(spaceDoc, keys, func(i int, v []byte) error {
		if v == nil {
			return nil
		}
		rec, err := parseDocRecord(v)
		if err != nil {
			return fmt.Errorf("document %q: %w", keys[i], err)
		}
		if rec.seq > c.q.Since && rec.seq <= c.q.To {
			c.seqs = append(c.seqs, rec.seq)
		}
		return nil
	})
}

// page reads and passes on as much as one snapshot allows; more reports whether anything is
// left.
func (c *changesRead) page(r engine.Reader) (more bool, err error) {
	c.rows, c.leaves = c.rows[:0], c.leaves[:0]
	if c.left == 0 {
		return false, nil
	}
	switch {
	case c.q.DocIDs != nil || c.q.Seqs != nil:
		more, err = c.gatherListed(r)
	case c.q.InConflict:
		more, err = c.gatherConflicts(r)
	default:
		more, err = c.gather(r)
	}
	if err != nil {
		return false, err
	}
	if c.q.bodies() {
		if err := c.fill(r); err != nil {
			return false, err
		}
	}
	if c.q.MatchLeaves != nil {
		c.judgePage()
	}
	for i := range c.rows {
		if err := c.emit(r, &c.rows[i]); err != nil {
			return false, err
		}
		if c.left == 0 {
			c.lookBeyond(r, i+1)
			return false, nil
		}
	}
	if c.end.Done = !more; !more && (c.q.Follow || c.q.InConflict && !c.q.Descending) {
		c.end.Last = max(c.end.Last, c.q.To)
	}
	return more, nil
}

// walks reports whether the read goes over the feed as it is.
func (c *changesRead) walks() bool {
	return c.q.DocIDs == nil && c.q.Seqs == nil && !c.q.InConflict && c.left != 0
}

// limit is how many entries the next snapshot needs at most.
func (c *changesRead) limit() int {
	if c.left > 0 && !c.q.judged() {
		return min(c.left+1, c.q.pageRows()) // one may be a marker
	}
	return c.q.pageRows()
}

// gather scans the next entries of the range.
func (c *changesRead) gather(r engine.Reader) (more bool, err error) {
	if bytes.Compare(c.from, c.to) >= 0 {
		return false, nil
	}
	var size int64
	scanned := 0
	var last []byte
	rg := engine.Range{From: c.from, To: c.to, Reverse: c.q.Descending, Limit: c.limit()}
	err = r.Scan(spaceSeq, rg, func(k, v []byte) (bool, error) {
		last = k
		scanned++
		n, err := c.add(k, v)
		size += n
		if err != nil {
			return false, err
		}
		if !c.q.judged() && len(c.rows) == c.left {
			more = true
			return false, nil
		}
		more = scanned >= c.q.pageRows() || size >= snapshotBytes
		return !more, nil
	})
	if err != nil || last == nil {
		return false, err
	}
	if rg.Limit > 0 && scanned == rg.Limit {
		more = true
	}
	if c.q.Descending {
		c.to = append([]byte(nil), last...)
	} else {
		seq, err := seqOfKey(last)
		if err != nil {
			return false, err
		}
		c.from = seqKey(seq + 1)
	}
	return more, nil
}

// gatherListed reads the next entries of the requested documents.
func (c *changesRead) gatherListed(r engine.Reader) (more bool, err error) {
	const part = 256
	n := min(part, len(c.seqs))
	if c.left > 0 && !c.q.judged() {
		n = min(n, c.left)
	}
	some := c.seqs[:n]
	keys := make([][]byte, n)
	for i, seq := range some {
		keys[i] = seqKey(seq)
	}
	var size int64
	err = r.GetMulti(spaceSeq, keys, func(i int, v []byte) error {
		if v == nil {
			return nil // it moved after the read began: the next read returns it
		}
		one, err := c.add(keys[i], v)
		if size += one; err == nil && size >= snapshotBytes {
			n, err = i+1, errEnough // the others are the next page's
		}
		return err
	})
	if err == errEnough {
		err = nil
	}
	c.seqs = c.seqs[n:]
	return len(c.seqs) > 0, err
}

// add takes an entry in and returns the bytes of its document and of the id.
func (c *changesRead) add(k, v []byte) (size int64, err error) {
	seq, err := seqOfKey(k)
	if err != nil {
		return 0, err
	}
	e, err := parseSeqEntry(v)
	if err != nil {
		return 0, fmt.Errorf("sequence %d: %w", seq, err)
	}
	if e.marker() {
		return 0, nil
	}
	size = int64(len(e.id))
	row := changeRow{seq: seq, entry: e, from: len(c.leaves), end: len(c.leaves)}
	if c.q.AllLeaves || c.q.Conflicts || c.q.DeletedConflicts {
		if c.leaves, err = e.others(c.leaves); err != nil {
			return 0, err
		}
		for c.q.InConflict && len(c.leaves) > row.from && c.leaves[len(c.leaves)-1].deleted { // they are the last ones
			c.leaves = c.leaves[:len(c.leaves)-1]
		}
		row.end = len(c.leaves)
	}
	if c.q.bodies() {
		ref, err := parseBodyRef(e.data)
		if err != nil {
			return 0, fmt.Errorf("sequence %d: %w", seq, err)
		}
		size += ref.size
		row.doc = Document{ID: string(e.id), Rev: e.winner, Deleted: e.deleted(), Seq: seq}
	}
	c.rows = append(c.rows, row)
	return size, nil
}

// fill reads the documents of the rows gathered.
func (c *changesRead) fill(r engine.Reader) error {
	for i := range c.rows {
		row := &c.rows[i]
		if err := c.bodies.want(&row.doc, row.entry.data); err != nil {
			return err
		}
		for _, l := range c.leaves[row.from:row.end] {
			switch {
			case c.q.Conflicts && !l.deleted:
				row.doc.Conflicts = append(row.doc.Conflicts, l.rev)
			case c.q.DeletedConflicts && l.deleted:
				row.doc.DeletedConflicts = append(row.doc.DeletedConflicts, l.rev)
			}
		}
		if c.q.judgesLeaves() && c.q.AllLeaves && row.end > row.from {
			if err := c.wantOthers(r, row); err != nil {
				return err
			}
		}
	}
	if c.q.Revs {
		if err := c.fillPaths(r); err != nil {
			return err
		}
	}
	return c.bodies.fill(r)
}

// fillPaths reads the histories of the documents of the rows gathered.
func (c *changesRead) fillPaths(r engine.Reader) error {
	limit, err := c.db.revsLimitIn(r)
	if err != nil {
		return err
	}
	keys := make([][]byte, len(c.rows))
	for i := range c.rows {
		keys[i] = c.rows[i].entry.id
	}
	return r.GetMulti(spaceDoc, keys, func(i int, v []byte) error {
		if v == nil {
			return corrupt("document %q is in the sequence and is not there", keys[i])
		}
		rec, err := parseDocRecord(v)
		if err != nil {
			return fmt.Errorf("document %q: %w", keys[i], err)
		}
		tree, err := rec.decode()
		if err != nil {
			return fmt.Errorf("document %q: %w", keys[i], err)
		}
		path := tree.Path(c.rows[i].doc.Rev)
		c.rows[i].doc.Path = path[:min(limit, len(path))]
		return nil
	})
}

// wantOthers asks for the bodies of the leaves other than the winner.
func (c *changesRead) wantOthers(r engine.Reader, row *changeRow) error {
	v, err := r.Get(spaceDoc, row.entry.id)
	if err != nil || v == nil {
		return err
	}
	rec, err := parseDocRecord(v)
	if err != nil {
		return fmt.Errorf("document %q: %w", row.entry.id, err)
	}
	tree, err := rec.decode()
	if err != nil {
		return fmt.Errorf("document %q: %w", row.entry.id, err)
	}
	leaves := tree.Leaves()
	if c.q.InConflict {
		leaves = living(leaves)
	}
	leaves = leaves[1:]
	row.others = make([]Document, len(leaves))
	for i, l := range leaves {
		row.others[i] = Document{ID: row.doc.ID, Rev: l.Rev, Deleted: l.Deleted, Seq: row.seq}
		if c.q.MatchLeaves == nil {
			row.data = append(row.data, l.Data)
		} else if err := c.bodies.want(&row.others[i], l.Data); err != nil {
			return err
		}
	}
	return nil
}

// leaf returns the winner for -1, or one of the other leaves.
func (row *changeRow) leaf(n int) *Document {
	if n < 0 {
		return &row.doc
	}
	return &row.others[n]
}

// leafVerdict is the verdict on a leaf.
type leafVerdict struct {
	pass bool
	err  error
}

// judgePage judges the leaves of a page, up to one that cannot be judged. Verdicts before it
// count.
func (c *changesRead) judgePage() {
	c.verdicts = c.verdicts[:0]
	var asked []*Document
	var of []int // their places in verdicts
	var failed error
	for i := range c.rows {
		row := &c.rows[i]
		row.verdicts = len(c.verdicts)
		for j := -1; j < len(row.others); j++ {
			d := row.leaf(j)
			v := leafVerdict{pass: true, err: failed}
			if c.q.MatchLeaf != nil && failed == nil {
				v.pass, v.err = c.q.MatchLeaf(d)
				failed = v.err
			}
			if v.pass && failed == nil {
				asked, of = append(asked, d), append(of, len(c.verdicts))
			}
			c.verdicts = append(c.verdicts, v)
		}
	}
	if len(asked) == 0 {
		return
	}
	pass, err := c.q.MatchLeaves(asked)
	for i, at := range of {
		if i < len(pass) {
			c.verdicts[at].pass = pass[i]
		} else {
			c.verdicts[at] = leafVerdict{err: err}
		}
	}
}

// matchingLeaves fills revs with the accepted revisions.
func (c *changesRead) matchingLeaves(r engine.Reader, row *changeRow) error {
	c.revs = c.revs[:0]
	for j := -1; j < len(row.others); j++ {
		d := row.leaf(j)
		var v leafVerdict
		switch {
		case c.q.MatchLeaves != nil:
			v = c.verdicts[row.verdicts+1+j]
		case j < 0:
			v.pass, v.err = c.q.MatchLeaf(d)
		default: // a document may have a thousand leaves, and each may be large
			one := *d
			one.Body = c.other
			if err := one.readBody(r, row.data[j]); err != nil {
				return err
			}
			if c.other = one.Body; cap(c.other) > snapshotBytes {
				c.other = nil
			}
			v.pass, v.err = c.q.MatchLeaf(&one)
		}
		if v.err != nil {
			return v.err
		}
		if v.pass {
			c.revs = append(c.revs, d.Rev)
		}
	}
	return nil
}

// lookBeyond judges the change after the last row that is wanted, if it is in the page. One that
// cannot be judged is the next read's.
func (c *changesRead) lookBeyond(r engine.Reader, next int) {
	if next == len(c.rows) || c.q.Descending || !c.q.judgesLeaves() {
		return
	}
	row := &c.rows[next]
	if err := c.matchingLeaves(r, row); err == nil && len(c.revs) == 0 {
		c.end.Beyond = row.seq
	}
}

// emit passes a row on if it matches.
func (c *changesRead) emit(r engine.Reader, row *changeRow) (err error) {
	c.revs = append(c.revs[:0], row.entry.winner)
	if c.q.AllLeaves {
		for _, l := range c.leaves[row.from:row.end] {
			c.revs = append(c.revs, l.rev)
		}
	}
	ch := Change{Seq: row.seq, ID: row.entry.id, Deleted: row.entry.deleted(), Revs: c.revs}
	if c.q.IncludeDocs {
		ch.Doc = &row.doc
	}
	c.end.Last = row.seq
	c.end.Seen++
	if c.q.Times {
		if ch.Time, err = c.times.of(r, row.seq); err != nil {
			return err
		}
	}
	if c.q.judgesLeaves() {
		if err := c.matchingLeaves(r, row); err != nil || len(c.revs) == 0 && !c.q.InConflict {
			return err
		}
		ch.Revs = c.revs
	}
	if c.q.InConflict {
		if len(ch.Revs) < 2 {
			c.end.Seen--
			return nil
		}
		if ch.Ancestors, err = c.ancestors(r, row, ch.Revs); err != nil {
			return err
		}
	}
	if c.q.Match != nil {
		if ok, err := c.q.Match(&ch); !ok || err != nil {
			return err
		}
	}
	if c.left > 0 {
		c.left--
	}
	c.end.LastRow = row.seq
	return c.row(&ch)
}
