package store

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// rankBits sizes the stretches that ranks counts: 1,024 sequences each.
const rankBits = 10

// ranks answers how many changes there are after a sequence without reading them all:
// a client that pulls in batches asks that with every batch. It counts the entries of
// each stretch of the sequence, from one scan when it is first asked and from every
// commit after that. It is a cache in memory: each stretch knows the sequence that it
// was counted at and what this process committed since.
type ranks struct {
	recounts
	built     bool
	stretches []stretch
}

type stretch struct {
	n    int
	asOf uint64 // moves up to this sequence are in n
}

// committed takes in what a transaction moved.
func (k *ranks) committed(moves []move) {
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

// add counts moves in. The lock is held.
func (k *ranks) add(moves []move) {
	for _, m := range moves {
		if m.was != 0 {
			k.bump(m.was, m.at, -1)
		}
		if m.now != 0 {
			k.bump(m.now, m.at, 1)
		}
	}
}

// bump counts an entry at seq in or out, by a move that took place at sequence at.
func (k *ranks) bump(seq, at uint64, by int) {
	i := int(seq >> rankBits)
	for len(k.stretches) <= i {
		k.stretches = append(k.stretches, stretch{})
	}
	if s := &k.stretches[i]; at > s.asOf {
		s.n += by
	}
}

// countSequence counts all stretches in r.
func countSequence(r engine.Reader) ([]stretch, error) {
	asOf, _, marker, err := newest(r)
	if err != nil {
		return nil, err
	}
	stretches := make([]stretch, int(asOf>>rankBits)+1)
	for i := range stretches {
		stretches[i].asOf = asOf
	}
	err = r.Scan(spaceSeq, engine.Range{KeysOnly: true}, func(key, _ []byte) (bool, error) {
		seq, err := seqOfKey(key)
		if err != nil {
			return false, err
		}
		if seq > asOf {
			return false, fmt.Errorf("%w: sequence %d after the newest", ErrCorrupt, seq)
		}
		stretches[seq>>rankBits].n++
		return true, nil
	})
	if err == nil && marker {
		stretches[asOf>>rankBits].n--
	}
	return stretches, err
}

// ready sees to it that the stretches are counted. It is not called in a snapshot: while
// one is waited for, the engine's writer may wait for the other.
func (k *ranks) ready(ctx context.Context, db *DB) error {
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
		counted, err = countSequence(r)
		return err
	}, func(moves []move) {
		k.stretches, k.built = counted, true
		k.add(moves)
	})
	return err
}

// after counts the changes after a sequence as of r, when the stretches are ready.
func (k *ranks) after(r engine.Reader, seq uint64) (int, error) {
	newestSeq, _, marker, err := newest(r)
	if err != nil || seq >= newestSeq {
		return 0, err
	}
	edge := (seq>>rankBits + 1) << rankBits // where the next whole stretch begins
	n, err := countEntries(r, seqKey(seq+1), seqKey(edge))
	if err != nil {
		return 0, err
	}
	if marker && newestSeq < edge {
		n--
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := int(edge >> rankBits); i < len(k.stretches); i++ {
		n += k.stretches[i].n
	}
	return max(n, 0), nil
}

// countAfter counts the changes after a sequence by reading all of them.
func countAfter(r engine.Reader, seq uint64) (int, error) {
	newestSeq, _, marker, err := newest(r)
	if err != nil || seq >= newestSeq {
		return 0, err
	}
	n, err := countEntries(r, seqKey(seq+1), nil)
	if marker {
		n--
	}
	return n, err
}

func countEntries(r engine.Reader, from, to []byte) (n int, err error) {
	err = r.Scan(spaceSeq, engine.Range{From: from, To: to, KeysOnly: true}, func(_, _ []byte) (bool, error) {
		n++
		return true, nil
	})
	return n, err
}
