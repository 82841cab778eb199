package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// ReadOptions say which revision of a document to read and what to add to it.
type ReadOptions struct {
	Rev              revtree.Rev // zero: the winner
	Latest           bool        // in OpenRevs: read the leaves below the given revisions
	Deleted          bool        // return a winner that is a tombstone, instead of ErrDeleted
	Revs             bool        // fill Document.Path
	RevsInfo         bool        // fill Document.RevsInfo
	Conflicts        bool        // fill Document.Conflicts
	DeletedConflicts bool        // fill Document.DeletedConflicts
	NoBody           bool        // leave Document.Body empty
	Paged            bool        // in OpenRevs: leave large amounts to ReadRev
	Into             []byte      // in Get: memory for Document.Body, which may use it from its beginning on
}

// treeWanted reports whether the document's tree has to be decoded.
func (o *ReadOptions) treeWanted() bool {
	return !o.Rev.IsZero() || o.Revs || o.RevsInfo || o.Conflicts || o.DeletedConflicts
}

// Get reads one revision of a document. The error may be ErrMissing or ErrDeleted.
func (db *DB) Get(ctx context.Context, id string, opt ReadOptions) (*Document, error) {
	if err := db.CheckID(id); err != nil {
		return nil, err
	}
	d, wanted := &Document{}, opt
	wanted.NoBody = opt.NoBody && !db.Hides()
	read := func(r engine.Reader) error {
		v, err := db.record(r, id)
		if err != nil {
			return err
		}
		return db.readInto(d, r, id, v, wanted)
	}
	err := engine.ErrUnforeseen
	if r, failure := db.aheadOf(ctx, id); failure != nil {
		return nil, failure
	} else if r != nil {
		err = read(withRoom(ctx, r))
	}
	if errors.Is(err, engine.ErrUnforeseen) {
		err = db.view(ctx, read)
	}
	if err == nil {
		err = db.see(d)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// readDocument reads a revision given the document's record, nil if there is none.
func (db *DB) readDocument(r engine.Reader, id string, record []byte, opt ReadOptions) (*Document, error) {
	d := &Document{}
	if err := db.readInto(d, r, id, record, opt); err != nil {
		return nil, err
	}
	return d, nil
}

// readInto is readDocument for a document that is there to be filled. After an error it is of no use.
func (db *DB) readInto(d *Document, r engine.Reader, id string, record []byte, opt ReadOptions) error {
	if record == nil {
		return ErrMissing
	}
	rec, err := parseDocRecord(record)
	if err != nil {
		return fmt.Errorf("document %q: %w", id, err)
	}
	if opt.Rev.IsZero() && rec.deleted() && !opt.Deleted {
		return ErrDeleted
	}
	*d = Document{ID: id, Rev: rec.winner, Deleted: rec.deleted(), Seq: rec.seq, Body: opt.Into[:0]}
	data := rec.data
	if opt.treeWanted() {
		tree, err := rec.decode()
		if err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
		if !opt.Rev.IsZero() {
			node, ok := tree.Find(opt.Rev)
			if !ok || node.Data == nil {
				return ErrMissing
			}
			d.Rev, d.Deleted, data = node.Rev, node.Deleted, node.Data
		}
		if err := d.describe(r, db, &tree, opt); err != nil {
			return err
		}
	}
	if opt.NoBody {
		return nil
	}
	return d.readBody(r, data)
}

// describe fills in what the options request from the tree.
func (d *Document) describe(r engine.Reader, db *DB, tree *revtree.Tree, opt ReadOptions) error {
	if opt.Revs {
		limit, err := db.revsLimitIn(r)
		if err != nil {
			return err
		}
		d.Path = tree.Path(d.Rev)
		d.Path = d.Path[:min(limit, len(d.Path))]
	}
	if opt.RevsInfo {
		for _, n := range tree.PathNodes(d.Rev) {
			d.RevsInfo = append(d.RevsInfo, RevInfo{Rev: n.Rev, Status: statusOf(n)})
		}
	}
	if opt.Conflicts || opt.DeletedConflicts {
		for i, l := range tree.Leaves() {
			switch {
			case i == 0:
			case l.Deleted && opt.DeletedConflicts:
				d.DeletedConflicts = append(d.DeletedConflicts, l.Rev)
			case !l.Deleted && opt.Conflicts:
				d.Conflicts = append(d.Conflicts, l.Rev)
			}
		}
	}
	return nil
}

func statusOf(n revtree.Node) string {
	switch {
	case n.Data == nil:
		return "missing"
	case n.Deleted:
		return "deleted"
	}
	return "available"
}

// readBody reads the body that a bodyRef points to.
func (d *Document) readBody(r engine.Reader, data []byte) error {
	ref, err := parseBodyRef(data)
	if err != nil {
		return fmt.Errorf("document %q: %w", d.ID, err)
	}
	if ref.none() {
		d.Body = append(d.Body[:0], "{}"...)
		return nil
	}
	if err := takeRoom(r, ref.size); err != nil {
		return err
	}
	v, err := r.Get(spaceBody, bodyKey(ref))
	if err != nil {
		return err
	}
	if v == nil {
		return corrupt("document %q has no body for %s", d.ID, d.Rev)
	}
	return d.setBody(v, ref)
}

// setBody takes the body from its record.
func (d *Document) setBody(record []byte, ref bodyRef) error {
	stored, err := parseBody(record)
	if err == nil {
		d.Body, err = stored.appendJSON(d.Body[:0])
	}
	if err == nil {
		d.Attachments, err = parseAttachments(stored.atts)
	}
	if err != nil {
		return fmt.Errorf("document %q: %w", d.ID, err)
	}
	return nil
}

// OpenRev is one answer of OpenRevs: a revision, or that it is not known.
type OpenRev struct {
	Doc     *Document
	Missing revtree.Rev // where Doc is nil
	// Unread says that Doc has no body and no attachments yet, because the answers before it
	// are large. ReadRev reads them.
	Unread bool
}

// OpenRevs reads several revisions of a document: those in revs, or, if revs is nil, all leaves
// (ErrMissing if there is no such document). With Latest, the leaves below each revision take
// its place. The answers come in ascending order, then the missing ones in the order they were
// asked for; nothing comes twice.
func (db *DB) OpenRevs(ctx context.Context, id string, revs []revtree.Rev, opt ReadOptions) ([]OpenRev, error) {
	if err := db.CheckID(id); err != nil {
		return nil, err
	}
	opt.NoBody, opt.Paged = opt.NoBody && !db.Hides(), opt.Paged && !db.Hides()
	var out []OpenRev
	err := db.view(ctx, func(r engine.Reader) error {
		out = nil
		v, err := db.record(r, id)
		if err != nil {
			return err
		}
		out, err = db.openRevs(r, id, v, revs, opt)
		return err
	})
	if err != nil || !db.Hides() {
		return out, err
	}
	return db.seeRevs(out, revs == nil)
}

func (db *DB) openRevs(r engine.Reader, id string, record []byte, revs []revtree.Rev, opt ReadOptions) (out []OpenRev, err error) {
	if record == nil {
		if revs == nil {
			return nil, ErrMissing
		}
		for _, rev := range revs {
			out = append(out, OpenRev{Missing: rev})
		}
		return out, nil
	}
	rec, err := parseDocRecord(record)
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, err)
	}
	tree, err := rec.decode()
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, err)
	}
	nodes, missing := chooseRevs(&tree, revs, opt.Latest)
	size := int64(0)
	for _, n := range nodes {
		d := &Document{ID: id, Rev: n.Rev, Deleted: n.Deleted, Seq: rec.seq}
		if err := d.describe(r, db, &tree, opt); err != nil {
			return nil, err
		}
		unread := size >= largeRead && opt.Paged
		if !opt.NoBody && !unread {
			if err := d.readBody(r, n.Data); err != nil {
				return nil, err
			}
			size += int64(len(d.Body))
		}
		out = append(out, OpenRev{Doc: d, Unread: unread && !opt.NoBody})
	}
	for _, rev := range missing {
		out = append(out, OpenRev{Missing: rev})
	}
	return out, nil
}

// Forget lets go of the body.
func (f *OpenRev) Forget() {
	if f.Doc != nil {
		f.Doc.Body = nil
	}
}

// ReadRev reads what OpenRevs left unread of a revision. If it was compacted or purged in the
// meantime, it becomes a missing one.
func (db *DB) ReadRev(ctx context.Context, f *OpenRev) error {
	if !f.Unread {
		return nil
	}
	doc, err := db.Get(ctx, f.Doc.ID, ReadOptions{Rev: f.Doc.Rev})
	if errors.Is(err, ErrMissing) {
		*f = OpenRev{Missing: f.Doc.Rev}
		return nil
	}
	if err != nil {
		return err
	}
	f.Doc.Body, f.Doc.Attachments, f.Unread = doc.Body, doc.Attachments, false
	return nil
}

// chooseRevs finds the nodes that OpenRevs should read, ascending, each once.
func chooseRevs(tree *revtree.Tree, revs []revtree.Rev, latest bool) (nodes []revtree.Node, missing []revtree.Rev) {
	if revs == nil {
		nodes = tree.Leaves()
	}
	for _, rev := range revs {
		n, ok := tree.Find(rev)
		switch {
		case ok && latest:
			nodes = append(nodes, tree.LeavesBelow(rev)...)
		case ok && n.Data != nil:
			nodes = append(nodes, n)
		case !slices.Contains(missing, rev):
			missing = append(missing, rev)
		}
	}
	slices.SortFunc(nodes, func(a, b revtree.Node) int { return revtree.Compare(a.Rev, b.Rev) })
	nodes = slices.CompactFunc(nodes, func(a, b revtree.Node) bool { return a.Rev == b.Rev })
	return nodes, missing
}

// snapshotBytes is how much a page of a long read may gather before it releases the snapshot.
// It bounds the memory of a read and how long it holds old pages.
const (
	snapshotBytes = 256 << 10
	snapshotRows  = 2000
)

// GetMany reads many documents with the same options. It calls fn in the order of ids, inside a
// snapshot: fn does no I/O and does not keep the document beyond the call. It calls flush, if
// not nil, after each page, outside snapshots.
func (db *DB) GetMany(ctx context.Context, ids []string, opt ReadOptions, fn func(i int, d *Document, err error) error, flush func() error) error {
	const page = 256
	if err := db.checkIDs(ids); err != nil {
		return err
	}
	opt.NoBody = opt.NoBody && !db.Hides()
	keys := make([][]byte, 0, min(page, len(ids)))
	for from := 0; from < len(ids); {
		part := ids[from:min(from+page, len(ids))]
		keys = keys[:0]
		for _, id := range part {
			keys = append(keys, []byte(id))
		}
		size, full := 0, false
		err := db.view(ctx, func(r engine.Reader) error {
			err := r.GetMulti(spaceDoc, keys, func(i int, v []byte) (err error) {
				if v == nil {
					if v, err = db.dead(r, part[i]); err != nil {
						return err
					}
				}
				d, err := db.readDocument(r, part[i], v, opt)
				if err == nil {
					size += len(d.Body)
					if err = db.see(d); err != nil {
						d = nil
					}
				}
				if err := fn(from+i, d, err); err != nil {
					return err
				}
				if size >= snapshotBytes {
					part, full = part[:i+1], true // the others are the next page's
					return errEnough
				}
				return nil
			})
			if full {
				return nil
			}
			return err
		})
		from += len(part)
		if err == nil && flush != nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
