package view

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/axiomhq/hyperloglog"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
)

// builtin finds the reduce function that a name with an underscore stands for.
func builtin(name string) (func() (index.Reducer, error), error) {
	var make func() index.Reducer
	switch name {
	case "_count":
		make = func() index.Reducer { return &countReducer{} }
	case "_sum":
		make = func() index.Reducer { return &sumReducer{} }
	case "_stats":
		make = func() index.Reducer { return &statsReducer{} }
	case "_approx_count_distinct":
		make = func() index.Reducer { return newDistinct() }
	case "_first":
		make = func() index.Reducer { return &endReducer{} }
	case "_last":
		make = func() index.Reducer { return &endReducer{last: true} }
	default:
		digits, top := strings.CutPrefix(name, "_top_")
		if !top {
			digits = strings.TrimPrefix(name, "_bottom_")
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 {
			return nil, &BuildError{"invalid_design_doc", fmt.Sprintf("`%s` is not a supported reduce function.", name)}
		}
		make = func() index.Reducer { return &topReducer{n: n, top: top} }
	}
	return func() (index.Reducer, error) { return make(), nil }, nil
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
		return fmt.Errorf("%w: a sketch of distinct keys: %w", index.ErrCorrupt, err)
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

// topReducer is _top_N and _bottom_N: the greatest or the least values, the most extreme
// first.
type topReducer struct {
	n   int
	top bool
	all []ranked
}

type ranked struct{ key, value []byte }

func (t *topReducer) Close() {}
func (t *topReducer) Reset() { t.all = t.all[:0] }

func (t *topReducer) Add(_, _, value []byte) error {
	key, err := collate.AppendKey(nil, value)
	if err != nil {
		return err
	}
	at, _ := slices.BinarySearchFunc(t.all, key, func(r ranked, key []byte) int {
		c := bytes.Compare(r.key, key)
		if t.top {
			c = -c
		}
		if c == 0 {
			c = -1 // behind those that are equal
		}
		return c
	})
	if at < t.n {
		t.all = slices.Insert(t.all, at, ranked{key, bytes.Clone(value)})
		t.all = t.all[:min(len(t.all), t.n)]
	}
	return nil
}

func (t *topReducer) Merge(p []byte) error {
	return jsonscan.EachElement(p, func(value []byte) error { return t.Add(nil, nil, value) })
}

func (t *topReducer) AppendPartial(dst []byte) ([]byte, error) { return t.AppendResult(dst) }

func (t *topReducer) AppendResult(dst []byte) ([]byte, error) {
	dst = append(dst, '[')
	for i := range t.all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, t.all[i].value...)
	}
	return append(dst, ']'), nil
}
