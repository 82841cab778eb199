package view

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
)

// customReducer runs a reduce function from a design document. It calls the function as late as
// it can: it is an index.BatchReducer.
type customReducer struct {
	ctx  context.Context // the present user's
	fn   ReduceFunc
	pool *sync.Pool // where it goes on Close; nil: nowhere

	rows  Rows // since the last part
	size  int  // bytes of them
	parts [][]byte
	runs  []Rows
	held  int // rows in runs
	made  int // bytes of parts and runs
	wrong *index.ReduceError
}

// The most that the function is given at once: rows or parts, or bytes of them.
const (
	reduceRows  = 1000
	reduceBytes = 4 << 20
)

func (c *customReducer) Close() {
	c.Reset()
	c.ctx = nil
	if c.pool != nil {
		c.pool.Put(c)
	}
}

// Reset leaves nothing that was taken to the next user.
func (c *customReducer) Reset() { *c = customReducer{ctx: c.ctx, fn: c.fn, pool: c.pool} }

func (c *customReducer) Add(key, id, value []byte) error {
	if c.wrong != nil {
		return nil
	}
	c.size += len(key) + len(id) + len(value)
	c.rows.Keys = append(c.rows.Keys, ReduceKey{bytes.Clone(key), string(id)})
	c.rows.Values = append(c.rows.Values, bytes.Clone(value))
	if len(c.rows.Keys) >= reduceRows || c.size >= reduceBytes {
		rows := c.rows
		c.rows, c.size = Rows{}, 0
		return c.keep(Reduction{Parts: [][]byte{nil}, Runs: []Rows{rows}})
	}
	return nil
}

// seal makes a run of the rows gathered.
func (c *customReducer) seal() {
	if len(c.rows.Keys) == 0 {
		return
	}
	c.parts, c.runs = append(c.parts, nil), append(c.runs, c.rows)
	c.held += len(c.rows.Keys)
	c.made += c.size
	c.rows, c.size = Rows{}, 0
}

// keep runs a reduction, and takes the result as a part.
func (c *customReducer) keep(what Reduction) error {
	got, err := c.fn.Reduce(c.ctx, []Reduction{what})
	if err != nil {
		return err
	}
	if c.wrong = got[0].Err; c.wrong != nil {
		return nil
	}
	return c.part(got[0].Value)
}

// part takes in a partial result. Many parts are combined into one.
func (c *customReducer) part(p []byte) error {
	c.parts = append(c.parts, p)
	if c.made += len(p); len(c.parts) < 2 || len(c.parts) < reduceRows && c.held < reduceRows && c.made < reduceBytes {
		return nil
	}
	what := Reduction{Parts: c.parts, Runs: c.runs}
	c.parts, c.runs, c.held, c.made = nil, nil, 0, 0
	return c.keep(what)
}

// A partial result is JSON, or ! and an error: uvarint length of the name, name, reason.

func (c *customReducer) Merge(p []byte) error {
	if c.wrong != nil {
		return nil
	}
	if len(p) > 0 && p[0] == '!' {
		n, w := binary.Uvarint(p[1:])
		if w <= 0 || n > uint64(len(p)-1-w) {
			return fmt.Errorf("%w: stored error of a reduce function", index.ErrCorrupt)
		}
		name := p[1+w:]
		c.wrong = &index.ReduceError{Name: string(name[:n]), Reason: string(name[n:])}
		return nil
	}
	c.seal()
	return c.part(bytes.Clone(p))
}

// gathered is the result of Take.
type gathered struct {
	what  Reduction
	wrong *index.ReduceError
}

// Take is part of index.BatchReducer, as are Partials and Results.
func (c *customReducer) Take() (any, int) {
	g := c.now()
	size := c.made
	c.Reset()
	return g, size
}

// now is what was gathered so far.
func (c *customReducer) now() *gathered {
	c.seal()
	return &gathered{Reduction{Parts: c.parts, Runs: c.runs}, c.wrong}
}

func (c *customReducer) Partials(all []any) ([][]byte, error) {
	got, err := c.reduceAll(all, false)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(got))
	for i, r := range got {
		if out[i] = r.Value; r.Err != nil {
			out[i] = binary.AppendUvarint([]byte{'!'}, uint64(len(r.Err.Name)))
			out[i] = append(append(out[i], r.Err.Name...), r.Err.Reason...)
		}
	}
	return out, nil
}

// Results rereduces even a single part, as CouchDB does when it combines the answers of its
// shards.
func (c *customReducer) Results(all []any) ([]index.Reduced, error) {
	got, err := c.reduceAll(all, true)
	for i := range got {
		if got[i].Err == nil && err == nil {
			got[i].Value, err = jsonscan.Trim(got[i].Value)
		}
	}
	return got, err
}

// reduceAll asks the function for results not known yet.
func (c *customReducer) reduceAll(all []any, final bool) ([]index.Reduced, error) {
	out := make([]index.Reduced, len(all))
	var ask []Reduction
	var of []int // their places in out
	for i := range all {
		g := all[i].(*gathered)
		g.what.Final = final
		switch {
		case g.wrong != nil:
			out[i].Err = g.wrong
		case !final && len(g.what.Parts) == 1 && g.what.Parts[0] != nil:
			out[i].Value = g.what.Parts[0]
		default:
			ask, of = append(ask, g.what), append(of, i)
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	got, err := c.fn.Reduce(c.ctx, ask)
	if err != nil {
		return nil, err
	}
	for i := range got {
		out[of[i]] = got[i]
	}
	return out, nil
}

func (c *customReducer) AppendPartial(dst []byte) ([]byte, error) {
	got, err := c.Partials([]any{c.now()})
	if err != nil {
		return dst, err
	}
	return append(dst, got[0]...), nil
}

func (c *customReducer) AppendResult(dst []byte) ([]byte, error) {
	got, err := c.Results([]any{c.now()})
	switch {
	case err != nil:
		return dst, err
	case got[0].Err != nil:
		return dst, got[0].Err
	}
	return append(dst, got[0].Value...), nil
}
