package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/ranks"
)

// counted is a database as ranks count it.
type counted struct{ db *DB }

func (c counted) View(ctx context.Context, fn func(engine.Reader) error) error {
	err := c.db.view(ctx, fn)
	if errors.Is(err, ranks.ErrBeyond) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

func (counted) Newest(r engine.Reader) (seq uint64, marker bool, err error) {
	last, err := newest(r)
	return last.seq, last.marker, err
}

func (counted) Entries(r engine.Reader, from, to uint64, fn func(seq uint64) error) error {
	rg := engine.Range{KeysOnly: true}
	if from > 0 {
		rg.From = seqKey(from)
	}
	if to > 0 {
		rg.To = seqKey(to)
	}
	return r.Scan(spaceSeq, rg, func(k, _ []byte) (bool, error) {
		seq, err := seqOfKey(k)
		if err != nil {
			return false, err
		}
		return true, fn(seq)
	})
}

func (counted) Living(r engine.Reader, from, to []byte, fn func(id []byte)) error {
	return r.Scan(spaceDoc, engine.Range{From: from, To: to}, func(k, v []byte) (bool, error) {
		if livingRecord(v) {
			fn(k)
		}
		return true, nil
	})
}
