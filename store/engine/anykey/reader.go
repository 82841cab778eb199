package anykey

import (
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// reader reads a snapshot.
type reader struct {
	engine.Reader // the engine's
	*layout
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
	return engine.Each(r.Cursor(s, rg), fn)
}
