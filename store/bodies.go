package store

import (
	"fmt"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// bodyReader fills the bodies of a page of rows. Uncompressed bodies alias the snapshot; the
// others are unpacked into memory that the next page reuses.
type bodyReader struct {
	keys    [][]byte
	room    []byte // what keys are made of
	refs    []bodyRef
	docs    []*Document
	scratch []byte
}

// want notes that d needs the body at data.
func (b *bodyReader) want(d *Document, data []byte) error {
	ref, err := parseBodyRef(data)
	if err != nil {
		return fmt.Errorf("document %q: %w", d.ID, err)
	}
	from := len(b.room)
	b.room = appendBodyKey(b.room, ref)
	b.keys = append(b.keys, b.room[from:])
	b.refs = append(b.refs, ref)
	b.docs = append(b.docs, d)
	return nil
}

// bytes is the total JSON size of the wanted bodies.
func (b *bodyReader) bytes() (n int64) {
	for _, r := range b.refs {
		n += r.size
	}
	return n
}

// forget returns the memory to the pool, so a client slow to take a page does not hold it. What was
// wanted and not read is wanted no more.
func (b *bodyReader) forget() {
	b.keys, b.room, b.refs, b.docs = b.keys[:0], b.room[:0], b.refs[:0], b.docs[:0]
	if n := cap(b.scratch); n > 0 && n <= 2*snapshotBytes {
		scratches.Put(new(b.scratch[:0]))
	}
	b.scratch = nil
}

// scratches holds the memory of pages that nobody is reading at the moment.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// fill reads all wanted bodies. They stay valid until the snapshot ends or the next fill.
func (b *bodyReader) fill(r engine.Reader) error {
	need := int(b.bytes())
	if err := takeRoom(r, int64(need)); err != nil {
		return err
	}
	if b.scratch == nil && need <= 2*snapshotBytes {
		b.scratch = *scratches.Get().(*[]byte)
	}
	if cap(b.scratch) < need {
		b.scratch = make([]byte, 0, need) // never grown below: that would move earlier bodies
	}
	free := b.scratch[:0]
	err := r.GetMulti(spaceBody, b.keys, func(i int, v []byte) error {
		d := b.docs[i]
		if v == nil {
			return corrupt("document %q has no body for %s", d.ID, d.Rev)
		}
		stored, err := parseBody(v)
		if err != nil {
			return fmt.Errorf("document %q: %w", d.ID, err)
		}
		if d.Attachments, err = parseAttachments(stored.atts); err != nil {
			return fmt.Errorf("document %q: %w", d.ID, err)
		}
		if !stored.packed {
			d.Body = stored.json
			return nil
		}
		out, err := stored.appendJSON(free)
		if err != nil {
			return fmt.Errorf("document %q: %w", d.ID, err)
		}
		d.Body = out[len(free):]
		if cap(out) == cap(free) {
			free = out
		}
		return nil
	})
	b.keys, b.room, b.refs, b.docs = b.keys[:0], b.room[:0], b.refs[:0], b.docs[:0]
	return err
}
