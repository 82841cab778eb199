package view

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
)

// customReducer runs a reduce function that a design document brings.
type customReducer struct {
	fn     ReduceFunc
	pool   *sync.Pool // where it goes when it is closed; nil: nowhere
	keys   []ReduceKey
	values [][]byte
	size   int      // bytes of values and keys
	parts  [][]byte // what rows were reduced to, in order
	made   int      // bytes of parts
	wrong  *index.ReduceError
}

// How much the function is given at once: so many rows or parts, or bytes of them.
const (
	reduceRows  = 1000
	reduceBytes = 4 << 20
)

func (c *customReducer) Close() {
	c.Reset()
	if c.pool != nil {
		c.pool.Put(c)
	}
}

func (c *customReducer) Reset() {
	clear(c.values) // rows may be long
	clear(c.parts)
	c.keys, c.values, c.parts, c.wrong = c.keys[:0], c.values[:0], c.parts[:0], nil
	c.size, c.made = 0, 0
}

func (c *customReducer) Add(key, id, value []byte) error {
	if c.wrong != nil {
		return nil
	}
	c.size += len(key) + len(id) + len(value)
	c.keys = append(c.keys, ReduceKey{bytes.Clone(key), string(id)})
	c.values = append(c.values, bytes.Clone(value))
	if len(c.keys) >= reduceRows || c.size >= reduceBytes {
		return c.reduce()
	}
	return nil
}

// reduce makes one part of the rows that have gathered.
func (c *customReducer) reduce() error {
	if len(c.keys) == 0 || c.wrong != nil {
		return nil
	}
	part, err := c.fn.Reduce(c.keys, c.values, false)
	c.keys, c.values, c.size = c.keys[:0], c.values[:0], 0
	return c.keep(part, err)
}

func (c *customReducer) keep(part []byte, err error) error {
	if e, ok := err.(*index.ReduceError); ok {
		c.wrong = e
		return nil
	}
	if err == nil {
		c.parts = append(c.parts, bytes.Clone(part))
		c.made += len(part)
	}
	if len(c.parts) >= reduceRows || len(c.parts) > 1 && c.made >= reduceBytes {
		return c.rereduce()
	}
	return err
}

// rereduce makes one part of all.
func (c *customReducer) rereduce() error {
	parts := slices.Clone(c.parts)
	c.parts, c.made = c.parts[:0], 0
	part, err := c.fn.Reduce(nil, parts, true)
	return c.keep(part, err)
}

// A partial result is JSON, or ! and an error: uvarint length of the name, name, reason.

func (c *customReducer) Merge(p []byte) error {
	if err := c.reduce(); err != nil || c.wrong != nil {
		return err
	}
	if len(p) > 0 && p[0] == '!' {
		n, w := binary.Uvarint(p[1:])
		if w <= 0 || n > uint64(len(p)-1-w) {
			return fmt.Errorf("%w: an error of a reduce function", index.ErrCorrupt)
		}
		name := p[1+w:]
		c.wrong = &index.ReduceError{Name: string(name[:n]), Reason: string(name[n:])}
		return nil
	}
	return c.keep(p, nil)
}

func (c *customReducer) AppendPartial(dst []byte) ([]byte, error) {
	err := c.reduce()
	if err == nil && len(c.parts) > 1 && c.wrong == nil {
		err = c.rereduce()
	}
	switch {
	case err != nil:
		return dst, err
	case c.wrong != nil:
		dst = binary.AppendUvarint(append(dst, '!'), uint64(len(c.wrong.Name)))
		return append(append(dst, c.wrong.Name...), c.wrong.Reason...), nil
	}
	return append(dst, c.parts[0]...), nil
}

// AppendResult reduces again even what is one part already, as CouchDB does when it puts
// the answers of its shards together.
func (c *customReducer) AppendResult(dst []byte) ([]byte, error) {
	err := c.reduce()
	if err == nil && c.wrong == nil {
		err = c.rereduce()
	}
	switch {
	case err != nil:
		return dst, err
	case c.wrong != nil:
		return dst, c.wrong
	}
	part, err := jsonscan.Trim(c.parts[0])
	return append(dst, part...), err
}
