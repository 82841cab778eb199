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
	lastPage  = 2048
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

	first *firstOf // was read ahead, or nil
	page  []entry  // with keys of the table
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
	if f := r.foreseen; f != nil && !c.ended && !c.reverse && f.keysOnly == c.keysOnly && bytes.Equal(f.lo, c.lo) && bytes.Compare(c.hi, f.hi) <= 0 {
		c.first, r.foreseen = f, nil
	}
	return c
}

// firstOf is the first page of a range, which is read together with something else.
type firstOf struct {
	lo, hi   []byte
	keysOnly bool
	rows     int // how many were asked for
	n        int // how many came
	read     bool
	page     []entry // of those, the ones that are kept
	size     int
}

// FetchPage is part of engine.Pager.
func (r *reader) FetchPage(s engine.Space, rg engine.Range) {
	f := &firstOf{keysOnly: rg.KeysOnly, rows: firstPage}
	f.lo, f.hi = bounds(s, rg.From, rg.To)
	if rg.Limit > 0 {
		f.rows = min(rg.Limit, lastPage)
	}
	if rg.Reverse || bytes.Compare(f.lo, f.hi) >= 0 {
		return
	}
	r.foreseen = f
	r.queue = append(r.queue, f.query(r, sqlPage[[2]bool{false, f.keysOnly}]))
}

// query reads the page.
func (f *firstOf) query(r *reader, sql string) query {
	return query{sql, []any{r.db.id, f.lo, f.hi, f.rows}, func(rows pgx.Rows) error {
		f.page, f.n, f.size, f.read = f.page[:0], 0, 0, true
		for rows.Next() {
			if f.n++; f.size > pageMost {
				continue // it comes again
			}
			raw := rawValues(rows)
			k := r.arena.keep(raw[0])
			e := entry{k: k}
			if !f.keysOnly {
				e.v = r.arena.keep(raw[1])
			}
			f.size += len(k) + len(e.v)
			f.page = append(f.page, e)
		}
		return nil
	}}
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
	return e.k[1:], e.v, nil
}

// fetch reads the next page.
func (c *cursor) fetch() error {
	f := c.first
	if c.first = nil; f == nil {
		f = &firstOf{lo: c.lo, hi: c.hi, keysOnly: c.keysOnly, rows: c.rows, page: c.page[:0]}
		if c.left > 0 {
			f.rows = min(f.rows, c.left)
		}
		if err := c.send(f.query(c.r, c.sql)); err != nil {
			return err
		}
	} else if !f.read {
		if err := c.send(); err != nil {
			return err
		}
	}
	c.page, c.at, c.ended = f.page, 0, f.n < f.rows
	if f.n > len(f.page) {
		c.ended = false
	}
	if n := len(f.page); n > 0 {
		last := f.page[n-1].k
		if c.reverse {
			c.hi = last
		} else {
			c.lo = append(bytes.Clone(last), 0)
		}
		// What was read ahead may go beyond the range.
		for n > 0 && !c.reverse && bytes.Compare(f.page[n-1].k, c.hi) >= 0 {
			n--
			c.ended = true
		}
		c.page = f.page[:n]
	}
	c.rows = min(f.rows*pageGrows, lastPage)
	if f.size > 0 {
		c.rows = max(min(c.rows, pageBytes*len(f.page)/f.size), 1)
	}
	return nil
}

const sqlCount = "select count(*) from td_kv where db = $1 and k >= $2 and k < $3"

// countOf is how many entries a range has, which is read together with something else.
type countOf struct {
	lo, hi []byte
	n      int
	read   bool
}

// FetchCount is part of engine.Pager.
func (r *reader) FetchCount(s engine.Space, rg engine.Range) {
	c := &countOf{}
	c.lo, c.hi = bounds(s, rg.From, rg.To)
	r.counted = c
	r.queue = append(r.queue, query{sqlCount, []any{r.db.id, c.lo, c.hi}, func(rows pgx.Rows) error {
		c.read = true
		return scan(&c.n)(rows)
	}})
}

// Count is part of engine.Counter.
func (r *reader) Count(s engine.Space, rg engine.Range) (n int, err error) {
	lo, hi := bounds(s, rg.From, rg.To)
	if c := r.counted; c != nil && bytes.Equal(c.lo, lo) && bytes.Equal(c.hi, hi) {
		if !c.read {
			err = r.send()
		}
		return c.n, err
	}
	err = r.send(query{sqlCount, []any{r.db.id, lo, hi}, scan(&n)})
	return n, err
}
