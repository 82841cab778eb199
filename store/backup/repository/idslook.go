package repository

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/record"
)

// idsList is the list of a segment's ids, open. The caller closes it.
type idsList struct {
	name      string
	in        io.ReaderAt
	size      int64
	closes    func() error
	runs      []idsRunFoot
	survivors []survivorsAt
}

// survivorsAt are survivors, and their place in the segment.
type survivorsAt struct {
	at uint64
	backup.Survivors
}

func (l *idsList) damaged(why string) error { return &DamagedError{l.name, why} }

func (l *idsList) close() error {
	if l.closes == nil {
		return nil
	}
	return l.closes()
}

// openIDs opens the list of a segment in the storage.
func (r *Repository) openIDs(ctx context.Context, segment string) (*idsList, error) {
	o, err := r.open(ctx, idsName(segment), 0)
	if err != nil {
		return nil, err
	}
	l := &idsList{name: idsName(segment), in: o.plain, size: o.size, closes: o.Close}
	if err := l.readFoot(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// readFoot reads where what is.
func (l *idsList) readFoot() error {
	end := make([]byte, 8+len(idsMagic))
	if l.size < int64(len(end)) {
		return l.damaged("it is too short")
	}
	at := l.size - int64(len(end))
	if _, err := l.in.ReadAt(end, at); err != nil {
		return fmt.Errorf("read %s: %w", l.name, err)
	}
	foot := binary.BigEndian.Uint64(end)
	if string(end[8:]) != idsMagic || foot > uint64(at) {
		return l.damaged("it does not end as a list of ids")
	}
	b, err := l.bytes(foot, uint64(at))
	if err != nil {
		return err
	}
	in := record.Read(b)
	for range in.Uvarint() {
		run, from := idsRunFoot{from: []uint64{0}}, uint64(0)
		if n := len(l.runs); n > 0 {
			from = l.runs[n-1].from[len(l.runs[n-1].from)-1]
			run.from[0] = from
		}
		for range in.Uvarint() {
			run.first = append(run.first, string(in.Bytes()))
			from += in.Uvarint()
			run.from = append(run.from, from)
			if in.Bad || from > foot {
				return l.damaged("its foot is malformed")
			}
		}
		l.runs = append(l.runs, run)
		if in.Bad {
			break
		}
	}
	for range in.Uvarint() {
		s := survivorsAt{at: in.Uvarint()}
		item := backup.Item{Kind: backup.KindSurvivors, Payload: in.Bytes()}
		if s.Survivors, err = item.Survivors(); err != nil {
			return l.damaged(err.Error())
		}
		l.survivors = append(l.survivors, s)
	}
	if in.Bad || len(in.Rest) > 0 {
		return l.damaged("its foot is malformed")
	}
	return nil
}

// bytes reads a block, or the foot.
func (l *idsList) bytes(from, to uint64) ([]byte, error) {
	b := make([]byte, to-from)
	if _, err := l.in.ReadAt(b, int64(from)); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", l.name, err)
	}
	return b, nil
}

// idsCursor goes through a run.
type idsCursor struct {
	list    *idsList
	segment int // its place in the chain
	run     *idsRunFoot
	next    int // block
	block   record.Reader
	now     capture
	seq     uint64 // of the last document of the block that was here
}

// seek goes to the first id from start on; ok is false if there is none.
func (c *idsCursor) seek(start string) (ok bool, err error) {
	c.next = max(0, sort.Search(len(c.run.first), func(i int) bool { return c.run.first[i] >= start })-1)
	c.block = record.Reader{}
	for {
		if ok, err = c.step(); !ok || c.now.ID >= start {
			return ok, err
		}
	}
}

// step goes to the next id.
func (c *idsCursor) step() (ok bool, err error) {
	if len(c.block.Rest) == 0 {
		if c.next == len(c.run.first) {
			return false, nil
		}
		b, err := c.list.bytes(c.run.from[c.next], c.run.from[c.next+1])
		if err != nil {
			return false, err
		}
		c.next++
		c.block, c.now, c.seq = record.Read(b), capture{}, 0
	}
	in := &c.block
	before := c.now
	same, rest := in.Uvarint(), in.Bytes()
	if same > uint64(len(before.ID)) {
		return false, c.list.damaged("a block is malformed")
	}
	flags := in.Byte()
	c.now = capture{here: flags&idsHere != 0, at: before.at + uint64(in.Varint())}
	c.now.ID, c.now.Deleted = before.ID[:same]+string(rest), flags&idsDeleted != 0
	if c.now.here {
		c.seq += uint64(in.Varint())
		c.now.seq, c.now.Revs = c.seq, int(in.Uvarint())
		for n := in.Uvarint(); n > 0 && !in.Bad; n-- {
			c.now.Leaves = append(c.now.Leaves, revtree.Node{Rev: in.Rev(), Deleted: in.Byte() == 1})
		}
	}
	if in.Bad || c.now.here && len(c.now.Leaves) == 0 {
		return false, c.list.damaged("a block is malformed")
	}
	return true, nil
}

// newest is a heap of cursors: at its top is the least id, and of one that several have its last capture.
type newest []*idsCursor

func (h newest) Len() int { return len(h) }
func (h newest) Less(i, j int) bool {
	a, b := h[i], h[j]
	return cmp.Or(cmp.Compare(a.now.ID, b.now.ID), cmp.Compare(b.segment, a.segment), cmp.Compare(b.now.at, a.now.at)) < 0
}
func (h newest) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *newest) Push(x any)   { *h = append(*h, x.(*idsCursor)) }
func (h *newest) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	*h = (*h)[:last]
	return c
}

// found is a document that a chain has.
type found struct {
	Listed
	seq      uint64
	segment  int   // that has its last capture
	captured []int // all segments that have captures of it, the newest first
}

// documentsIn calls fn for the documents of a chain from start on, in the order of their ids, until it
// is false.
func (r *Repository) documentsIn(ctx context.Context, segments []Part, start string, fn func(found) (more bool, err error)) (err error) {
	lists, err := r.idsOf(ctx, segments)
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range lists {
			err = errors.Join(err, l.close())
		}
	}()
	h := &newest{}
	for i, l := range lists {
		for j := range l.runs {
			c := &idsCursor{list: l, segment: i, run: &l.runs[j]}
			if ok, err := c.seek(start); err != nil {
				return err
			} else if ok {
				*h = append(*h, c)
			}
		}
	}
	heap.Init(h)
	for h.Len() > 0 {
		top := (*h)[0]
		last := top.now
		f := found{Listed: last.Listed, seq: last.seq, segment: top.segment}
		for h.Len() > 0 && (*h)[0].now.ID == last.ID {
			c := (*h)[0]
			if n := len(f.captured); c.now.here && (n == 0 || f.captured[n-1] != c.segment) {
				f.captured = append(f.captured, c.segment)
			}
			if ok, err := c.step(); err != nil {
				return err
			} else if ok {
				heap.Fix(h, 0)
			} else {
				heap.Pop(h)
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !last.here || lost(lists, f.segment, last) {
			continue
		}
		if more, err := fn(f); !more || err != nil {
			return err
		}
	}
	return nil
}

// lost tells whether a document is not among survivors that came after its last capture.
func lost(lists []*idsList, segment int, c capture) bool {
	for i := segment; i < len(lists); i++ {
		for _, s := range lists[i].survivors {
			if i == segment && s.at < c.at || c.seq < s.From || c.seq > s.To {
				continue
			}
			if _, is := slices.BinarySearch(s.Seqs, c.seq); !is {
				return true
			}
		}
	}
	return false
}

// idsOf opens the lists of segments. Those that are not there are made, and stored if they are worth it
// and the storage takes them.
func (r *Repository) idsOf(ctx context.Context, segments []Part) (lists []*idsList, err error) {
	lists = make([]*idsList, len(segments))
	defer func() {
		if err != nil {
			for _, l := range lists {
				if l != nil {
					err = errors.Join(err, l.close())
				}
			}
			lists = nil
		}
	}()
	missing := 0
	for i, p := range segments {
		if p.Size < idsWorth { // it may be one that has no list
			if lists[i], err = r.ownIDs(ctx, p); err != nil {
				return lists, err
			}
		}
		if lists[i] == nil {
			if lists[i], err = r.openIDs(ctx, p.Name); broken(err) {
				lists[i], err = nil, nil
				missing++
			}
		}
		if err != nil {
			return lists, err
		}
	}
	if missing > 0 {
		err = r.makeIDs(ctx, segments, lists)
	}
	return lists, err
}

// inMemory opens a list that a writer has made in memory.
func (w *idsWriter) inMemory(segment string) (*idsList, error) {
	if err := w.end(); err != nil {
		return nil, err
	}
	b := w.out.Bytes()
	l := &idsList{name: segment, in: bytes.NewReader(b), size: int64(len(b))}
	return l, l.readFoot()
}

// errEnough ends the reading of a segment.
var errEnough = errors.New("enough")

// ownIDs makes the list of a segment that needs none; nil: it is not one of these.
func (r *Repository) ownIDs(ctx context.Context, p Part) (*idsList, error) {
	w := &idsWriter{}
	err := r.eachIn(ctx, p, func(item *backup.Item) error {
		w.add(item)
		if w.bytes += int64(len(item.Bytes())); w.needed() {
			return errEnough
		}
		return w.err
	})
	if errors.Is(err, errEnough) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return w.inMemory(p.Name)
}

// makeIDs makes the lists that are missing: it reads the chain.
func (r *Repository) makeIDs(ctx context.Context, segments []Part, lists []*idsList) error {
	var w *idsWriter
	now := -1 // the segment that w is of
	end := func() (err error) {
		if w == nil {
			return nil
		}
		made := w
		w = nil
		lists[now], err = r.madeIDs(ctx, made, segments[now].Name)
		return err
	}
	in := r.readChain(ctx, segments)
	offset := int64(0)
	err := r.eachOf(in, backup.NewReader(in), func(_ *backup.Reader, item *backup.Item) error {
		if at := in.at(offset); at != now {
			if err := end(); err != nil {
				return err
			}
			if now = at; lists[now] == nil {
				w = &idsWriter{}
			}
		}
		offset += int64(len(item.Bytes()))
		if w == nil {
			return nil
		}
		w.bytes += int64(len(item.Bytes()))
		w.add(item)
		return w.err
	})
	if err == nil {
		err = end()
	}
	if err == nil && slices.Contains(lists, nil) {
		err = errors.New("a segment without items")
	}
	if err != nil {
		return fmt.Errorf("read a backup: %w", err)
	}
	return nil
}

// madeIDs stores a list that was made, and opens it. If it cannot be stored it stays in memory.
func (r *Repository) madeIDs(ctx context.Context, w *idsWriter, segment string) (*idsList, error) {
	if !r.Encrypted() || len(r.recipients) > 0 {
		if r.keepIDs(ctx, w, segment) == nil && w.needed() {
			if l, err := r.openIDs(ctx, segment); err == nil {
				return l, nil
			}
		}
	}
	return w.inMemory(segment)
}
