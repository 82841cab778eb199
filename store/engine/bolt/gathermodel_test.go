package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// gatherModel does at random all that can be done to a database that gathers, and compares it with a map.
type gatherModel struct {
	t      *testing.T
	random *rand.Rand
	opt    bolt.Options
	dir    string
	e      *bolt.Engine
	db     engine.DB
	is     map[string]string
	held   []*heldSnapshot
	n      int // steps

	gathered, images, failed int
}

// heldSnapshot is a transaction that stays open.
type heldSnapshot struct {
	is    map[string]string
	look  chan uint64
	seen  chan error
	since int
}

// Whatever is done, what is gathered and the pages together are what was committed: for readers and writers, for snapshots
// that were there before, after a commit that has failed or of which nobody knows, after an end, and after a power cut.
func TestGatheredModel(t *testing.T) {
	steps, seeds := 1500, 2
	if testing.Short() {
		steps, seeds = 200, 1
	}
	for name, opt := range map[string]bolt.Options{
		"directly": {Direct: true, GatherBytes: 12_000},
		"few":      {Direct: true, GatherBytes: 3_000, GatherAll: 2_000},
		"journal":  {DirectBytes: 4000, GatherBytes: 20_000, FlushBytes: 20_000, FlushAfter: time.Hour},
	} {
		for range seeds {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				seed := uint64(time.Now().UnixNano())
				t.Logf("seed %d", seed)
				opt.NoSync, opt.Scattered, opt.GatherFrom, opt.GatherAfter = true, space, 1, time.Hour
				m := gatherModel{t: t, random: rand.New(rand.NewPCG(seed, 0)), opt: opt, dir: t.TempDir(), is: map[string]string{}}
				m.start()
				var err error
				if m.db, err = m.e.Create(t.Context(), "db"); err != nil {
					t.Fatal(err)
				}
				for m.n = range steps {
					m.step()
					if t.Failed() {
						t.Fatalf("step %d", m.n)
					}
				}
				m.release(0)
				if err := errors.Join(m.db.Close(), m.e.Close()); err != nil {
					t.Error(err)
				}
				t.Logf("%d entries; something was gathered at %d of %d steps; %d images, %d commits have failed", len(m.is), m.gathered, steps, m.images, m.failed)
				if m.gathered < steps/3 {
					t.Errorf("something was gathered at only %d of %d steps: this proves little", m.gathered, steps)
				}
			})
		}
	}
}

func (m *gatherModel) start() {
	var err error
	if m.e, err = bolt.Open(m.dir, m.opt); err != nil {
		m.t.Fatal(err)
	}
}

func (m *gatherModel) reopen() {
	m.release(0)
	if err := m.db.Close(); err != nil {
		m.t.Fatal(err)
	}
	if m.random.IntN(2) == 0 {
		if err := m.e.Close(); err != nil {
			m.t.Fatal(err)
		}
		m.start()
	}
	var err error
	if m.db, err = m.e.Open(m.t.Context(), "db"); err != nil {
		m.t.Fatal(err)
	}
}

func (m *gatherModel) key() string {
	switch m.random.IntN(30) {
	case 0:
		return fmt.Sprintf("%04d", m.random.IntN(3000)) + string(bytes.Repeat([]byte("k"), 1+m.random.IntN(1500)))
	case 1, 2, 3, 4: // some are close together
		return fmt.Sprintf("%04d", 1000+m.random.IntN(60))
	}
	return fmt.Sprintf("%04d", m.random.IntN(3000))
}

// change writes at random, also to a model, and looks at what it has written.
func (m *gatherModel) change(tx engine.Tx, is map[string]string) error {
	n := 1 + m.random.IntN(50)
	if m.random.IntN(15) == 0 {
		n = 300
	}
	for range n {
		k := m.key()
		switch p := m.random.IntN(100); {
		case p < 55 || p < 62 && len(is) < 1000:
			is[k] = string(bytes.Repeat([]byte{byte('a' + m.random.IntN(26))}, m.random.IntN(200)))
			if m.random.IntN(400) == 0 {
				is[k] += string(make([]byte, 30_000))
			}
			if err := tx.Put(space, []byte(k), []byte(is[k])); err != nil {
				return err
			}
		case p < 68:
			_, there := is[k]
			err := tx.Insert(space, []byte(k), []byte("inserted"))
			if there != errors.Is(err, engine.ErrDuplicate) || !there && err != nil {
				return fmt.Errorf("insert of %.10q, there: %v: %w", k, there, err)
			}
			if !there {
				is[k] = "inserted"
			}
		case p < 97:
			delete(is, k)
			if err := tx.Delete(space, []byte(k)); err != nil {
				return err
			}
		case p == 97:
			to := fmt.Sprintf("%.4s", k)[:3] + "9"
			if m.random.IntN(40) == 0 {
				k, to = "", "9"
			}
			maps.DeleteFunc(is, func(have, _ string) bool { return have >= k && have < to })
			if err := tx.DeleteRange(space, []byte(k), []byte(to)); err != nil {
				return err
			}
		case p == 98:
			if err := sameAs(tx, is, m.random.Uint64()); err != nil {
				return fmt.Errorf("its own writes: %w", err)
			}
		}
	}
	return tx.Put(space+1, fmt.Append(nil, m.random.IntN(50)), []byte("beside"))
}

// sameAs compares all that a reader can see.
func sameAs(r engine.Reader, want map[string]string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 1))
	keys := slices.Sorted(maps.Keys(want))
	rg := engine.Range{Reverse: random.IntN(2) == 0}
	if random.IntN(3) == 0 {
		rg.From = fmt.Appendf(nil, "%04d", random.IntN(3000))
	}
	if random.IntN(3) == 0 {
		rg.To = fmt.Appendf(nil, "%04d", random.IntN(3000))
	}
	inside := slices.DeleteFunc(slices.Clone(keys), func(k string) bool {
		return rg.From != nil && k < string(rg.From) || rg.To != nil && k >= string(rg.To)
	})
	if rg.Reverse {
		slices.Reverse(inside)
	}
	if random.IntN(3) == 0 {
		rg.Limit = 1 + random.IntN(200)
		inside = inside[:min(len(inside), rg.Limit)]
	}
	i := 0
	err := r.Scan(space, rg, func(k, v []byte) (bool, error) {
		if i == len(inside) || string(k) != inside[i] || string(v) != want[inside[i]] {
			return false, fmt.Errorf("entry %d of %d is %.10q with %d bytes, which should have %d", i, len(inside), k, len(v), len(want[string(k)]))
		}
		i++
		return true, nil
	})
	if err == nil && i != len(inside) {
		err = fmt.Errorf("%d entries of %d", i, len(inside))
	}
	last, v, lerr := r.Last(space)
	if lerr == nil && (len(keys) == 0) != (last == nil) || len(keys) > 0 && (string(last) != keys[len(keys)-1] || string(v) != want[string(last)]) {
		lerr = fmt.Errorf("last is %.10q", last)
	}
	var some [][]byte
	for range 40 {
		some = append(some, fmt.Appendf(nil, "%04d", random.IntN(3000)))
	}
	check := func(i int, v []byte) error {
		if w, there := want[string(some[i])]; there != (v != nil) || string(v) != w {
			return fmt.Errorf("%s has %.10q, and %.10q should be (%v)", some[i], v, w, there)
		}
		return nil
	}
	merr := r.GetMulti(space, some, check)
	for i, k := range some {
		v, gerr := r.Get(space, k)
		err = errors.Join(err, gerr, check(i, v))
	}
	return errors.Join(err, lerr, merr)
}

func (m *gatherModel) same(when string) {
	m.t.Helper()
	seed := m.random.Uint64()
	if err := m.db.View(m.t.Context(), func(r engine.Reader) error { return sameAs(r, m.is, seed) }); err != nil {
		m.t.Fatalf("step %d, %s: %v", m.n, when, err)
	}
}

// hold begins a snapshot, which stays.
func (m *gatherModel) hold() {
	s := &heldSnapshot{is: maps.Clone(m.is), look: make(chan uint64), seen: make(chan error), since: m.n}
	go func() {
		s.seen <- m.db.View(m.t.Context(), func(r engine.Reader) error {
			for seed := range s.look {
				s.seen <- sameAs(r, s.is, seed)
			}
			return nil
		})
	}()
	m.held = append(m.held, s)
	m.lookAt(s) // it has begun
}

func (m *gatherModel) lookAt(s *heldSnapshot) {
	s.look <- m.random.Uint64()
	if err := <-s.seen; err != nil {
		m.t.Errorf("step %d: a snapshot of step %d: %v", m.n, s.since, err)
	}
}

// release ends the oldest snapshots.
func (m *gatherModel) release(left int) {
	for len(m.held) > left {
		s := m.held[0]
		m.lookAt(s)
		close(s.look)
		if err := <-s.seen; err != nil {
			m.t.Error(err)
		}
		m.held = m.held[1:]
	}
}

func (m *gatherModel) file() []byte {
	b, err := os.ReadFile(filepath.Join(m.dir, "db.bolt"))
	if err != nil {
		m.t.Fatal(err)
	}
	return b
}

func (m *gatherModel) step() {
	t, direct := m.t, m.opt.Direct
	if m.e.Figures().Gathered > 0 {
		m.gathered++
	}
	abort := errors.New("rolled back")
	switch p := m.random.IntN(100); {
	case p < 60:
		cuts := direct && m.random.IntN(4) == 0
		var before []byte
		if cuts {
			before = m.file()
		}
		next := maps.Clone(m.is)
		abandoned := m.random.IntN(10) == 0
		err := m.db.Update(t.Context(), func(tx engine.Tx) error {
			if err := m.change(tx, next); err != nil || !abandoned {
				return err
			}
			return abort
		})
		if abandoned && err == abort {
			break
		}
		if err != nil {
			t.Fatalf("step %d: %v", m.n, err)
		}
		if cuts {
			m.cut(before, m.file(), m.is, next)
		}
		m.is = next
	case p < 66:
		m.hold()
		m.release(3)
	case p < 72:
		for _, s := range m.held {
			m.lookAt(s)
		}
	case p < 77:
		m.reopen()
	case p < 80:
		m.release(1) // the first of several to end would wait for the others
		if err := m.db.(engine.Compacter).Compact(t.Context()); err != nil && !errors.Is(err, bolt.ErrBusy) {
			t.Fatalf("step %d: %v", m.n, err)
		}
	case p < 84:
		// What became of a commit may not be known yet: then nothing goes to the file before the next one.
		if err := m.e.DrainSome("db"); err != nil && !errors.Is(err, bolt.ErrBusy) {
			t.Fatalf("step %d: %v", m.n, err)
		}
	case p < 88 && direct: // a commit of which nobody knows
		next := maps.Clone(m.is)
		change := func() {
			if err := m.db.Update(t.Context(), func(tx engine.Tx) error { return m.change(tx, next) }); err != nil {
				t.Fatal(err)
			}
		}
		if m.random.IntN(2) == 0 {
			change, next = nil, m.is
		}
		if err := m.e.GatherUnknown("db", change); err != nil {
			t.Fatal(err)
		}
		m.is = next
		for range m.random.IntN(3) {
			m.same("unknown")
		}
	case p < 92: // one that fails
		m.e.FailGrowing(true)
		next := maps.Clone(m.is)
		err := m.db.Update(t.Context(), func(tx engine.Tx) error {
			if err := m.change(tx, next); err != nil {
				return err
			}
			return tx.Put(space+2, []byte("large"), make([]byte, 1<<16+m.random.IntN(1<<18)))
		})
		m.became(err, next)
		m.e.FailGrowing(false)
	case p < 94 && !direct:
		if m.random.IntN(2) == 0 {
			if err := m.e.FlushOne("db"); err != nil && !errors.Is(err, bolt.ErrBusy) {
				t.Fatal(err)
			}
		}
		m.copied()
	case p == 94 && m.random.IntN(10) == 0:
		m.release(0)
		if err := errors.Join(m.db.Close(), m.e.Drop(t.Context(), "db")); err != nil {
			t.Fatal(err)
		}
		var err error
		if m.db, err = m.e.Create(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		m.is = map[string]string{}
	}
	m.same("after it")
}

// became is told what became of a commit that may have failed.
func (m *gatherModel) became(err error, next map[string]string) {
	m.t.Helper()
	if err == nil {
		m.is = next
	} else if m.failed++; !errors.Is(err, engine.ErrUnknown) && !errors.Is(err, engine.ErrFull) {
		m.t.Fatalf("step %d: %v", m.n, err)
	}
	m.same("a commit failed")
}

// cut opens what a power cut would have left of a commit, and goes on with that.
func (m *gatherModel) cut(before, after []byte, was, is map[string]string) {
	cuts := []cut{{some, none, pageSize}, {some, none, sectorSize}, {all, none, pageSize}, {all, some, sectorSize}, {all, all, pageSize}}
	disk := cuts[m.random.IntN(len(cuts))].image(m.random, before, after)
	want := was
	if bytes.Equal(disk[:metaSize], after[:metaSize]) {
		want = is
	}
	dir := m.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "db.bolt"), disk, 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.goOn(dir, want)
}

// copied goes on with a copy of the folder: it is what a kill would leave.
func (m *gatherModel) copied() {
	dir := m.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	m.goOn(dir, m.is)
}

// goOn works on with another copy for a while.
func (m *gatherModel) goOn(dir string, is map[string]string) {
	m.images++
	o := gatherModel{t: m.t, random: m.random, opt: m.opt, dir: dir, is: maps.Clone(is), n: m.n}
	o.start()
	var err error
	if o.db, err = o.e.Open(m.t.Context(), "db"); err != nil {
		m.t.Fatalf("step %d: an image: %v", m.n, err)
	}
	o.same("an image")
	for range 3 {
		if err := o.db.Update(m.t.Context(), func(tx engine.Tx) error { return o.change(tx, o.is) }); err != nil {
			m.t.Fatalf("step %d: an image: %v", m.n, err)
		}
		o.same("an image, with more")
	}
	o.reopen()
	o.same("an image, opened again")
	err = o.db.(engine.Checker).CheckStorage(m.t.Context(), func(problem string) { m.t.Errorf("step %d: an image: %s", m.n, problem) })
	if err = errors.Join(err, o.db.Close(), o.e.Close(), os.RemoveAll(dir)); err != nil {
		m.t.Error(err)
	}
}
