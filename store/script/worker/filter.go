package worker

import (
	"context"
	"errors"
)

// filter is a script.Matcher. It holds a slot and a worker from a match to the Release
// after it.
type filter struct {
	r    *runner
	view bool
	name string
	req  []byte

	leave func() // returns the slot; nil: there is none
	w     *process
}

// Match is part of script.Matcher, as are the methods below it.
func (f *filter) Match(ctx context.Context, doc []byte) (bool, error) {
	pass, err := f.MatchAll(ctx, [][]byte{doc})
	return err == nil && pass[0], err
}

func (f *filter) Release() {
	if f.w != nil {
		f.r.pool.giveBack(f.w, nil)
		f.w = nil
	}
	if f.leave != nil {
		f.leave()
		f.leave = nil
	}
}

// MatchAll judges in its worker, and takes one if it has none. It replaces a worker that ends
// for a reason other than the documents.
func (f *filter) MatchAll(ctx context.Context, docs [][]byte) (pass []bool, err error) {
	p := f.r.pool
	if f.leave == nil {
		if f.leave, err = p.slot(ctx, single, f.r.owner); err != nil {
			return nil, err
		}
	}
	p.calls[single].Add(1)
	for range tries {
		if err = f.open(ctx); err == nil {
			err = f.match(ctx, docs, &pass)
		}
		if err == nil {
			return pass, nil
		}
		if f.w != nil {
			w := f.w
			f.w = nil
			p.giveBack(w, err)
		}
		if !errors.Is(err, errEnded) {
			return pass, err
		}
	}
	return pass, stoppedError("the process of the function has ended")
}

// open makes sure that there is a worker, and that it has the filter.
func (f *filter) open(ctx context.Context) (err error) {
	if f.w != nil {
		return nil
	}
	if f.w, err = f.r.pool.worker(ctx, f.r.code); err != nil {
		f.w = nil
		return err
	}
	if f.w.filter == f { // it still has it
		return nil
	}
	f.w.begin(ctx)
	defer f.w.end()
	_, err = f.w.ask(askFilter, func(b []byte) []byte {
		return appendOptional(appendBytes(appendBool(b, f.view), f.name), f.req)
	})
	if f.w.filter = nil; err == nil {
		f.w.filter = f
	}
	return err
}

// match judges the documents that have no verdict yet.
func (f *filter) match(ctx context.Context, docs [][]byte, pass *[]bool) error {
	for len(*pass) < len(docs) {
		some := docs[len(*pass):]
		for n, size := 0, 0; n < len(some); n++ {
			if size += len(some[n]); size > docsAtOnce && n > 0 {
				some = some[:n]
			}
		}
		if err := f.matchSome(ctx, some, pass); err != nil {
			return err
		}
	}
	return nil
}

func (f *filter) matchSome(ctx context.Context, docs [][]byte, pass *[]bool) error {
	w := f.w
	w.begin(ctx)
	defer w.end()
	if err := w.send(askMatch, func(b []byte) []byte { return appendList(b, docs) }); err != nil {
		return err
	}
	left := len(docs)
	for {
		kind, b, err := w.next()
		if err != nil {
			return err
		}
		f := fields{b: b}
		if kind == result && left == 0 && f.end() == nil {
			return nil
		}
		n := f.count()
		if kind != judged || n == 0 || n > left {
			return w.misunderstood()
		}
		w.progress()
		left -= n
		for range n {
			*pass = append(*pass, f.yes())
		}
		if f.end() != nil {
			return w.misunderstood()
		}
	}
}
