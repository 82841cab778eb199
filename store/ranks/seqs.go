package ranks

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// rankBits sizes the stretches that are counted together: 1,024 sequences each.
const rankBits = 10

// Seqs counts the changes after a sequence. It counts the entries of each stretch of the
// sequence. A stretch knows the sequence at which it was counted and what this process has
// committed since. The zero value has counted nothing.
type Seqs struct {
	recounts
	built     bool
	stretches []stretch
}

type stretch struct {
	n    int
	asOf uint64 // n includes moves up to this sequence
}

// Committed takes in the moves of a transaction.
func (k *Seqs) Committed(moves []Move) {
	if len(moves) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(moves)
	if k.built {
		k.add(moves)
	}
}

// Forget has everything counted anew by who next asks: there was a transaction whose moves are not known.
func (k *Seqs) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.built = false
}

// add counts moves in. The lock is held.
func (k *Seqs) add(moves []Move) {
	for _, m := range moves {
		if m.Was != 0 {
			k.bump(m.Was, m.At, -1)
		}
		if m.Now != 0 {
			k.bump(m.Now, m.At, 1)
		}
	}
}

// bump counts an entry at seq in or out, for a move at sequence at.
func (k *Seqs) bump(seq, at uint64, by int) {
	i := int(seq >> rankBits)
	for len(k.stretches) <= i {
		k.stretches = append(k.stretches, stretch{})
	}
	if s := &k.stretches[i]; at > s.asOf {
		s.n += by
	}
}

// countAll counts all stretches in r.
func countAll(r engine.Reader, db Database) ([]stretch, error) {
	asOf, marker, err := db.Newest(r)
	if err != nil {
		return nil, err
	}
	stretches := make([]stretch, int(asOf>>rankBits)+1)
	for i := range stretches {
		stretches[i].asOf = asOf
	}
	err = db.Entries(r, 0, 0, func(seq uint64) error {
		if seq > asOf {
			return fmt.Errorf("%w: %d", ErrBeyond, seq)
		}
		stretches[seq>>rankBits].n++
		return nil
	})
	if err == nil && marker {
		stretches[asOf>>rankBits].n--
	}
	return stretches, err
}

// Ready makes sure that the stretches are counted. It must not be called in a snapshot: the
// engine's writer may wait for that snapshot while Ready waits for another.
func (k *Seqs) Ready(ctx context.Context, db Database) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.built {
		return nil
	}
	if err := k.await(ctx); err != nil || k.built {
		return err
	}
	var counted []stretch
	err := k.run(ctx, db, func(r engine.Reader) (err error) {
		counted, err = countAll(r, db)
		return err
	}, func(moves []Move) {
		k.stretches, k.built = counted, true
		k.add(moves)
	})
	return err
}

// After counts the changes after a sequence as of r. Ready must have been called.
func (k *Seqs) After(r engine.Reader, db Database, seq uint64) (int, error) {
	newest, marker, err := db.Newest(r)
	if err != nil || seq >= newest {
		return 0, err
	}
	edge := (seq>>rankBits + 1) << rankBits // where the next whole stretch begins
	n, err := countEntries(r, db, seq+1, edge)
	if err != nil {
		return 0, err
	}
	if marker && newest < edge {
		n--
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := int(edge >> rankBits); i < len(k.stretches); i++ {
		n += k.stretches[i].n
	}
	return max(n, 0), nil
}

// CountAfter counts the changes after a sequence by reading all of them.
func CountAfter(r engine.Reader, db Database, seq uint64) (int, error) {
	newest, marker, err := db.Newest(r)
	if err != nil || seq >= newest {
		return 0, err
	}
	n, err := countEntries(r, db, seq+1, 0)
	if marker {
		n--
	}
	return n, err
}

func countEntries(r engine.Reader, db Database, from, to uint64) (n int, err error) {
	err = db.Entries(r, from, to, func(uint64) error {
		n++
		return nil
	})
	return n, err
}
