package pg

import (
	"bytes"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// The pages of a cursor, in the form reverse, keys only. The order is that of the primary key, and a limit
// is always said, so that the planner walks the index.
var sqlPage = map[[2]bool]string{
	{false, false}: "select k, v from td_kv where db = $1 and k >= $2 and k < $3 order by k limit $4",
	{false, true}:  "select k from td_kv where db = $1 and k >= $2 and k < $3 order by k limit $4",
	{true, false}:  "select k, v from td_kv where db = $1 and k >= $2 and k < $3 order by k desc limit $4",
	{true, true}:   "select k from td_kv where db = $1 and k >= $2 and k < $3 order by k desc limit $4",
}

// The rows of a page: the first one's, the most, and how much they grow. A page is to have about
// pageBytes; beyond pageMost it is cut short.
const (
	firstPage = 16
	lastPage  = 1024
	pageGrows = 8
	pageBytes = 1 << 20
	pageMost  = 16 << 20
)

type entry struct{ k, v []byte }

// cursor walks a range in pages, each a round trip.
type cursor struct {
	r    *reader
	send func(...query) error
	sql  string

	lo, hi   []byte
	reverse  bool
	keysOnly bool
	left     int // entries still to return, negative: all

	page  []entry
	at    int
	rows  int  // of the next page
	ended bool // there is no next page
}

func newCursor(r *reader, send func(...query) error, s engine.Space, rg engine.Range) *cursor {
	c := &cursor{r: r, send: send, sql: sqlPage[[2]bool{rg.Reverse, rg.KeysOnly}], reverse: rg.Reverse, keysOnly: rg.KeysOnly, left: -1, rows: firstPage}
	c.lo, c.hi = bounds(s, rg.From, rg.To)
	if rg.Limit > 0 {
		c.left, c.rows = rg.Limit, min(rg.Limit, lastPage)
	}
	c.ended = bytes.Compare(c.lo, c.hi) >= 0
	return c
}

func (c *cursor) Next() (k, v []byte, err error) {
	if c.left == 0 {
		return nil, nil, nil
	}
	if c.at == len(c.page) {
		if c.ended {
			return nil, nil, c.r.ctx.Err()
		}
		if err := c.fetch(); err != nil {
			return nil, nil, err
		}
		if len(c.page) == 0 {
			return nil, nil, nil
		}
	}
	e := &c.page[c.at]
	if err := c.r.pace.Step(len(e.v)); err != nil {
		return nil, nil, err
	}
	c.at++
	c.left--
	return e.k, e.v, nil
}

// fetch reads the next page.
func (c *cursor) fetch() error {
	c.page, c.at = c.page[:0], 0
	want := c.rows
	if c.left > 0 {
		want = min(want, c.left)
	}
	size, n := 0, 0
	var last []byte
	err := c.send(query{c.sql, []any{c.r.db.id, c.lo, c.hi, want}, func(rows pgx.Rows) error {
		for rows.Next() {
			if n++; size > pageMost {
				continue // it comes again
			}
			raw := rows.RawValues()
			k := c.r.arena.keep(raw[0])
			last = k
			e := entry{k: k[1:]}
			if !c.keysOnly {
				e.v = c.r.arena.keep(raw[1])
			}
			size += len(k) + len(e.v)
			c.page = append(c.page, e)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	c.ended = n < want
	if n > len(c.page) {
		c.ended = false
	}
	if last != nil && c.reverse {
		c.hi = last
	} else if last != nil {
		c.lo = append(bytes.Clone(last), 0)
	}
	c.rows = min(c.rows*pageGrows, lastPage)
	if size > 0 {
		c.rows = max(min(c.rows, pageBytes*len(c.page)/size), 1)
	}
	return nil
}
