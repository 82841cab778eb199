package index

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store/engine"
)

// reading is one reader's way through an index, over several snapshots. It ends with ErrRenewed
// if the index is rebuilt in the meantime, because the rest might not match what was read before.
type reading struct {
	ix    *Index
	sub   engine.DB
	made  int  // Index.made at the beginning
	empty bool // the index shows nothing
	lost  bool // and it did: the caller may have waited for that
}

// read begins to read.
func (ix *Index) read() *reading {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return &reading{ix: ix, sub: ix.sub, made: ix.made, empty: ix.seq == 0 || ix.damaged, lost: ix.lost}
}

// view runs fn on a snapshot. Damage makes the index start anew.
func (r *reading) view(ctx context.Context, fn func(engine.Reader) error) error {
	if r.lost {
		return ErrRenewed
	}
	if r.empty {
		return fn(nothing{})
	}
	err := r.sub.View(ctx, fn)
	if err == nil {
		return nil
	}
	switch {
	case ctx.Err() != nil, r.ix.db.WhyGone() != nil:
	case r.replaced(err):
		return ErrRenewed
	case damage(err):
		r.ix.condemn(r.made, err)
		return errors.Join(ErrRenewed, err)
	}
	return r.ix.failed(err)
}

// replaced tells whether an error is that of a storage in whose place another one comes.
func (r *reading) replaced(err error) bool {
	r.ix.mu.Lock()
	defer r.ix.mu.Unlock()
	return (r.ix.made != r.made || r.ix.damaged) && (damage(err) || errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrNoDB))
}

// size is that of the storage, where the engine tells; 0 if another one comes in its place.
func (r *reading) size(ctx context.Context) (int64, error) {
	sizer, ok := r.sub.(engine.Sizer)
	if !ok {
		return 0, nil
	}
	n, err := sizer.Size(ctx)
	if err != nil && ctx.Err() == nil && r.replaced(err) {
		return 0, nil
	}
	return n, r.ix.failed(err)
}

// nothing is an empty snapshot.
type nothing struct{}

func (nothing) Get(engine.Space, []byte) ([]byte, error) { return nil, nil }

func (nothing) GetMulti(_ engine.Space, ks [][]byte, fn func(int, []byte) error) error {
	for i := range ks {
		if err := fn(i, nil); err != nil {
			return err
		}
	}
	return nil
}

func (nothing) Last(engine.Space) (k, v []byte, err error) { return nil, nil, nil }

func (nothing) Scan(engine.Space, engine.Range, func(k, v []byte) (bool, error)) error { return nil }

func (n nothing) Cursor(engine.Space, engine.Range) engine.Cursor { return n }

// Next is part of engine.Cursor.
func (nothing) Next() (k, v []byte, err error) { return nil, nil, nil }
