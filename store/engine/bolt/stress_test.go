package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// versions are what a database held after each of its last transactions: by key the seed
// and the length of its value.
type versions struct {
	mu   sync.Mutex
	kept map[uint64]map[string][2]uint32
	last uint64
}

func (v *versions) add(m map[string][2]uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last++
	v.kept[v.last] = m
	delete(v.kept, v.last-200)
}

func (v *versions) at(n uint64) map[string][2]uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept[n]
}

func valueOf(is [2]uint32) []byte {
	out := make([]byte, is[1])
	for i := 0; i < len(out); i += 64 {
		out[i] = byte(is[0]) + byte(i>>6)
	}
	return out
}

const versionSpace = space + 1

// same compares a range, both ways, and some entries with what there should be.
func same(r engine.Reader, want map[string][2]uint32, random *rand.Rand) error {
	keys := slices.Sorted(maps.Keys(want))
	some := func() []byte {
		if len(keys) == 0 || random.IntN(5) == 0 {
			return stressKey(random)
		}
		return []byte(keys[random.IntN(len(keys))])
	}
	for range 20 {
		k := some()
		got, err := r.Get(space, k)
		is, ok := want[string(k)]
		if err != nil || ok != (got != nil) || ok && !bytes.Equal(got, valueOf(is)) {
			return fmt.Errorf("get %.20x of %d: %d bytes, want %v (%v), %v", k, len(k), len(got), is, ok, err)
		}
	}
	rg := engine.Range{Reverse: random.IntN(2) == 0}
	if random.IntN(3) > 0 {
		rg.From = some()
	}
	if random.IntN(3) > 0 {
		rg.To = some()
	}
	inside := slices.DeleteFunc(slices.Clone(keys), func(k string) bool {
		return rg.From != nil && k < string(rg.From) || rg.To != nil && k >= string(rg.To)
	})
	if rg.Reverse {
		slices.Reverse(inside)
	}
	i := 0
	err := r.Scan(space, rg, func(k, v []byte) (bool, error) {
		if i == len(inside) || string(k) != inside[i] || !bytes.Equal(v, valueOf(want[string(k)])) {
			return false, fmt.Errorf("scan of %v: entry %d of %d is %.20x, %d bytes, want %.20x, %d bytes", rg.Reverse, i, len(inside), k, len(v), inside[min(i, len(inside)-1)], want[string(k)][1])
		}
		i++
		return true, nil
	})
	if err == nil && i != len(inside) {
		err = fmt.Errorf("scan of %v: %d entries of %d", rg.Reverse, i, len(inside))
	}
	last, _, lerr := r.Last(space)
	if lerr == nil && (len(keys) == 0) != (last == nil) || len(keys) > 0 && string(last) != keys[len(keys)-1] {
		lerr = fmt.Errorf("last is %.20x", last)
	}
	return errors.Join(err, lerr)
}

func stressKey(random *rand.Rand) []byte {
	k := fmt.Appendf(nil, "%03d", random.IntN(1000))
	switch random.IntN(12) {
	case 0:
		k = append(k, bytes.Repeat([]byte("m"), random.IntN(3000))...)
	case 1:
		if random.IntN(4) == 0 {
			k = append(k, bytes.Repeat([]byte("l"), 30000-len(k)-random.IntN(3))...)
		}
	}
	return k
}

func stressSize(random *rand.Rand) uint32 {
	switch random.IntN(40) {
	case 0:
		return 1 << random.IntN(21)
	case 1, 2, 3:
		return random.Uint32N(20_000)
	}
	return random.Uint32N(400)
}

// Whatever is written, of whatever sizes, in one transaction or in many, beside readers,
// compactions and between openings: each reader sees what one transaction has left, a
// writer what it has written itself, and the pages stay sound.
func TestEverySizeBesideReaders(t *testing.T) {
	for name, opt := range map[string]bolt.Options{
		"":         {},
		"gathered": {Scattered: space, GatherFrom: 1, GatherBytes: 30_000, GatherAfter: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt.NoSync, opt.AppendOnly = true, []engine.Space{versionSpace}
			everySizeBesideReaders(t, opt)
		})
	}
}

func everySizeBesideReaders(t *testing.T, opt bolt.Options) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(3, seed))
	e := open(t, t.TempDir(), opt)
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	seen := versions{kept: map[uint64]map[string][2]uint32{0: {}}}
	rounds := 1500
	if testing.Short() {
		rounds = 150
	}
	const session = 100 // transactions between openings
	for round := 0; round < rounds && !t.Failed(); {
		stop := make(chan struct{})
		var readers sync.WaitGroup
		for i := range 3 {
			mine := rand.New(rand.NewPCG(uint64(i), random.Uint64()))
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					err := db.View(t.Context(), func(r engine.Reader) error {
						n, err := r.Get(versionSpace, []byte("n"))
						if err != nil || n == nil {
							return err
						}
						want := seen.at(binary.BigEndian.Uint64(n))
						for range 1 + mine.IntN(3) {
							if want == nil { // not known yet, or too old
								return nil
							}
							if err := same(r, want, mine); err != nil {
								return fmt.Errorf("version %d: %w", binary.BigEndian.Uint64(n), err)
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range session {
			round++
			next := maps.Clone(seen.at(seen.last))
			abort := errors.New("rolled back")
			err := db.Update(t.Context(), func(tx engine.Tx) error {
				if err := stressWrites(tx, next, random); err != nil {
					return err
				}
				if random.IntN(10) == 0 {
					return abort
				}
				return tx.Put(versionSpace, []byte("n"), binary.BigEndian.AppendUint64(nil, seen.last+1))
			})
			if err != nil && err != abort {
				t.Errorf("round %d: %v", round, err)
				break
			}
			if err == nil {
				seen.add(next)
			}
			if random.IntN(session/2) == 0 {
				if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
					t.Errorf("round %d: compaction: %v", round, err)
				}
			}
		}
		close(stop)
		readers.Wait()
		err := errors.Join(db.(engine.Checker).CheckStorage(t.Context(), func(p string) { t.Errorf("round %d: %s", round, p) }), db.Close())
		if err != nil {
			t.Fatal(err)
		}
		if db, err = e.Open(t.Context(), "db"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		err = db.View(t.Context(), func(r engine.Reader) error { return same(r, seen.at(seen.last), random) })
		if err != nil {
			t.Errorf("round %d, opened again: %v", round, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// stressWrites writes this and that, also to the model.
func stressWrites(tx engine.Tx, model map[string][2]uint32, random *rand.Rand) error {
	n := 1 + random.IntN(8)
	if random.IntN(10) == 0 {
		n = 400
	}
	for range n {
		var err error
		switch p := random.IntN(100); {
		case p < 60 && len(model) < 2500:
			k, is := stressKey(random), [2]uint32{random.Uint32(), stressSize(random)}
			if n == 400 {
				is[1] = min(is[1], 3000)
			}
			model[string(k)] = is
			err = tx.Put(space, k, valueOf(is))
		case p < 95:
			k := stressKey(random)
			delete(model, string(k))
			err = tx.Delete(space, k)
		case p < 97:
			from, to := stressKey(random)[:2+random.IntN(2)], stressKey(random)
			if random.IntN(30) == 0 {
				from, to = nil, nil
			}
			maps.DeleteFunc(model, func(k string, _ [2]uint32) bool {
				return k >= string(from) && (to == nil || k < string(to))
			})
			err = tx.DeleteRange(space, from, to)
		default:
			if n < 400 || random.IntN(10) == 0 {
				err = same(tx, model, random)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
