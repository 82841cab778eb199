package snapshot

import (
	"context"
	"errors"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
)

// reader reads documents for a file, with the rights and the turns of who asks for it.
type reader struct {
	db          *store.DB
	filter      *filter.Filter
	attachments attachments.Wanted
	turns       *wire.Turns

	w     *writer
	lines []byte  // of the page
	later []later // in it
	count int     // lines of the part
	seq   uint64  // of the last row
	give  func()  // gives back the turn; nil: there is none
}

// later is a document of which more must be read than a snapshot of the storage allows.
type later struct {
	at   int // in lines
	id   string
	revs []revtree.Rev
}

// read writes the lines of what has changed since the file's last part, up to a sequence.
func (r *reader) read(ctx context.Context, w *writer, to uint64) error {
	r.w = w
	defer r.endTurn()
	q := store.ChangesQuery{Since: w.at.N, To: to, Limit: -1, AllLeaves: true, IncludeDocs: true, Revs: true}
	if q.Since == to {
		return nil
	}
	flush := func() error { return r.flush(ctx) }
	_, err := r.filter.Changes(ctx, q, r.row, flush, ctx.Err)
	if err != nil {
		return err
	}
	return r.pass(ctx)
}

// row takes a change. It is called in a snapshot of the storage.
func (r *reader) row(c *store.Change) error {
	r.seq = c.Seq
	if c.Deleted && c.Seq <= r.w.f.Base {
		return nil // whoever has nothing need not learn of it
	}
	if len(c.Revs) > 1 || c.Revs[0] != c.Doc.Rev || r.attachments.All && len(c.Doc.Attachments) > 0 {
		r.later = append(r.later, later{len(r.lines), string(c.ID), append([]revtree.Rev(nil), c.Revs...)})
		return nil
	}
	r.lines = append(c.Doc.AppendJSON(r.lines, store.JSONOptions{}), '\n')
	r.count++
	return nil
}

// flush is called between two pages.
func (r *reader) flush(ctx context.Context) (err error) {
	if err := r.pass(ctx); err != nil {
		return err
	}
	r.give, err = r.turns.Take(ctx)
	return err
}

// pass passes a page on to the file.
func (r *reader) pass(ctx context.Context) error {
	r.endTurn()
	from := 0
	for _, l := range r.later {
		if _, err := r.w.Write(r.lines[from:l.at]); err != nil {
			return err
		}
		from = l.at
		if err := r.writeRevs(ctx, &l); err != nil {
			return err
		}
	}
	if _, err := r.w.Write(r.lines[from:]); err != nil {
		return err
	}
	r.lines, r.later = r.lines[:0], r.later[:0]
	if !r.w.full() && r.count < partLines {
		return nil
	}
	r.count = 0
	return r.w.endPart(r.seq)
}

// writeRevs writes revisions of a document. One that has gone since its row was read was
// replaced, and comes again, or was purged, which ends the file.
func (r *reader) writeRevs(ctx context.Context, l *later) error {
	found, err := r.db.OpenRevs(ctx, l.id, l.revs, store.ReadOptions{Revs: true, Paged: true})
	if err != nil && !errors.Is(err, store.ErrMissing) {
		return err
	}
	for i := range found {
		f := &found[i]
		if err := r.db.ReadRev(ctx, f); err != nil {
			return err
		}
		if f.Doc == nil {
			continue
		}
		one := attachments.Sending{DB: r.db, Doc: f.Doc, Sends: r.attachments.Of(f.Doc)}
		if err := one.WriteJSON(ctx, r.w); err != nil {
			return err
		}
		if _, err := r.w.Write([]byte{'\n'}); err != nil {
			return err
		}
		r.count++
		f.Forget()
	}
	return nil
}

func (r *reader) endTurn() {
	if r.give != nil {
		r.give()
		r.give = nil
	}
}
