package worker

import (
	"context"

	"github.com/tododb/tododb/store/script"
)

// Functions is part of script.Host.
func (p *Pool) Functions(owner string, body []byte) script.Runner {
	return &runner{pool: p, owner: owner, code: newCode(owner, loadDesign, func(b []byte) []byte { return appendBytes(b, body) })}
}

// runner calls functions of a design document. It asks a worker only for functions that the
// document has: the caller has checked.
type runner struct {
	pool  *Pool
	owner string
	code  *code
}

// ask makes a call whose answer is one result, which read reads.
func (r *runner) ask(ctx context.Context, kind byte, put func(b []byte) []byte, read func(f *fields)) error {
	return r.pool.do(ctx, single, r.owner, r.code, func(w *process) error {
		f, err := w.ask(kind, put)
		if err != nil {
			return err
		}
		if read != nil {
			read(f)
		}
		if f.end() != nil {
			return w.misunderstood()
		}
		return nil
	})
}

// Validate is part of script.Runner, as are the methods below it.
func (r *runner) Validate(ctx context.Context, newDoc, oldDoc, userCtx, secObj []byte) error {
	return r.ask(ctx, askValidate, func(b []byte) []byte {
		return appendOptional(appendOptional(appendOptional(appendOptional(b, newDoc), oldDoc), userCtx), secObj)
	}, nil)
}

func (r *runner) Update(ctx context.Context, name string, doc, req []byte) (write []byte, resp script.Response, err error) {
	err = r.ask(ctx, askUpdate, call(name, doc, req), func(f *fields) {
		if v := f.bytes(); v != nil {
			write = append([]byte{}, v...)
		}
		resp = f.response()
	})
	return write, resp, err
}

func (r *runner) Show(ctx context.Context, name string, doc, req []byte) (resp script.Response, err error) {
	err = r.ask(ctx, askShow, call(name, doc, req), func(f *fields) { resp = f.response() })
	return resp, err
}

func (r *runner) Rewrite(ctx context.Context, req []byte) (out []byte, err error) {
	err = r.ask(ctx, askRewrite, func(b []byte) []byte { return appendOptional(b, req) }, func(f *fields) {
		out = append([]byte{}, f.bytes()...)
	})
	return out, err
}

// call appends the fields of a call by function name.
func call(name string, doc, req []byte) func(b []byte) []byte {
	return func(b []byte) []byte { return appendOptional(appendOptional(appendBytes(b, name), doc), req) }
}

// How much of a list's rows goes to the worker at once.
const (
	rowsAtOnce     = 100
	rowBytesAtOnce = 64 << 10
)

func (r *runner) List(ctx context.Context, what script.ListCall, rows script.RowReader, out script.ListWriter) error {
	began := false
	return r.pool.do(ctx, listing, r.owner, r.code, func(w *process) error {
		if began { // what was already read and sent cannot be repeated
			return stoppedError("the process of the function has ended")
		}
		l := listed{w: w, rows: rows, out: out, most: outputOf(r.pool.opt.Memory) + flushBytes}
		err := w.send(askList, call(what.Name, what.Head, what.Req))
		for err == nil {
			var kind byte
			var b []byte
			if kind, b, err = w.next(); err != nil {
				return err
			}
			began = true
			f := fields{b: b}
			if kind == result && f.end() == nil {
				return nil
			}
			w.end() // from here on it is not the function's time
			err = l.step(ctx, kind, &f)
			w.begin(ctx)
		}
		return err
	})
}

// listed is a call of a list function.
type listed struct {
	w    *process
	rows script.RowReader
	out  script.ListWriter

	begun, over bool // the answer; the rows
	sent, most  int  // bytes sent since the last request for rows, and the most until the next
}

// step handles one message of a list function. A valid worker never asks for rows after the
// last, begins twice, or sends too much between rows: one that does so cannot be trusted.
func (l *listed) step(ctx context.Context, kind byte, f *fields) error {
	w := l.w
	switch {
	case kind == begins && !l.begun:
		resp := f.response()
		if f.end() != nil {
			return w.misunderstood()
		}
		l.begun = true
		return l.out.Begin(resp)
	case kind == chunk && l.begun:
		b := f.bytes()
		if l.sent += len(b); f.end() != nil || l.sent > l.most {
			return w.misunderstood()
		}
		return l.out.Chunk(b)
	case kind == wantRows && !l.over && f.end() == nil:
		var some [][]byte
		more := true
		for size := 0; more && len(some) < rowsAtOnce && size < rowBytesAtOnce; {
			row, err := l.rows()
			if err != nil {
				return err
			}
			if more = row != nil; more {
				some = append(some, row)
				size += len(row)
			}
		}
		// Each row may produce this many bytes.
		l.over, l.sent, l.most = !more, 0, (len(some)+1)*outputOf(w.pool.opt.Memory)+flushBytes
		w.begin(ctx)
		defer w.end()
		return w.send(giveRows, func(b []byte) []byte { return appendList(appendBool(b, more), some) })
	}
	return w.misunderstood()
}

// Filter is part of script.Runner, as is ViewFilter.
func (r *runner) Filter(ctx context.Context, name string, req []byte) (script.Matcher, error) {
	return r.filter(ctx, &filter{r: r, name: name, req: req})
}

func (r *runner) ViewFilter(ctx context.Context, view string) (script.Matcher, error) {
	return r.filter(ctx, &filter{r: r, name: view, view: true})
}

func (r *runner) filter(ctx context.Context, f *filter) (script.Matcher, error) {
	_, err := f.MatchAll(ctx, nil)
	f.Release()
	if err != nil {
		return nil, err
	}
	return f, nil
}
