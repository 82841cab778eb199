package index

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// errMoved says that the index is not where the batch begins: another builder has extended it,
// or a commit thought lost took place.
var errMoved = errors.New("index: another builder has moved it")

// writer writes batches to the storage of an index.
type writer struct {
	db       store.Bare
	sub      engine.DB
	def      *Definition
	reducers []Reducer // one for each view; nil: it has none
	st       *state    // of the index
}

// write writes a batch in one transaction, and advances the state. purgeSeq is the purge
// sequence that the index has reached with it.
func (w *writer) write(ctx context.Context, b *batch, purgeSeq uint64) error {
	st := w.st
	var after state
	of, err := stateOf(ctx, w.db)
	if err != nil {
		return err
	}
	err = w.sub.Update(ctx, func(tx engine.Tx) error {
		now, _, err := readState(tx, len(w.def.Views))
		if err != nil {
			return err
		}
		if now.seq != st.seq || now.purgeSeq != st.purgeSeq {
			return errMoved
		}
		after = now
		after.signature, after.of = st.signature, of
		after.seq, after.purgeSeq = b.to, purgeSeq
		after.views = slices.Clone(now.views)
		a := applier{tx: tx, def: w.def, state: &after, at: b.at, fresh: now.seq == 0}
		if err := a.run(b, w.reducers); err != nil {
			return err
		}
		return tx.Put(spaceState, stateKey, after.appendTo(nil))
	})
	if err == nil {
		*st = after
	}
	return storageError(err)
}

// stateOf names the present state of a database. Everything read before came from this state or
// from an earlier one.
func stateOf(ctx context.Context, db store.Bare) (store.Seq, error) {
	newest, err := db.UpdateSeq(ctx)
	return db.Seq(newest), err
}

// op is a record to write, or, without a value, to remove.
type op struct {
	key, value []byte
}

func byKey(a, b op) int { return bytes.Compare(a.key, b.key) }

// applier is one transaction.
type applier struct {
	tx    engine.Tx
	def   *Definition
	state *state
	at    uint64
	fresh bool // the index is still empty

	rows, docs, seqs []op
}

func (a *applier) run(b *batch, reducers []Reducer) error {
	if err := a.compare(b); err != nil {
		return err
	}
	slices.SortFunc(a.rows, byKey)
	slices.SortStableFunc(a.seqs, byKey) // the same entry may be removed and rewritten
	for _, part := range []struct {
		space engine.Space
		ops   []op
	}{{spaceRows, a.rows}, {spaceByDoc, a.docs}, {spaceBySeq, a.seqs}} {
		for _, o := range part.ops {
			if err := a.write(part.space, o); err != nil {
				return err
			}
		}
	}
	return a.summarize(reducers)
}

func (a *applier) write(space engine.Space, o op) error {
	if o.value == nil {
		return a.tx.Delete(space, o.key)
	}
	return a.tx.Put(space, o.key, o.value)
}

// compare finds what each document of the batch changes.
func (a *applier) compare(b *batch) error {
	if a.fresh {
		for i := range b.docs {
			if err := a.document(&b.docs[i], nil); err != nil {
				return err
			}
		}
		return nil
	}
	ids := make([][]byte, len(b.docs))
	for i := range b.docs {
		ids[i] = []byte(b.docs[i].id)
	}
	return a.tx.GetMulti(spaceByDoc, ids, func(i int, v []byte) error { return a.document(&b.docs[i], v) })
}

// document takes in a document; record is what the index knows of it, nil for nothing.
func (a *applier) document(m *mapped, record []byte) error {
	old, err := parseDoc(record)
	if err != nil {
		return err
	}
	isNew := func(prefix []byte) bool {
		_, found := slices.BinarySearchFunc(m.rows, prefix, func(r row, p []byte) int { return bytes.Compare(r.key[:r.prefix], p) })
		return found
	}
	wasOld := func(prefix []byte) bool {
		return slices.ContainsFunc(old.now, func(p []byte) bool { return bytes.Equal(p, prefix) })
	}
	for _, prefix := range old.now {
		if !isNew(prefix) {
			key := append(append([]byte(nil), prefix...), m.id...)
			if err := a.row(key, nil, true); err != nil {
				return err
			}
		}
	}
	for _, r := range m.rows {
		if err := a.row(r.key, r.value, wasOld(r.key[:r.prefix])); err != nil {
			return err
		}
	}
	var now docRecord
	for _, r := range m.rows {
		now.now = append(now.now, r.key[:r.prefix])
	}
	if a.def.Changes && !m.purged {
		now.seq, now.deleted = m.seq, m.deleted
		for _, list := range [][][]byte{old.past, old.now} {
			for _, p := range list {
				if !isNew(p) {
					now.past = append(now.past, p)
				}
			}
		}
	}
	if a.def.Changes {
		a.entries(m.id, &old, false)
		a.entries(m.id, &now, true)
	}
	switch {
	case len(now.now)+len(now.past) > 0:
		if v := now.appendTo(nil); !bytes.Equal(v, record) {
			a.docs = append(a.docs, op{[]byte(m.id), v})
		}
	case record != nil:
		a.docs = append(a.docs, op{[]byte(m.id), nil})
	}
	return nil
}

// row writes or removes a row's record, and counts the change.
func (a *applier) row(key, value []byte, there bool) error {
	if there {
		old, err := a.tx.Get(spaceRows, key)
		if err != nil {
			return err
		}
		if bytes.Equal(old, value) && value != nil {
			return nil
		}
		if err := a.count(key, old, -1); err != nil {
			return err
		}
	}
	a.rows = append(a.rows, op{key, value})
	if value == nil {
		return nil
	}
	return a.count(key, value, 1)
}

func (a *applier) count(key, value []byte, sign int) error {
	if value == nil {
		return corrupt("a row of %q is missing", key)
	}
	rec, err := parseRow(key, value)
	if err != nil {
		return err
	}
	a.state.views[key[0]].rows += uint64(sign * rec.n)
	a.state.bytes += int64(sign * (len(key) + len(value)))
	return nil
}

// entries writes or removes a document's entries by sequence: one for each key under which it
// has rows (or, if it is deleted, ever had), and one for each view.
func (a *applier) entries(id string, d *docRecord, put bool) {
	list := d.now
	flags := byte(0)
	if d.deleted {
		list, flags = slices.Concat(d.past, d.now), docDeleted
	}
	var value []byte
	if put {
		value = append([]byte{record.Version, flags}, id...)
	}
	var views [MaxViews]bool
	for _, p := range list {
		a.seqs = append(a.seqs, op{appendSeqKey(nil, p, d.seq), value})
		if !views[p[0]] {
			views[p[0]] = true
			a.seqs = append(a.seqs, op{appendSeqKey(nil, p[:1], d.seq), value})
		}
	}
}

// summarize updates the summaries of the views whose rows have changed.
func (a *applier) summarize(reducers []Reducer) error {
	for from := 0; from < len(a.rows); {
		view := a.rows[from].key[0]
		to := from
		var changed []change
		for to < len(a.rows) && a.rows[to].key[0] == view {
			changed = append(changed, change{a.rows[to].key, a.rows[to].value != nil})
			to++
		}
		a.state.views[view].changed = a.at
		if err := summarize(a.tx, view, changed, reducers[view]); err != nil {
			return err
		}
		from = to
	}
	return nil
}
