package bolt

import "github.com/tododb/tododb/store/engine"

// together is how many keys GetMulti looks for at a time.
const together = 16

// GetMulti goes down the tree with some keys at a time, a page of each at every step. The pages may be
// all over the file: a key alone waits for memory at every step, and some together wait hardly longer.
func (r *reader) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	var vs [together][]byte
	for from := 0; from < len(ks); from += together {
		some := ks[from:min(from+together, len(ks))]
		if err := r.getSome(s, some, &vs); err != nil {
			return err
		}
		for i := range some {
			if err := r.give(vs[i]); err != nil {
				return err
			}
			if err := fn(from+i, vs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// getSome gets the values of up to so many keys.
func (r *reader) getSome(s engine.Space, ks [][]byte, vs *[together][]byte) (err error) {
	if len(ks) == 1 || r.own(s) != nil {
		for i, k := range ks {
			if vs[i], err = r.Get(s, k); err != nil {
				return err
			}
		}
		return nil
	}
	defer r.caught(&err)
	if r.damaged != nil {
		return r.damaged
	}
	clear(vs[:])
	top, there := r.top(s)
	var at [together]node
	left := 0 // to look for on the pages
	for i, k := range ks {
		if it, over := r.over.get(s, k); !over && there && len(k) > 0 {
			at[i] = top
			left++
		} else if over && !it.gone {
			vs[i] = it.value()
		}
	}
	var g goal
	for depth := 0; left > 0; depth++ {
		var next [together]uint64 // 0: it has arrived
		for i, k := range ks {
			p := &at[i]
			if p.data == nil {
				continue
			}
			g.key = k
			exact := g.choose(p, depth)
			if !p.leaf {
				next[i] = p.child(p.i)
				continue
			}
			if vs[i] = nil; exact {
				_, vs[i] = p.entry(p.i)
			}
			p.data = nil
			left--
		}
		for i, id := range next {
			if id != 0 {
				at[i] = r.pages.node(id)
			}
		}
	}
	return nil
}
