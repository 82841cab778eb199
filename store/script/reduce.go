package script

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/dop251/goja"
)

// ReduceKey is a key to be reduced, and the document that emitted it.
type ReduceKey struct {
	Key []byte // JSON
	ID  string
}

// Reducer runs a reduce function from a design document.
type Reducer struct {
	views *Views
	view  int
	rt    *runtime
	fn    goja.Callable
	buf   []byte
}

// CouchDB's reduce_limit allows results that are short, or half as long as their input
// (query_server_config, reduce_limit_threshold and reduce_limit_ratio).
const (
	reduceThreshold = 5000
	reduceRatio     = 2
)

// NewReducer makes a Reducer of a view, nil if the view has no custom reduce function.
func (v *Views) NewReducer(view int) (*Reducer, error) {
	if v.reduces[view].program == nil {
		return nil, nil
	}
	r := &Reducer{views: v, view: view}
	return r, r.prepare()
}

func (r *Reducer) prepare() (err error) {
	if r.rt, err = newRuntime(r.views.opt, r.views.modules); err != nil {
		return err
	}
	c := r.views.reduces[r.view]
	if r.fn, err = r.rt.function(c.program, c.source); err != nil {
		return ofView("reduce", c.name, err)
	}
	return nil
}

// Reduce calls the function with rows, or, for rereduce, with its own earlier results; keys are
// nil then. The result is JSON, valid until the next call; a function that throws gives null.
// An error is fatal to the query: a result that does not shrink (reduce_overflow_error), a
// thrown fatal error, or a stopped function.
func (r *Reducer) Reduce(keys []ReduceKey, values [][]byte, rereduce bool) (result []byte, err error) {
	if r.rt.broken {
		if err := r.prepare(); err != nil {
			return nil, err
		}
	}
	size := 0
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = r.rt.checked(v)
		size += len(v) + 1
	}
	for _, k := range keys {
		size += len(k.Key) + len(k.ID) + 8
	}
	rereduced := r.rt.no
	keyList := goja.Value(goja.Null())
	sc := &scope{rt: r.rt}
	defer func() { sc.over = true }()
	if rereduce {
		rereduced = r.rt.yes
	} else {
		keyList = r.rt.js.NewDynamicArray(&reduceKeys{scope: sc, keys: keys, values: make([]goja.Value, len(keys))})
	}
	err = r.rt.do(func() error {
		v, err := r.fn(goja.Undefined(), keyList, r.rt.js.NewArray(list...), rereduced)
		if err == nil {
			r.buf, err = r.rt.appendJSON(r.buf[:0], v)
		}
		if err == nil {
			return nil
		}
		e := r.rt.errorOf(err)
		if e.Fatal {
			return e
		}
		if r.rt.opt.Log != nil {
			r.rt.opt.Log.Info("reduce function raised an exception", "error", e.Error())
		}
		r.buf = append(r.buf[:0], "null"...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(r.buf) > reduceThreshold && len(r.buf)*reduceRatio > size {
		if err := r.overflow(size); err != nil {
			return nil, err
		}
	}
	return r.buf, nil
}

// overflow is what becomes of a result that does not shrink, of an input of some bytes.
func (r *Reducer) overflow(size int) error {
	reason := fmt.Sprintf("Reduce output must shrink more rapidly: input size: %d output size: %d", size, len(r.buf))
	switch {
	case r.rt.opt.Reductions == Permit:
		return nil
	case r.rt.opt.Reductions != Report:
		return &Error{Kind: Named, Word: "reduce_overflow_error", Fatal: true, Reason: reason}
	case r.rt.opt.Log != nil:
		r.rt.opt.Log.Info(reason)
	}
	return nil
}

// Run makes one value of a Reduction, valid until the next call. Its errors are those of
// Reduce.
func (r *Reducer) Run(what *Reduction) ([]byte, error) {
	parts := slices.Clone(what.Parts)
	runs := what.Runs
	for i := range parts {
		if parts[i] != nil {
			continue
		}
		if len(runs) == 0 {
			return nil, errors.New("script: a reduction lacks rows")
		}
		part, err := r.Reduce(runs[0].Keys, runs[0].Values, false)
		if err != nil {
			return nil, err
		}
		parts[i], runs = bytes.Clone(part), runs[1:]
	}
	if len(parts) == 1 && !what.Final {
		return parts[0], nil
	}
	return r.Reduce(nil, parts, true)
}

// reduceKeys are the keys of a reduce, as [key, id]. Most functions never look at them.
type reduceKeys struct {
	scope  *scope
	keys   []ReduceKey
	values []goja.Value
}

// Len is part of goja.DynamicArray, as are the methods below it.
func (k *reduceKeys) Len() int { return len(k.keys) }

func (k *reduceKeys) Get(i int) goja.Value {
	if i < 0 || i >= len(k.keys) || k.scope.over {
		return nil
	}
	if k.values[i] == nil {
		rt := k.scope.rt
		k.values[i] = rt.js.NewArray(rt.checked(k.keys[i].Key), k.keys[i].ID)
	}
	return k.values[i]
}

func (k *reduceKeys) Set(int, goja.Value) bool { return false }
func (k *reduceKeys) SetLen(int) bool          { return false }
