package worker

import (
	"context"

	"github.com/tododb/tododb/store/script"
)

// Views is part of script.Host.
func (p *Pool) Views(owner string, views []script.ViewFunctions, lib []byte) script.ViewRunner {
	return &viewRunner{pool: p, owner: owner, code: newCode(owner, loadViews, func(b []byte) []byte { return appendViews(b, views, lib) }), views: len(views)}
}

// viewRunner calls the functions of views.
type viewRunner struct {
	pool  *Pool
	owner string
	code  *code
	views int
}

// Check is part of script.ViewRunner, as are the methods below it.
func (v *viewRunner) Check(ctx context.Context) error {
	return v.pool.do(ctx, single, v.owner, v.code, func(w *process) error {
		_, err := w.ask(askCheck, func(b []byte) []byte { return b })
		return err
	})
}

// docsAtOnce is how many bytes of documents are sent at once: between them others get their
// turn.
const docsAtOnce = 512 << 10

func (v *viewRunner) Map(ctx context.Context, docs [][]byte, emit func(doc, view int, order, key, value []byte) error) error {
	for done := 0; done < len(docs); {
		n, size := 0, 0
		for done+n < len(docs) && (n == 0 || size < docsAtOnce) {
			size += len(docs[done+n])
			n++
		}
		until := done + n
		err := v.pool.do(ctx, building, v.owner, v.code, func(w *process) error {
			err := w.send(askMap, func(b []byte) []byte { return appendList(b, docs[done:until]) })
			if err != nil {
				return err
			}
			return v.rows(w, &done, until, emit)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rows passes on what documents emit. Documents passed on count as done, even if the worker
// ends before the rest.
func (v *viewRunner) rows(w *process, done *int, until int, emit func(doc, view int, order, key, value []byte) error) error {
	for {
		kind, b, err := w.next()
		if err != nil {
			return err
		}
		f := fields{b: b}
		if kind == result && *done == until && f.end() == nil {
			return nil
		}
		n := f.count()
		if kind != mapped || n == 0 || n > until-*done {
			return w.misunderstood()
		}
		w.progress()
		for range n {
			for range f.atMost(script.MaxRows) {
				view, order, key, value := f.number(), f.bytes(), f.bytes(), f.bytes()
				if f.bad || view >= v.views || order == nil || key == nil || value == nil {
					return w.misunderstood()
				}
				if err := emit(*done, view, order, key, value); err != nil {
					return err
				}
			}
			if f.bad {
				return w.misunderstood()
			}
			*done++
		}
		if f.end() != nil {
			return w.misunderstood()
		}
	}
}

// Reduce is part of script.ViewRunner.
func (v *viewRunner) Reduce(ctx context.Context, view int, all []script.Reduction) ([]script.Reduced, error) {
	out := make([]script.Reduced, 0, len(all))
	for len(out) < len(all) {
		some := all[len(out):]
		for n, size := 0, 0; n < len(some); n++ {
			if size += sizeOf(&some[n]); size > docsAtOnce && n > 0 {
				some = some[:n]
			}
		}
		until := len(out) + len(some)
		err := v.pool.do(ctx, building, v.owner, v.code, func(w *process) error {
			rest := all[len(out):until]
			if err := w.send(askReduce, func(b []byte) []byte { return appendReductions(b, view, rest) }); err != nil {
				return err
			}
			for {
				kind, b, err := w.next()
				if err != nil {
					return err
				}
				f := fields{b: b}
				if kind == result && len(out) == until && f.end() == nil {
					return nil
				}
				n := f.count()
				if kind != reduced || n == 0 || n > until-len(out) {
					return w.misunderstood()
				}
				w.progress()
				for range n {
					out = append(out, f.reduced())
				}
				if f.end() != nil {
					return w.misunderstood()
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sizeOf is roughly how many bytes a reduction takes.
func sizeOf(r *script.Reduction) (n int) {
	for _, v := range r.Parts {
		n += len(v) + 2
	}
	for _, rows := range r.Runs {
		for i := range rows.Keys {
			n += len(rows.Keys[i].Key) + len(rows.Keys[i].ID) + 4
		}
		for _, v := range rows.Values {
			n += len(v) + 2
		}
	}
	return n
}
