package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// ChangesQuery says which changes to find with an index.
type ChangesQuery struct {
	View int
	// Ranges of keys; nil: all. Ids are ignored.
	Ranges []Range
	// Changes in (Since, To].
	Since, To  uint64
	Descending bool // from the newest backward
	Limit      int  // at least 1
}

// Changes finds the newest change of each document that has rows in ranges of keys, or had them
// when it was deleted or before. It returns their sequences in order, at most Limit; more
// reports that there may be more. The cost depends on the keys of the ranges and the changes
// found, not on the size of the database. The definition must have Changes set.
func (ix *Index) Changes(ctx context.Context, q ChangesQuery) (seqs []uint64, more bool, err error) {
	if !ix.def.Changes {
		return nil, false, errors.New("index: entries by sequence are not kept")
	}
	err = ix.read().view(ctx, func(r engine.Reader) error {
		p := picker{q: &q, r: r}
		if q.Ranges == nil {
			if err := p.entries([]byte{byte(q.View)}); err != nil {
				return err
			}
		}
		for i := range q.Ranges {
			if err := p.keys(&q.Ranges[i]); err != nil {
				return err
			}
		}
		p.settle()
		seqs, more = p.seqs, p.more
		return nil
	})
	return seqs, more, err
}

// picker gathers the first sequences of several lists.
type picker struct {
	q    *ChangesQuery
	r    engine.Reader
	seqs []uint64
	more bool
}

// settle sorts the gathered sequences and keeps the first ones, as many as are wanted.
func (p *picker) settle() {
	slices.Sort(p.seqs)
	p.seqs = slices.Compact(p.seqs)
	if p.q.Descending {
		slices.Reverse(p.seqs)
	}
	if len(p.seqs) > p.q.Limit {
		p.seqs, p.more = p.seqs[:p.q.Limit], true
	}
}

// keys looks at each key of a range in turn.
func (p *picker) keys(rg *Range) error {
	view := byte(rg.View)
	if key := rg.onlyKey(); key != nil {
		return p.entries(append([]byte{view}, key...))
	}
	from, to := rg.Low.place(rg.View, false), rg.High.place(rg.View, true)
	if len(from) == 1 {
		from = append(from, 1) // after the entries for all keys together
	}
	for bytes.Compare(from, to) < 0 {
		var prefix []byte
		err := p.r.Scan(spaceBySeq, engine.Range{From: from, To: to, Limit: 1, KeysOnly: true, Brief: true}, func(k, _ []byte) (bool, error) {
			if len(k) < 10 || k[0] != view {
				return false, corrupt("entry by sequence of %d bytes", len(k))
			}
			prefix = bytes.Clone(k[:len(k)-8])
			return false, nil
		})
		if err != nil || prefix == nil {
			return err
		}
		if err := p.entries(prefix); err != nil {
			return err
		}
		if len(p.seqs) > 4*p.q.Limit+1000 {
			p.settle()
		}
		from = append(prefix, bytes.Repeat([]byte{0xff}, 9)...)
	}
	return nil
}

// entries takes in the entries of one key, as many as are needed.
func (p *picker) entries(prefix []byte) error {
	rg := engine.Range{From: appendSeqKey(nil, prefix, p.q.Since+1), To: appendSeqKey(nil, prefix, p.q.To+1), Reverse: p.q.Descending, Brief: true}
	if p.q.Since >= p.q.To {
		return nil
	}
	n := 0
	return p.r.Scan(spaceBySeq, rg, func(k, v []byte) (bool, error) {
		if len(v) < 2 || v[0] != record.Version {
			return false, corrupt("entry by sequence of unknown version")
		}
		p.seqs = append(p.seqs, binary.BigEndian.Uint64(k[len(k)-8:]))
		n++
		return n <= p.q.Limit, nil
	})
}
