package worker

import (
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/script"
)

// loadViews compiles the functions of views.
func (c *child) loadViews(f *fields) (err error) {
	views, lib := f.views()
	lib = append([]byte(nil), lib...)
	if err := f.end(); err != nil {
		return err
	}
	if c.views, err = script.CompileViews(views, lib, c.options()); err != nil {
		return asError(err)
	}
	c.orders = make([]collate.Order, len(views))
	for i := range views {
		if views[i].Raw {
			c.orders[i] = collate.Raw
		}
	}
	c.reducers = map[int]*script.Reducer{}
	return c.out.send(result, nil)
}

func (c *child) answerViews(kind byte, f *fields) error {
	switch kind {
	case askMap:
		docs := f.list()
		if err := f.end(); err != nil {
			return err
		}
		return c.mapAll(docs)
	case askReduce:
		view, all := f.reductions()
		if err := f.end(); err != nil {
			return err
		}
		return c.reduce(view, all)
	}
	if err := f.end(); err != nil {
		return err
	}
	return c.done(nil, c.views.Check())
}

// mapAll maps documents. Rows go out for many at a time, or few if functions are slow.
func (c *child) mapAll(docs [][]byte) (err error) {
	if c.mapper == nil {
		if c.mapper, err = c.views.NewMapper(); err != nil {
			return asError(err)
		}
	}
	out := c.parts(mapped)
	var count []byte
	for _, doc := range docs {
		at, n := len(out.bytes), 0
		err := c.mapper.Map(doc, func(view int, key, value []byte) (err error) {
			if c.key, err = c.orders[view].AppendKey(c.key[:0], key); err != nil {
				return err
			}
			n++
			out.bytes = appendBytes(appendBytes(appendBytes(appendNumber(out.bytes, view), c.key), key), value)
			return nil
		})
		if err != nil {
			return asError(err)
		}
		// The count comes before its rows, which are moved: there are usually few.
		count = appendNumber(count[:0], n)
		out.bytes = append(out.bytes, count...)
		copy(out.bytes[at+len(count):], out.bytes[at:])
		copy(out.bytes[at:], count)
		if err := out.added(); err != nil {
			return err
		}
	}
	return out.end()
}

func (c *child) reduce(view int, all []script.Reduction) (err error) {
	if view >= len(c.orders) {
		return errFrame
	}
	r := c.reducers[view]
	if r == nil {
		if r, err = c.views.NewReducer(view); err != nil {
			return asError(err)
		}
		if r == nil {
			return errFrame
		}
		c.reducers[view] = r
	}
	out := c.parts(reduced)
	for i := range all {
		value, err := r.Run(&all[i])
		one, err := script.Split(err)
		if err != nil {
			return asError(err)
		}
		out.bytes = appendReduced(out.bytes, script.Reduced{Value: value, Err: one})
		if err := out.added(); err != nil {
			return err
		}
	}
	return out.end()
}
