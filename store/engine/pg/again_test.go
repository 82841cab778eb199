package pg_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// A connection breaks in the middle of the first answer, and meanwhile what it told of goes. The reader begins again, and sees
// one state of the database, not two.
func TestBrokenAnswerCountsForNothing(t *testing.T) {
	to := pgtest.URL(t)
	p := newProxy(t, pgtest.Shared(t).Port)
	e := pgtest.Open(t, pg.Options{URL: p.through(t, to)})
	db := create(t, e, "db")
	direct := open(t, pgtest.Open(t, pg.Options{URL: to}), "db")
	const each = 200 << 10
	spaces := []engine.Space{20, 21, 22, 23}
	var keys []engine.SpaceKey
	var names [][]byte
	for i := range 4 {
		names = append(names, fmt.Append(nil, "k", i))
		keys = append(keys, engine.SpaceKey{Space: 20, Key: names[i]})
	}
	for what, look := range map[string]func(engine.Reader) (seen int, err error){
		"GetMulti": func(r engine.Reader) (seen int, err error) {
			err = r.GetMulti(20, names, func(_ int, v []byte) error {
				seen += min(len(v), 1)
				return nil
			})
			return seen, err
		},
		"Fetch of keys": func(r engine.Reader) (seen int, err error) {
			err = r.(engine.Fetcher).Fetch(keys, nil)
			for _, k := range keys {
				v, e := r.Get(k.Space, k.Key)
				seen, err = seen+min(len(v), 1), errors.Join(err, e)
			}
			return seen, err
		},
		"Fetch of spaces": func(r engine.Reader) (seen int, err error) {
			err = r.(engine.Fetcher).Fetch(nil, spaces)
			for _, s := range spaces {
				_, v, e := r.Last(s)
				seen, err = seen+min(len(v), 1), errors.Join(err, e)
			}
			return seen, err
		},
	} {
		err := direct.Update(t.Context(), func(tx engine.Tx) error {
			for i, k := range keys {
				v := bytes.Repeat([]byte{byte(i)}, each)
				if err := errors.Join(tx.Put(k.Space, k.Key, v), tx.Put(spaces[i], []byte("l"), v)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var broken atomic.Bool
		p.breakAfter(2*each+each/2, func() {
			broken.Store(true)
			err := direct.Update(t.Context(), func(tx engine.Tx) error {
				for _, s := range spaces {
					if err := tx.DeleteRange(s, nil, nil); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		seen := -1
		err = db.View(t.Context(), func(r engine.Reader) (err error) {
			seen, err = look(r)
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !broken.Load() {
			t.Fatalf("%s: the answer was whole", what)
		}
		if seen != 0 {
			t.Errorf("%s: of what is gone %d entries are seen", what, seen)
		}
	}
}
