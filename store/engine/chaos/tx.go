package chaos

import (
	"bytes"
	"errors"
	"sort"

	"github.com/tododb/tododb/store/engine"
)

type entry struct{ k, v []byte }

// snapshot is the entries of all spaces at one moment, sorted by key. Slices are replaced,
// never changed, so anybody who has one can keep it.
type snapshot struct {
	spaces [32][]entry
	stamp  uint64
	era    uint64 // in which it is
}

func (s *snapshot) clone() *snapshot {
	c := *s
	return &c
}

// search finds where a key is, or would be.
func (s *snapshot) search(sp engine.Space, k []byte) (i int, found bool) {
	list := s.spaces[sp&31]
	i = sort.Search(len(list), func(i int) bool { return bytes.Compare(list[i].k, k) >= 0 })
	return i, i < len(list) && bytes.Equal(list[i].k, k)
}

// reader reads a snapshot.
type reader struct {
	eng  *Engine
	s    *snapshot
	pace *engine.Pace
	lent [][]byte // slices it returned
}

// lend returns a copy that is valid until the reader ends.
func (r *reader) lend(b []byte) []byte {
	if b == nil {
		return nil
	}
	c := append(make([]byte, 0, len(b)), b...)
	r.lent = append(r.lent, c)
	return c
}

// end overwrites the returned slices, so that code that keeps one finds out.
func (r *reader) end() {
	for _, b := range r.lent {
		overwrite(b)
	}
	r.lent = nil
}

func overwrite(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

// Stamp is part of engine.Stamped.
func (r *reader) Stamp() (uint64, error) { return r.s.stamp ^ r.s.era<<32, r.eng.call() }

// Era is part of engine.Eras.
func (r *reader) Era() (engine.Era, error) {
	r.eng.seen.Store(r.s.era)
	return eraOf(r.s.era), nil
}

func (r *reader) Get(s engine.Space, k []byte) ([]byte, error) {
	if err := errors.Join(r.eng.call(), r.pace.Step(0)); err != nil {
		return nil, err
	}
	if i, ok := r.s.search(s, k); ok {
		return r.lend(r.s.spaces[s&31][i].v), nil
	}
	return nil, nil
}

func (r *reader) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	if err := r.eng.call(); err != nil {
		return err
	}
	for i, k := range ks {
		var v []byte
		if at, ok := r.s.search(s, k); ok {
			v = r.lend(r.s.spaces[s&31][at].v)
		}
		if err := r.pace.Step(len(v)); err != nil {
			return err
		}
		if err := fn(i, v); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) Last(s engine.Space) (k, v []byte, err error) {
	if err := r.eng.call(); err != nil {
		return nil, nil, err
	}
	list := r.s.spaces[s&31]
	if len(list) == 0 {
		return nil, nil, nil
	}
	last := list[len(list)-1]
	return r.lend(last.k), r.lend(last.v), nil
}

func (r *reader) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (bool, error)) error {
	return engine.Each(r.Cursor(s, rg), fn)
}

func (r *reader) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	if r.eng.opt.Scanning != nil {
		r.eng.opt.Scanning(s, rg)
	}
	list := r.s.spaces[s&31]
	from, to := 0, len(list)
	if rg.From != nil {
		from, _ = r.s.search(s, rg.From)
	}
	if rg.To != nil {
		to, _ = r.s.search(s, rg.To)
	}
	c := &cursor{r: r, list: list[from:max(from, to)], reverse: rg.Reverse, left: -1, keysOnly: rg.KeysOnly, brief: rg.Brief}
	if rg.Limit > 0 {
		c.left = rg.Limit
	}
	return c
}

type cursor struct {
	r        *reader
	list     []entry
	reverse  bool
	keysOnly bool
	brief    bool
	last     []byte // the key before, if brief
	left     int
	begun    bool
}

func (c *cursor) Next() (k, v []byte, err error) {
	if !c.begun {
		c.begun = true
		if err := c.r.eng.call(); err != nil {
			return nil, nil, err
		}
	}
	if len(c.list) == 0 || c.left == 0 {
		return nil, nil, nil
	}
	if err := c.r.pace.Step(0); err != nil {
		return nil, nil, err
	}
	c.left--
	var e entry
	if last := len(c.list) - 1; c.reverse {
		e, c.list = c.list[last], c.list[:last]
	} else {
		e, c.list = c.list[0], c.list[1:]
	}
	k = c.r.lend(e.k)
	if c.brief { // as reader.end does at the end
		overwrite(c.last)
		c.last = k
	}
	if c.keysOnly {
		return k, nil, nil
	}
	return k, c.r.lend(e.v), nil
}

// tx writes to a snapshot of its own.
type tx struct {
	reader
	given []given
}

// given is a value as it was passed in, and a copy of it from then.
type given struct{ v, was []byte }

// run runs fn. Changing a value after passing it in breaks the contract and panics here:
// another engine would store garbage.
func (t *tx) run(fn func(engine.Tx) error) error {
	defer t.end()
	err := fn(t)
	for _, g := range t.given {
		if !bytes.Equal(g.v, g.was) {
			panic("chaos: a value was changed after Put")
		}
	}
	return err
}

func (t *tx) Fetch([]engine.SpaceKey, []engine.Space) error { return t.eng.call() }

// Restamp is part of engine.Restamper.
func (t *tx) Restamp() error {
	t.s.stamp++
	return t.eng.call()
}

func (t *tx) Put(s engine.Space, k, v []byte) error {
	if err := t.eng.call(); err != nil {
		return err
	}
	if len(k) == 0 || len(k) > t.eng.opt.MaxKey || len(v) > t.eng.opt.MaxValue {
		return engine.ErrTooLarge
	}
	e := entry{bytes.Clone(k), append([]byte{}, v...)}
	t.given = append(t.given, given{v, e.v})
	i, found := t.s.search(s, k)
	old := t.s.spaces[s&31]
	list := make([]entry, 0, len(old)+1)
	list = append(append(list, old[:i]...), e)
	if found {
		i++
	}
	t.s.spaces[s&31] = append(list, old[i:]...)
	return nil
}

func (t *tx) Insert(s engine.Space, k, v []byte) error {
	if _, found := t.s.search(s, k); found {
		return engine.ErrDuplicate
	}
	return t.Put(s, k, v)
}

func (t *tx) Delete(s engine.Space, k []byte) error {
	if err := t.eng.call(); err != nil {
		return err
	}
	if i, found := t.s.search(s, k); found {
		t.remove(s, i, i+1)
	}
	return nil
}

func (t *tx) DeleteRange(s engine.Space, from, to []byte) error {
	if err := t.eng.call(); err != nil {
		return err
	}
	i, j := 0, len(t.s.spaces[s&31])
	if from != nil {
		i, _ = t.s.search(s, from)
	}
	if to != nil {
		j, _ = t.s.search(s, to)
	}
	if i < j {
		t.remove(s, i, j)
	}
	return nil
}

func (t *tx) remove(s engine.Space, from, to int) {
	old := t.s.spaces[s&31]
	list := make([]entry, 0, len(old))
	t.s.spaces[s&31] = append(append(list, old[:from]...), old[to:]...)
}
