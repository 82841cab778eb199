package store

import (
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// rowPage gathers the rows of one snapshot, then reads their bodies together.
type rowPage struct {
	local              bool
	include, conflicts bool

	rows   []pageRow
	size   int64 // bytes of the documents gathered
	bodies bodyReader
}

// pageRow is a row and the parts of the record that its document is read from. All slices alias
// the snapshot.
type pageRow struct {
	row  Row
	doc  Document
	data []byte // bodyRef
	tree []byte // of a document with several leaves
}

func (p *rowPage) reset(q *AllDocsQuery) {
	p.local = q.Space == LocalDocs
	p.include, p.conflicts = q.IncludeDocs, q.Conflicts
	p.rows, p.size = p.rows[:0], 0
}

// forget releases the memory of a large page, so that a client slow to take its rows does not
// hold it.
func (p *rowPage) forget() {
	clear(p.rows)
	p.rows = p.rows[:0]
	p.bodies.forget()
}

// add takes in a record and reports whether it gave a row.
func (p *rowPage) add(k, v []byte) (bool, error) {
	if p.local {
		rev, body, err := parseLocal(v)
		if err != nil {
			return false, fmt.Errorf("document %q: %w", k, err)
		}
		pr := pageRow{row: Row{ID: k, Rev: rev}}
		if p.include {
			pr.doc = Document{ID: string(k), Rev: rev, Body: body}
			p.size += int64(len(body))
		}
		p.rows = append(p.rows, pr)
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
	pr := pageRow{row: Row{ID: k, Rev: rec.winner, Deleted: rec.deleted()}}
	if p.include && !rec.deleted() {
		ref, err := parseBodyRef(rec.data)
		if err != nil {
			return fmt.Errorf("document %q: %w", k, err)
		}
		p.size += ref.size
		pr.doc = Document{ID: string(k), Rev: rec.winner, Seq: rec.seq}
		pr.data = rec.data
		if rec.flags&docForked != 0 {
			pr.tree = rec.tree
		}
	}
	p.rows = append(p.rows, pr)
	return nil
}

// drop forgets the row that was added last.
func (p *rowPage) drop() {
	last := &p.rows[len(p.rows)-1]
	if ref, err := parseBodyRef(last.data); err == nil {
		p.size -= ref.size
	}
	p.rows = p.rows[:len(p.rows)-1]
}

// fill reads the documents of the rows gathered.
func (p *rowPage) fill(r engine.Reader) error {
	if !p.include {
		return nil
	}
	for i := range p.rows {
		pr := &p.rows[i]
		if pr.row.Deleted {
			continue
		}
		pr.row.Doc = &pr.doc
		if pr.data == nil {
			continue
		}
		if err := p.bodies.want(&pr.doc, pr.data); err != nil {
			return err
		}
		if p.conflicts && pr.tree != nil {
			tree, err := revtree.Decode(pr.tree)
			if err != nil {
				return fmt.Errorf("document %q: %w: %w", pr.doc.ID, ErrCorrupt, err)
			}
			if err := pr.doc.describe(r, &tree, ReadOptions{Conflicts: true}); err != nil {
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
		if err := row(&p.rows[i].row); err != nil {
			return err
		}
	}
	return nil
}
