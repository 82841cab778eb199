package anykey

import (
	"slices"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// reader reads a snapshot.
type reader struct {
	engine.Reader // the engine's
	*layout
}

// viewing is one use of a snapshot.
type viewing struct {
	reader                           // for the time of the snapshot
	fn     func(engine.Reader) error // gets it
	run    func(engine.Reader) error // use, made once
}

// viewings are kept: every request makes some.
var viewings = sync.Pool{New: func() any {
	v := &viewing{}
	v.run = v.use
	return v
}}

func (v *viewing) use(r engine.Reader) error {
	v.Reader = r
	return v.fn(&v.reader)
}

// Stamp is part of engine.Stamped. Where the engine has no other processes there is one stamp.
func (r *reader) Stamp() (uint64, error) {
	if s, ok := r.Reader.(engine.Stamped); ok {
		return s.Stamp()
	}
	return 0, nil
}

// Fetch is part of engine.Fetcher.
func (r *reader) Fetch(keys []engine.SpaceKey, last []engine.Space) error {
	if f, ok := r.Reader.(engine.Fetcher); ok {
		return f.Fetch(r.allAt(keys), last)
	}
	return nil
}

// FetchPage is part of engine.Pager.
func (r *reader) FetchPage(s engine.Space, rg engine.Range) {
	if p, ok := r.Reader.(engine.Pager); ok {
		p.FetchPage(s, r.span(nil, rg))
	}
}

// FetchCount is part of engine.Pager.
func (r *reader) FetchCount(s engine.Space, rg engine.Range) {
	if p, ok := r.Reader.(engine.Pager); ok {
		p.FetchCount(s, r.span(nil, rg))
	}
}

// Count is part of engine.Counter. Where the engine cannot, it walks.
func (r *reader) Count(s engine.Space, rg engine.Range) (n int, err error) {
	if c, ok := r.Reader.(engine.Counter); ok {
		return c.Count(s, r.span(nil, rg))
	}
	rg.KeysOnly, rg.Brief = true, true
	err = r.Scan(s, rg, func(_, _ []byte) (bool, error) { n++; return true, nil })
	return n, err
}

func (r *reader) Get(s engine.Space, k []byte) ([]byte, error) {
	if len(k) > r.short {
		s, k = r.at(s, k)
	}
	return r.Reader.Get(s, k)
}

func (r *reader) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	long := func(k []byte) bool { return len(k) > r.short }
	for from := 0; from < len(ks); {
		if long(ks[from]) {
			v, err := r.Get(s, ks[from])
			if err == nil {
				err = fn(from, v)
			}
			if err != nil {
				return err
			}
			from++
			continue
		}
		n := slices.IndexFunc(ks[from:], long)
		if n < 0 {
			n = len(ks) - from
		}
		if from == 0 && n == len(ks) {
			return r.Reader.GetMulti(s, ks, fn)
		}
		if err := r.Reader.GetMulti(s, ks[from:from+n], func(i int, v []byte) error { return fn(from+i, v) }); err != nil {
			return err
		}
		from += n
	}
	return nil
}

func (r *reader) Last(s engine.Space) (k, v []byte, err error) {
	if k, v, err = r.Reader.Last(s); err != nil || len(k) <= r.short {
		return k, v, err
	}
	return r.Cursor(s, engine.Range{Reverse: true, Limit: 1}).Next()
}

func (r *reader) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (more bool, err error)) error {
	c := &scan{r: r, space: s, rg: rg, left: rg.Limit, fn: fn}
	return r.Reader.Scan(s, r.span(nil, rg), c.entry)
}

// scan is the engine's scan of a space. Where there is no link, it costs little more.
type scan struct {
	r     *reader
	space engine.Space
	rg    engine.Range
	left  int // entries still wanted, negative: all
	fn    func(k, v []byte) (more bool, err error)
}

func (c *scan) entry(k, v []byte) (more bool, err error) {
	if len(k) > c.r.short {
		return c.behind(k)
	}
	return c.give(k, v)
}

func (c *scan) give(k, v []byte) (more bool, err error) {
	c.left-- // 0 at the limit, if there is one
	more, err = c.fn(k, v)
	return more && c.left != 0, err
}

// behind scans what a link leads to.
func (c *scan) behind(link []byte) (more bool, err error) {
	in := &cursor{r: c.r, space: c.space, rg: c.rg, left: -1, top: level{c: nothing{}}}
	if c.left > 0 {
		in.left = c.left
	}
	if err := in.enter(&level{from: c.rg.From, to: c.rg.To}, link); err != nil {
		return false, err
	}
	more = true
	err = engine.Each(in, func(k, v []byte) (bool, error) {
		more, err = c.give(k, v)
		return more, err
	})
	return more, err
}

// nothing is a cursor at its end.
type nothing struct{}

func (nothing) Next() (k, v []byte, err error) { return nil, nil, nil }

// Era is part of engine.Eras. Where the engine knows of none it is zero.
func (r *reader) Era() (engine.Era, error) {
	if e, ok := r.Reader.(engine.Eras); ok {
		return e.Era()
	}
	return engine.Era{}, nil
}
