package store

import (
	"sync"

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
	mu        sync.Mutex // guards what follows; also held for the first scan
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
	if !k.built {
		return
	}
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

// build counts all stretches in r.
func (k *ranks) build(r engine.Reader) error {
	asOf, _, marker, err := newest(r)
	if err != nil {
		return err
	}
	k.stretches = make([]stretch, int(asOf>>rankBits)+1)
	for i := range k.stretches {
		k.stretches[i].asOf = asOf
	}
	err = r.Scan(spaceSeq, engine.Range{KeysOnly: true}, func(key, _ []byte) (bool, error) {
		seq, err := seqOfKey(key)
		if err != nil {
			return false, err
		}
		k.stretches[seq>>rankBits].n++
		return true, nil
	})
	if err != nil {
		return err
	}
	if marker {
		k.stretches[asOf>>rankBits].n--
	}
	k.built = true
	return nil
}

// after counts the changes after a sequence as of r.
func (k *ranks) after(r engine.Reader, seq uint64) (int, error) {
	newestSeq, _, marker, err := newest(r)
	if err != nil || seq >= newestSeq {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.built {
		if err := k.build(r); err != nil {
			return 0, err
		}
	}
	edge := (seq>>rankBits + 1) << rankBits // where the next whole stretch begins
	n, err := countEntries(r, seqKey(seq+1), seqKey(edge))
	if err != nil {
		return 0, err
	}
	if marker && newestSeq < edge {
		n--
	}
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
