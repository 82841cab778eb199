package mango

import (
	"bytes"
	"context"
	"errors"

	"github.com/tododb/tododb/store"
)

// Here the documents of rows are judged. An index may be a little ahead of or behind the
// documents, so a document that changed in between is judged as it was when its row was read
// (lookBack).

// look judges the documents of rows.
func (r *run) look(ctx context.Context, rows []foundRow) error {
	if r.plan.Covering {
		return r.cover(ctx, rows)
	}
	opt, ids := store.ReadOptions{Conflicts: r.plan.Query.Conflicts}, idsOf(rows)
	for len(rows) > 0 {
		changed := -1 // the row at which a document is found that changed since
		err := r.db.GetMany(ctx, ids, opt, func(i int, d *store.Document, err error) error {
			if err == nil && r.seq > 0 && (d.Seq > r.seq || r.marks.moved(d.Seq)) {
				changed = i
				return errPage
			}
			r.stats.Keys++
			if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
				return nil // it changed after the row was read
			}
			if err != nil {
				return err
			}
			r.examined()
			return r.judge(ctx, subject{doc: d}, []byte(d.ID), rows[i].key)
		}, r.flush)
		if err != errPage || changed < 0 {
			return err
		}
		if err := r.lookBack(ctx, &rows[changed]); err != nil {
			return err
		}
		if err := r.flush(); err != nil {
			return err
		}
		rows, ids = rows[changed+1:], ids[changed+1:]
	}
	return nil
}

func idsOf(rows []foundRow) []string {
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	return ids
}

// lookBack judges a document that changed while the query is answered, as it was when its row
// was read.
func (r *run) lookBack(ctx context.Context, row *foundRow) error {
	r.stats.Keys++
	opt := store.ReadOptions{Conflicts: r.plan.Query.Conflicts}
	d, err := r.db.Get(ctx, row.id, opt)
	if err == nil && d.Seq > r.seq {
		then, valid, wasErr := r.was(ctx, row)
		if !valid || wasErr != nil {
			return wasErr
		}
		if then != nil {
			d = then
		}
	}
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return nil
	}
	if err != nil {
		return err
	}
	if again, err := r.returned(ctx, row.id); again || err != nil {
		return err
	}
	r.examined()
	return r.judge(ctx, subject{doc: d}, []byte(d.ID), row.key)
}

// was reads the document of a row as it was when the row was read; nil if that is not kept. The
// row is not valid if the document had moved on: an index may keep the row of a revision that
// was replaced twice while the index followed.
func (r *run) was(ctx context.Context, row *foundRow) (then *store.Document, valid bool, err error) {
	then, err = r.db.AsOf(ctx, row.id, r.seq)
	if errors.Is(err, store.ErrMissing) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, ignore(err, store.ErrDeleted)
	}
	key, has, err := r.keyIn(ctx, then, r.number)
	return then, has && bytes.Equal(key, row.key), err
}

// ignore makes no error of one that is expected.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// cover judges rows by their own content.
func (r *run) cover(ctx context.Context, rows []foundRow) error {
	one := row{columns: r.plan.Index.Fields.Fields}
	out, err := r.moved(ctx, rows)
	if err != nil {
		return err
	}
	for i := range rows {
		r.stats.Keys++
		if out != nil && out[i] {
			continue
		}
		one.id, one.values = []byte(rows[i].id), elements(rows[i].key)
		if err := r.judge(ctx, subject{row: &one}, one.id, rows[i].key); err != nil {
			return err
		}
	}
	return nil
}

// moved says which of the rows are not to be returned, because their documents moved meanwhile;
// nil: none. Documents are read only if the database has changed since the answer began.
func (r *run) moved(ctx context.Context, rows []foundRow) ([]bool, error) {
	if r.seq == 0 || len(rows) == 0 {
		return nil, nil
	}
	if now, err := r.db.UpdateSeq(ctx); err != nil || now == r.seq && !r.marks.moved(now) {
		return nil, err
	}
	out := make([]bool, len(rows))
	changed := map[int]uint64{}
	err := r.db.GetMany(ctx, idsOf(rows), store.ReadOptions{NoBody: true}, func(i int, d *store.Document, err error) error {
		switch {
		case errors.Is(err, store.ErrMissing), errors.Is(err, store.ErrDeleted):
			out[i] = true
		case err != nil:
			return err
		case d.Seq > r.seq || r.marks.moved(d.Seq):
			changed[i] = d.Seq
		}
		return nil
	}, r.flush)
	for i, seq := range changed {
		if err == nil && seq > r.seq {
			var valid bool
			_, valid, err = r.was(ctx, &rows[i])
			out[i] = !valid
		}
		if err == nil && !out[i] {
			out[i], err = r.returned(ctx, rows[i].id)
		}
	}
	return out, err
}

// keyIn is the key of a document's row in a part; false if it has none.
func (r *run) keyIn(ctx context.Context, doc *store.Document, number int) (key []byte, has bool, err error) {
	if number == anyPart {
		return r.sortKey(doc)
	}
	ix := r.parts[number].index
	if ix.special() {
		return nil, true, nil
	}
	if r.mappers == nil {
		r.mappers = make([]*mapper, len(r.parts))
	}
	if r.mappers[number] == nil {
		if r.mappers[number], err = newMapper(ix); err != nil {
			return nil, false, err
		}
	}
	mp := r.mappers[number]
	in, err := mp.in(ctx, doc)
	if !in || err != nil || !mp.keyOf(doc) {
		return nil, false, err
	}
	return mp.key, true, nil
}
