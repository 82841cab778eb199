package ranks

import (
	"context"
	"slices"
	"sort"

	"github.com/tododb/tododb/store/engine"
)

// idStretch is how many living documents are counted together.
const idStretch = 512

// IDs counts the living documents before an id, as Seqs counts changes after a sequence. The
// zero value has counted nothing.
type IDs struct {
	recounts
	built     bool
	stretches []idsFrom
}

// idsFrom is a stretch: the documents from an id up to where the next stretch begins.
type idsFrom struct {
	id   string
	n    int
	asOf uint64 // n includes moves up to this sequence
}

// Committed takes in the documents that a transaction created and deleted.
func (k *IDs) Committed(moves []Move) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(moves)
	if k.built {
		k.add(moves, 0, len(k.stretches))
	}
}

// Forget is as that of Seqs. The stretches stay for who has them ready.
func (k *IDs) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.built = false
}

// add counts moves in the stretches from one index to another. The lock is held.
func (k *IDs) add(moves []Move, from, to int) {
	for _, m := range moves {
		if m.Live == 0 {
			continue
		}
		if i := k.of(m.ID); i >= from && i < to && m.At > k.stretches[i].asOf {
			k.stretches[i].n += m.Live
		}
	}
}

// of is the index of the stretch that contains an id.
func (k *IDs) of(id string) int {
	return sort.Search(len(k.stretches), func(i int) bool { return k.stretches[i].id > id }) - 1
}

// countStretches cuts the living documents of a range of r, [from, to), into stretches.
func countStretches(r engine.Reader, db Database, from string, to []byte) ([]idsFrom, error) {
	asOf, _, err := db.Newest(r)
	if err != nil {
		return nil, err
	}
	out := []idsFrom{{id: from, asOf: asOf}}
	err = db.Living(r, fromKey(from), to, func(id []byte) {
		last := &out[len(out)-1]
		if last.n == idStretch {
			out = append(out, idsFrom{id: string(id), asOf: asOf})
			last = &out[len(out)-1]
		}
		last.n++
	})
	return out, err
}

// Ready makes sure that the stretches are counted, and that the one that contains id is not too
// large. Like Seqs.Ready, it must not be called in a snapshot.
func (k *IDs) Ready(ctx context.Context, db Database, id string) error {
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
		counted, err = countStretches(r, db, from, fromKey(next))
		return err
	}, func(moves []Move) {
		if !grown {
			k.stretches, k.built = counted, true
			k.add(moves, 0, len(counted))
			return
		}
		i := k.of(from) // nobody else cuts in the meantime
		k.stretches = slices.Replace(k.stretches, i, i+1, counted...)
		k.add(moves, i, i+len(counted))
	})
	return err
}

// Before counts the living documents before an id, as of r. Ready must have been called for
// that id.
func (k *IDs) Before(r engine.Reader, db Database, id string) (int, error) {
	k.mu.Lock()
	n, i := 0, k.of(id)
	for _, s := range k.stretches[:i] {
		n += s.n
	}
	from := k.stretches[i].id
	k.mu.Unlock()
	within := 0
	err := db.Living(r, fromKey(from), []byte(id), func([]byte) { within++ })
	return max(n+within, 0), err
}

// fromKey is where a range begins: at the very first id for an empty one.
func fromKey(id string) []byte {
	if id == "" {
		return nil
	}
	return []byte(id)
}
