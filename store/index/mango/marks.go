package mango

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
)

// An answer is read from an index in several snapshots, and the pages that bookmarks lead to at
// quite different times. In between, a document that is changed may move to a place that is
// still to be read. So an answer remembers which state of the database each stretch was read
// of. When a document turns up that has been changed since, its revision of that time tells
// whether it was returned.

// maxMarks is the most stretches that are remembered. Documents that moved before the oldest
// may come twice.
const maxMarks = 32

// mark is the end of a stretch that was read of one state of the database. It begins where the
// one before it ends.
type mark struct {
	seq  uint64
	part int // of a union
	key  string
	id   string
}

// marks are stretches in reading order.
type marks []mark

// add records that everything up to a row was read of the state at a sequence.
func (m *marks) add(now mark) {
	if n := len(*m); n > 0 && (*m)[n-1].seq == now.seq && (*m)[n-1].part == now.part {
		(*m)[n-1] = now
		return
	}
	if len(*m) == maxMarks {
		m.forget()
	}
	*m = append(*m, now)
}

// forget forgets the oldest state that is known; false if there is none.
func (m *marks) forget() bool {
	if len(*m) > 1 {
		*m = slices.Delete(*m, 0, 1)
	} else if len(*m) == 0 || (*m)[0].seq == unknownState {
		return false
	}
	(*m)[0].seq = unknownState
	return true
}

// newest is the newest sequence of all states.
func (m marks) newest() (seq uint64) {
	for _, one := range m {
		seq = max(seq, one.seq)
	}
	return seq
}

// forgetAfter forgets the states after a sequence: they are of another history of the database.
func (m marks) forgetAfter(seq uint64) {
	for i := range m {
		if m[i].seq > seq {
			m[i].seq = unknownState
		}
	}
}

// resume makes new stretches begin after a bookmark.
func (m *marks) resume(b *bookmark) {
	at := mark{unknownState, b.part, b.key, b.id}
	if n := len(*m); n == 0 || (*m)[n-1].id != at.id || (*m)[n-1].key != at.key || (*m)[n-1].part != at.part {
		m.add(at)
	}
}

// unknownState marks stretches whose states are forgotten: nothing is known of what they had.
const unknownState = 0

// moved reports whether a document that was changed at a sequence may have been returned from
// another place.
func (m marks) moved(changed uint64) bool {
	for _, one := range m {
		if one.seq != unknownState {
			return one.seq < changed
		}
	}
	return false
}

// placer says how rows are ordered: by the bytes that it makes of key and id.
type placer func(key []byte, id string) ([]byte, error)

// byKey is the order of an index's rows, and that of documents, whose rows have no keys.
func byKey(key []byte, id string) ([]byte, error) {
	if len(key) == 0 {
		return []byte(id), nil
	}
	place, err := collate.AppendKey(nil, key)
	return append(place, id...), err
}

// returned reports whether a document that has been changed was returned before.
func (r *run) returned(ctx context.Context, id string) (bool, error) {
	var doc *store.Document // as it was from doc.Seq to upTo
	upTo := uint64(0)
	for i := len(r.marks) - 1; i >= 0; i-- {
		one := r.marks[i]
		if one.seq == unknownState {
			continue
		}
		if doc == nil || one.seq > upTo || one.seq < doc.Seq {
			var err error
			doc, err = r.db.AsOf(ctx, id, one.seq)
			if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
				doc = nil
				continue
			}
			if err != nil {
				return false, err
			}
			upTo = one.seq
		}
		was, err := r.wasIn(ctx, doc, i)
		if was || err != nil {
			return was, err
		}
	}
	return false, nil
}

// stretch returns the places between which a stretch lies; from is nil at the beginning of a part.
func (m marks) stretch(i int, place placer) (from, to []byte, err error) {
	if i > 0 && m[i-1].part == m[i].part {
		if from, err = place([]byte(m[i-1].key), m[i-1].id); err != nil {
			return nil, nil, err
		}
	}
	to, err = place([]byte(m[i].key), m[i].id)
	return from, to, err
}

// wasIn reports whether a document, as it was, belongs to a stretch.
func (r *run) wasIn(ctx context.Context, doc *store.Document, stretch int) (bool, error) {
	number := r.marks[stretch].part
	if r.plan.union != nil && r.plan.union.sorted {
		number = anyPart
	}
	ok, err := r.accepts(ctx, subject{doc: doc}, number)
	if !ok || err != nil {
		return false, err
	}
	key, has, err := r.keyIn(ctx, doc, number)
	if !has || err != nil {
		return false, err
	}
	at, err := r.place(key, doc.ID)
	if err != nil {
		return false, err
	}
	from, to, err := r.marks.stretch(stretch, r.place)
	if err != nil {
		return false, err
	}
	if r.plan.Query.Sort.Descending {
		return (from == nil || bytes.Compare(at, from) < 0) && bytes.Compare(at, to) >= 0, nil
	}
	return (from == nil || bytes.Compare(at, from) > 0) && bytes.Compare(at, to) <= 0, nil
}
