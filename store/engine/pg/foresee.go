package pg

import (
	"bytes"
	"context"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// foreseen is a Reader of what was read. That is little, so it is searched from its beginning.
type foreseen struct {
	pace    *engine.Pace
	eng     *Engine
	proof   *proof
	asked   [][]byte // keys of the table
	entries []pair   // what there is of them, and what they refer to
}

// pair is an entry of the table.
type pair struct{ k, v []byte }

// Foresee is part of engine.Foreseer.
func (h *handle) Foresee(ctx context.Context, keys []engine.SpaceKey) (engine.Reader, error) {
	answer, err := h.ForeseeSoon(ctx, keys)
	if err != nil {
		return nil, err
	}
	return answer()
}

// ForeseeSoon is part of engine.Foreseer.
func (h *handle) ForeseeSoon(ctx context.Context, keys []engine.SpaceKey) (answer func() (engine.Reader, error), err error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.leave()
	q := &question{ctx: ctx, db: h.id, keys: make([][]byte, len(keys)), done: make(chan struct{})}
	for i, k := range keys {
		q.keys[i] = full(k.Space, k.Key)
	}
	h.eng.questions.later(q)
	return func() (engine.Reader, error) {
		if err := h.enter(ctx); err != nil {
			return nil, err
		}
		defer h.leave()
		if err := h.eng.answered(ctx, q); err != nil {
			return nil, err
		}
		if q.proof == nil || q.proof.instance != string(h.dbid) {
			return nil, h.noted(engine.ErrNoDB)
		}
		return &foreseen{engine.NewPace(ctx), h.eng, q.proof, q.keys, q.entries}, nil
	}, nil
}

// Stamp is part of engine.Stamped.
func (f *foreseen) Stamp() (uint64, error) { return f.eng.stampIn(f.proof), nil }

// find returns the value of a key, and whether it was read.
func (f *foreseen) find(s engine.Space, k []byte) (v []byte, is bool) {
	its := func(at []byte) bool { return len(at) > 0 && at[0] == byte(s) && bytes.Equal(at[1:], k) }
	for _, e := range f.entries {
		if its(e.k) {
			return e.v, true
		}
	}
	return nil, slices.ContainsFunc(f.asked, its)
}

func (f *foreseen) Get(s engine.Space, k []byte) ([]byte, error) {
	v, is := f.find(s, k)
	if !is {
		return nil, engine.ErrUnforeseen
	}
	return v, f.pace.Step(len(v))
}

func (f *foreseen) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	if slices.ContainsFunc(ks, func(k []byte) bool { _, is := f.find(s, k); return !is }) {
		return engine.ErrUnforeseen
	}
	for i, k := range ks {
		v, err := f.Get(s, k)
		if err == nil {
			err = fn(i, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *foreseen) Last(engine.Space) (k, v []byte, err error) { return nil, nil, engine.ErrUnforeseen }

func (f *foreseen) Scan(engine.Space, engine.Range, func(k, v []byte) (bool, error)) error {
	return engine.ErrUnforeseen
}

func (f *foreseen) Cursor(engine.Space, engine.Range) engine.Cursor { return unforeseen{} }

type unforeseen struct{}

func (unforeseen) Next() (k, v []byte, err error) { return nil, nil, engine.ErrUnforeseen }
