package store

import (
	"context"
	"slices"
	"sort"

	"github.com/tododb/tododb/store/engine"
)

// idStretch is how many living documents idRanks counts together.
const idStretch = 512

// idRanks answers how many living documents there are before an id without reading them
// all: a client that pages through _all_docs with startkey asks that with every page. It
// is to ids what ranks is to sequences: counted by one scan when it is first asked, and
// by every commit of this process after that.
type idRanks struct {
	recounts
	built     bool
	stretches []idsFrom
}

// idsFrom are the documents from an id up to where the next stretch begins.
type idsFrom struct {
	id   string
	n    int
	asOf uint64 // moves up to this sequence are in n
}

// committed takes in what a transaction brought to life and put to death.
func (k *idRanks) committed(moves []move) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(moves)
	if k.built {
		k.add(moves, 0, len(k.stretches))
	}
}

// add counts moves in that are of stretches from one to another. The lock is held.
func (k *idRanks) add(moves []move, from, to int) {
	for _, m := range moves {
		if m.live == 0 {
			continue
		}
		if i := k.of(m.id); i >= from && i < to && m.at > k.stretches[i].asOf {
			k.stretches[i].n += m.live
		}
	}
}

// of is the index of the stretch that an id lies in.
func (k *idRanks) of(id string) int {
	return sort.Search(len(k.stretches), func(i int) bool { return k.stretches[i].id > id }) - 1
}

// countStretches cuts the living documents of a range of r, [from, to), into stretches.
func countStretches(r engine.Reader, from string, to []byte) ([]idsFrom, error) {
	asOf, _, _, err := newest(r)
	if err != nil {
		return nil, err
	}
	out := []idsFrom{{id: from, asOf: asOf}}
	err = r.Scan(spaceDoc, engine.Range{From: fromKey(from), To: to}, func(id, v []byte) (bool, error) {
		if !livingRecord(v) {
			return true, nil
		}
		last := &out[len(out)-1]
		if last.n == idStretch {
			out = append(out, idsFrom{id: string(id), asOf: asOf})
			last = &out[len(out)-1]
		}
		last.n++
		return true, nil
	})
	return out, err
}

// ready sees to it that the stretches are counted, and that the one an id lies in has not
// grown large. It is not called in a snapshot, as that of ranks.
func (k *idRanks) ready(ctx context.Context, db *DB, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.built {
		if err := k.await(ctx); err != nil {
			return err
		}
	}
	from, next, grown := "", "", false
	if k.built {
		i := k.of(id)
		if grown = k.stretches[i].n > 4*idStretch && k.now == nil; !grown {
			return nil
		}
		from = k.stretches[i].id
		if i+1 < len(k.stretches) {
			next = k.stretches[i+1].id
		}
	}
	var counted []idsFrom
	err := k.run(ctx, db, func(r engine.Reader) (err error) {
		counted, err = countStretches(r, from, fromKey(next))
		return err
	}, func(moves []move) {
		if !grown {
			k.stretches, k.built = counted, true
			k.add(moves, 0, len(counted))
			return
		}
		i := k.of(from) // nobody else cuts meanwhile
		k.stretches = slices.Replace(k.stretches, i, i+1, counted...)
		k.add(moves, i, i+len(counted))
	})
	return err
}

// before counts the living documents before an id, as of r, when the stretches are ready.
func (k *idRanks) before(r engine.Reader, id string) (int, error) {
	k.mu.Lock()
	n, i := 0, k.of(id)
	for _, s := range k.stretches[:i] {
		n += s.n
	}
	from := k.stretches[i].id
	k.mu.Unlock()
	within, err := countRows(r, Docs, fromKey(from), []byte(id))
	return max(n+within, 0), err
}

// fromKey is where a range begins: at the first id of all for an empty one.
func fromKey(id string) []byte {
	if id == "" {
		return nil
	}
	return []byte(id)
}
