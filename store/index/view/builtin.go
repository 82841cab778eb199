package view

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/axiomhq/hyperloglog"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
)

// builtin finds the built-in reduce function for a name with an underscore.
func builtin(name string) (func(context.Context) (index.Reducer, error), error) {
	b, err := design.ParseBuiltin(name)
	if err != nil {
		return nil, &BuildError{"invalid_design_doc", err.Error()}
	}
	return func(context.Context) (index.Reducer, error) {
		switch b.Name {
		case "_count":
			return &countReducer{}, nil
		case "_sum":
			return &sumReducer{}, nil
		case "_stats":
			return &statsReducer{}, nil
		case "_approx_count_distinct":
			return newDistinct(), nil
		case "_first", "_last":
			return &endReducer{last: b.Name == "_last"}, nil
		}
		return &topReducer{n: b.N, top: b.Name == "_top"}, nil
	}, nil
}

// countReducer is _count.
type countReducer struct{ n int64 }

func (c *countReducer) Close()                                   {}
func (c *countReducer) Reset()                                   { c.n = 0 }
func (c *countReducer) Add(_, _, _ []byte) error                 { c.n++; return nil }
func (c *countReducer) AppendPartial(dst []byte) ([]byte, error) { return c.AppendResult(dst) }

func (c *countReducer) Merge(p []byte) error {
	n, err := strconv.ParseInt(string(p), 10, 64)
	c.n += n
	return err
}

func (c *countReducer) AppendResult(dst []byte) ([]byte, error) {
	return strconv.AppendInt(dst, c.n, 10), nil
}

// distinctReducer is _approx_count_distinct, of keys.
type distinctReducer struct{ sketch *hyperloglog.Sketch }

func newDistinct() *distinctReducer { return &distinctReducer{hyperloglog.New14()} }

func (d *distinctReducer) Close() {}
func (d *distinctReducer) Reset() { d.sketch = hyperloglog.New14() }

func (d *distinctReducer) Add(key, _, _ []byte) error {
	d.sketch.Insert(key)
	return nil
}

func (d *distinctReducer) Merge(p []byte) error {
	var other hyperloglog.Sketch
	if err := other.UnmarshalBinary(p); err != nil {
		return fmt.Errorf("%w: sketch of distinct keys: %w", index.ErrCorrupt, err)
	}
	return d.sketch.Merge(&other)
}

func (d *distinctReducer) AppendPartial(dst []byte) ([]byte, error) {
	b, err := d.sketch.MarshalBinary()
	return append(dst, b...), err
}

func (d *distinctReducer) AppendResult(dst []byte) ([]byte, error) {
	return strconv.AppendUint(dst, d.sketch.Estimate(), 10), nil
}

// endReducer is _first and _last: the value of the first or the last row. Rows come in
// order.
type endReducer struct {
	last  bool
	value []byte // nil: nothing yet
}

func (e *endReducer) Close() {}
func (e *endReducer) Reset() { e.value = nil }

func (e *endReducer) Add(_, _, value []byte) error {
	if e.value == nil || e.last {
		e.value = append(e.value[:0], value...)
	}
	return nil
}

func (e *endReducer) Merge(p []byte) error                     { return e.Add(nil, nil, p) }
func (e *endReducer) AppendPartial(dst []byte) ([]byte, error) { return append(dst, e.value...), nil }
func (e *endReducer) AppendResult(dst []byte) ([]byte, error)  { return append(dst, e.value...), nil }

// topReducer is _top_N and _bottom_N: the greatest or the least values, most extreme first,
// each once.
type topReducer struct {
	n     int
	top   bool
	all   []ranked
	size  int    // bytes of the values in all
	wrong []byte // the error that is the result: they are too long
}

// maxRanked is the most bytes of kept values: each part on disk holds them.
const maxRanked = 4 << 20

type ranked struct{ key, value []byte }

func (t *topReducer) Close() {}
func (t *topReducer) Reset() { t.all, t.size, t.wrong = t.all[:0], 0, nil }

func (t *topReducer) Add(_, _, value []byte) error {
	if t.wrong != nil {
		return nil
	}
	key, err := collate.AppendKey(nil, value)
	if err != nil {
		return err
	}
	at, there := slices.BinarySearchFunc(t.all, key, func(r ranked, key []byte) int {
		c := bytes.Compare(r.key, key)
		if t.top {
			c = -c
		}
		return c
	})
	if at < t.n && !there {
		t.all = slices.Insert(t.all, at, ranked{key, bytes.Clone(value)})
		if t.size += len(value); len(t.all) > t.n {
			t.size -= len(t.all[t.n].value)
			t.all = t.all[:t.n]
		}
	}
	if t.size > maxRanked {
		t.wrong = failure(fmt.Sprintf("The %d values have more than %d bytes.", len(t.all), maxRanked), nil)
	}
	return nil
}

// A partial result is the result, or ! and the error.

func (t *topReducer) Merge(p []byte) error {
	if len(p) > 0 && p[0] == '!' {
		if t.wrong == nil {
			t.wrong = bytes.Clone(p[1:])
		}
		return nil
	}
	return jsonscan.EachElement(p, func(value []byte) error { return t.Add(nil, nil, value) })
}

func (t *topReducer) AppendPartial(dst []byte) ([]byte, error) {
	if t.wrong != nil {
		dst = append(dst, '!')
	}
	return t.AppendResult(dst)
}

func (t *topReducer) AppendResult(dst []byte) ([]byte, error) {
	if t.wrong != nil {
		return append(dst, t.wrong...), nil
	}
	dst = append(dst, '[')
	for i := range t.all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, t.all[i].value...)
	}
	return append(dst, ']'), nil
}
