package store

import (
	"fmt"
	"sync"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// rowPage gathers the rows of one snapshot, then reads their bodies together.
type rowPage struct {
	local              bool
	include, conflicts bool

	rows   []Row
	docs   []pageDoc // with include: for each row, the document it is to have
	size   int64     // bytes of the ids and documents gathered
	bodies bodyReader
}

// pageDoc is a document of a row, and the parts of its record that it is read from. All slices
// alias the snapshot.
type pageDoc struct {
	doc  Document
	data []byte // bodyRef
	tree []byte // of a document with several leaves
}

// rowPages holds the memory of pages that nobody fills at the moment.
var rowPages = sync.Pool{New: func() any { return new(rowPage) }}

// newRowPage is an empty page, until done.
func newRowPage() *rowPage { return rowPages.Get().(*rowPage) }

func (p *rowPage) done() {
	p.forget()
	rowPages.Put(p)
}

func (p *rowPage) reset(q *AllDocsQuery) {
	p.local = q.Space == LocalDocs
	p.include, p.conflicts = q.IncludeDocs, q.Conflicts
	p.rows, p.docs, p.size = p.rows[:0], p.docs[:0], 0
}

// forget releases the memory of a large page, so that a client slow to take its rows does not
// hold it.
func (p *rowPage) forget() {
	clear(p.rows)
	clear(p.docs)
	p.rows, p.docs = p.rows[:0], p.docs[:0]
	p.bodies.forget()
}

// add takes in a record and reports whether it gave a row.
func (p *rowPage) add(k, v []byte) (bool, error) {
	if p.local {
		rev, body, err := parseLocal(v)
		if err != nil {
			return false, fmt.Errorf("document %q: %w", k, err)
		}
		p.rows = append(p.rows, Row{ID: k, Rev: rev})
		p.size += int64(len(k))
		if p.include {
			p.docs = append(p.docs, pageDoc{doc: Document{ID: string(k), Rev: rev, Body: body}})
			p.size += int64(len(body))
		}
		return true, nil
	}
	rec, err := parseDocRecord(v)
	if err != nil {
		return false, fmt.Errorf("document %q: %w", k, err)
	}
	if rec.deleted() {
		return false, nil
	}
	return true, p.addRecord(k, &rec)
}

// addRecord takes in a document, deleted or not.
func (p *rowPage) addRecord(k []byte, rec *docRecord) error {
	p.rows = append(p.rows, Row{ID: k, Rev: rec.winner, Deleted: rec.deleted()})
	p.size += int64(len(k))
	if !p.include {
		return nil
	}
	var d pageDoc
	if !rec.deleted() {
		ref, err := parseBodyRef(rec.data)
		if err != nil {
			return fmt.Errorf("document %q: %w", k, err)
		}
		p.size += ref.size
		d.doc = Document{ID: string(k), Rev: rec.winner, Seq: rec.seq}
		d.data = rec.data
		if rec.flags&docForked != 0 {
			d.tree = rec.tree
		}
	}
	p.docs = append(p.docs, d)
	return nil
}

// drop forgets the row that was added last.
func (p *rowPage) drop() {
	p.size -= int64(len(p.rows[len(p.rows)-1].ID))
	p.rows = p.rows[:len(p.rows)-1]
	if !p.include {
		return
	}
	last := len(p.docs) - 1
	if ref, err := parseBodyRef(p.docs[last].data); err == nil {
		p.size -= ref.size
	}
	p.docs = p.docs[:last]
}

// fill reads the documents of the rows gathered.
func (p *rowPage) fill(r engine.Reader) error {
	if !p.include {
		return nil
	}
	for i := range p.docs {
		row, d := &p.rows[i], &p.docs[i]
		if row.Deleted {
			continue
		}
		row.Doc = &d.doc
		if d.data == nil {
			continue
		}
		if err := p.bodies.want(&d.doc, d.data); err != nil {
			return err
		}
		if p.conflicts && d.tree != nil {
			tree, err := revtree.Decode(d.tree)
			if err != nil {
				return fmt.Errorf("document %q: %w: %w", d.doc.ID, ErrCorrupt, err)
			}
			if err := d.doc.describe(r, nil, &tree, ReadOptions{Conflicts: true}); err != nil {
				return err
			}
		}
	}
	return p.bodies.fill(r)
}

// emit fills the rows and passes them on.
func (p *rowPage) emit(r engine.Reader, row func(*Row) error) error {
	if err := p.fill(r); err != nil {
		return err
	}
	for i := range p.rows {
		if err := row(&p.rows[i]); err != nil {
			return err
		}
	}
	return nil
}
