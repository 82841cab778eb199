package bolt_test

import (
	"context"
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
	"github.com/tododb/tododb/store/widetest"
)

// folder is a folder of databases, and what should be in it.
type folder struct {
	t      *testing.T
	random *rand.Rand
	dir    string
	e      *bolt.Engine
	want   map[string]map[string]string
	open   map[string]engine.DB
	trail  []string          // what was done
	bad    map[string][]byte // damaged files as they were before
	keeps  bool
	direct bool
	kept   map[string]keptDB // one dropped database of a name
}

// keptDB is a dropped database whose file is kept.
type keptDB struct {
	file string
	has  map[string]string
}

// neverFlush leaves it to the test when databases come to their files.
var neverFlush = bolt.Options{NoSync: true, FlushAfter: time.Hour, DirectBytes: 2000, SegmentBytes: 8 << 10}

func (f *folder) start() {
	f.t.Helper()
	opt := neverFlush
	opt.Kept = func() bool { return f.keeps }
	opt.Direct = f.direct
	e, err := bolt.Open(f.dir, opt)
	if err != nil {
		f.fatal(err)
	}
	f.e, f.open = e, map[string]engine.DB{}
}

func (f *folder) fatal(what any) {
	f.t.Helper()
	for _, did := range f.trail {
		f.t.Log(did)
	}
	f.t.Fatal(what)
}

func (f *folder) did(format string, args ...any) {
	f.trail = append(f.trail, fmt.Sprintf(format, args...))
}

// kill leaves the folder as it is now, and goes on with a copy of it.
func (f *folder) kill() { f.killed(func(string) error { return nil }) }

// killed has something done before the start.
func (f *folder) killed(do func(dir string) error) {
	next := killedCopy(f.t, f.dir)
	if err := do(next); err != nil {
		f.fatal(err)
	}
	f.shut()
	if err := os.RemoveAll(f.dir); err != nil {
		f.fatal(err)
	}
	f.dir = next
	f.start()
}

func (f *folder) shut() {
	for _, db := range f.open {
		if err := db.Close(); err != nil {
			f.fatal(err)
		}
	}
	if err := f.e.Close(); err != nil {
		f.fatal(err)
	}
}

func (f *folder) db(name string) engine.DB {
	db := f.open[name]
	if db == nil {
		var err error
		if db, err = f.e.Open(f.t.Context(), name); err != nil {
			f.fatal(fmt.Errorf("open %s: %w", name, err))
		}
		f.open[name] = db
	}
	return db
}

// check compares everything that there is with what there should be.
func (f *folder) check() {
	f.t.Helper()
	names, err := f.e.List(f.t.Context(), "", -1)
	if want := slices.Sorted(maps.Keys(f.want)); err != nil || !slices.Equal(names, want) {
		f.fatal(fmt.Errorf("there are %q, %v, want %q", names, err, want))
	}
	for _, name := range names {
		if f.bad[name] != nil {
			if _, err := f.e.Open(f.t.Context(), name); !errors.Is(err, engine.ErrForeign) {
				f.fatal(fmt.Errorf("bad %s: %v", name, err))
			}
			continue
		}
		if got := contents(f.t, f.db(name)); !maps.Equal(got, f.want[name]) {
			f.fatal(fmt.Errorf("%s has %d entries that are not the %d there should be: %.200v, want %.200v", name, len(got), len(f.want[name]), got, f.want[name]))
		}
		if _, err := f.e.Stat(f.t.Context(), name); err != nil {
			f.fatal(err)
		}
	}
}

// write changes a database, in one transaction of some size.
func (f *folder) write(db engine.DB, model map[string]string, n int) error {
	return db.Update(f.t.Context(), func(tx engine.Tx) error {
		for range n {
			k := fmt.Sprintf("%02d", f.random.IntN(60))
			var err error
			switch f.random.IntN(10) {
			case 0:
				to := fmt.Sprintf("%02d", f.random.IntN(60))
				maps.DeleteFunc(model, func(has, _ string) bool { return has >= k && has < to })
				err = tx.DeleteRange(space, []byte(k), []byte(to))
			case 1, 2:
				delete(model, k)
				err = tx.Delete(space, []byte(k))
			default:
				model[k] = fmt.Sprint(f.random.IntN(1000))
				err = tx.Put(space, []byte(k), []byte(model[k]))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *folder) step() {
	ctx := f.t.Context()
	name := fmt.Sprintf("db%d", f.random.IntN(5))
	model, there := f.want[name]
	path := filepath.Join(f.dir, name+".bolt")
	if f.odd(name, there, path) {
		return
	}
	switch p := f.random.IntN(100); {
	case !there && p < 60:
		f.did("create %s", name)
		db, err := f.e.Create(ctx, name, engine.Entry{SpaceKey: engine.SpaceKey{Space: space, Key: []byte("id")}, Value: []byte(name)})
		if err != nil {
			f.fatal(err)
		}
		f.want[name], f.open[name] = map[string]string{"id": name}, db
	case p < 10: // a database is made aside, and takes the place of this one
		f.did("replace %s", name)
		a, err := f.e.Aside(ctx, name)
		if err != nil {
			f.fatal(err)
		}
		model := map[string]string{}
		if err := errors.Join(f.write(a, model, 5), a.Replace(ctx)); err != nil {
			f.fatal(err)
		}
		if db := f.open[name]; db != nil {
			if err := db.Close(); err != nil {
				f.fatal(err)
			}
			delete(f.open, name)
		}
		f.want[name] = model
	case p < 18:
		f.did("kill")
		f.kill()
		f.check()
	case p < 21:
		f.did("stop and start")
		f.shut()
		f.start()
		f.check()
	case !there:
	case p < 30:
		f.did("drop %s", name)
		if err := f.e.Drop(ctx, name); err != nil {
			f.fatal(err)
		}
		if db := f.open[name]; db != nil {
			if err := db.Close(); err != nil {
				f.fatal(err)
			}
			delete(f.open, name)
		}
		delete(f.want, name)
	case p < 40:
		f.did("flush %s", name)
		if err := f.e.FlushOne(name); err != nil {
			f.fatal(err)
		}
	case p < 44:
		f.did("compact %s", name)
		if err := f.db(name).(engine.Compacter).Compact(ctx); err != nil {
			f.fatal(err)
		}
	case p < 48:
		f.did("close %s", name)
		if db := f.open[name]; db != nil {
			if err := db.Close(); err != nil {
				f.fatal(err)
			}
			delete(f.open, name)
		}
	case p < 56:
		f.did("write much to %s", name)
		if err := f.write(f.db(name), model, 40); err != nil {
			f.fatal(err)
		}
	case p < 59: // an older copy of the file is put back while nothing runs
		if err := f.e.FlushOne(name); err != nil {
			f.fatal(err)
		}
		image, err := os.ReadFile(path)
		if err != nil {
			f.fatal(err)
		}
		states := []map[string]string{maps.Clone(model)}
		for range f.random.IntN(4) {
			if err := f.write(f.db(name), model, 1+f.random.IntN(40)); err != nil {
				f.fatal(err)
			}
			states = append(states, maps.Clone(model))
		}
		f.did("put back %s", name)
		if f.random.IntN(2) == 0 {
			f.shut()
			if len(f.bad) == 0 {
				states = states[:1] // who has put back what an orderly stop left gets that
			}
			if err := os.WriteFile(path, image, 0o600); err != nil {
				f.fatal(err)
			}
			f.start()
		} else { // after a kill, the journal may go on from it, to one of the states that there were
			f.killed(func(dir string) error { return os.WriteFile(filepath.Join(dir, name+".bolt"), image, 0o600) })
		}
		got := contents(f.t, f.db(name))
		i := slices.IndexFunc(states, func(m map[string]string) bool { return maps.Equal(m, got) })
		if i < 0 {
			f.fatal(fmt.Errorf("of %d states that %s has had it is in none: %v of %v", len(states), name, got, states))
		}
		f.want[name] = states[i]
		f.check()
	default:
		f.did("write to %s", name)
		if err := f.write(f.db(name), model, 1+f.random.IntN(3)); err != nil {
			f.fatal(err)
		}
	}
}

// Whatever is done with some databases of a folder, and whenever the process is killed: they are there, with
// what was written, and those that are gone are gone.
func TestManyDatabasesKilled(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	seed := uint64(time.Now().UnixNano())
	for round := range rounds {
		t.Run(fmt.Sprint(seed, round), func(t *testing.T) {
			f := &folder{t: t, random: rand.New(rand.NewPCG(seed, uint64(round))), dir: t.TempDir(), want: map[string]map[string]string{}, bad: map[string][]byte{}, kept: map[string]keptDB{}}
			f.start()
			for range 300 {
				f.step()
			}
			f.check()
			for name := range f.want {
				if f.bad[name] != nil {
					continue
				}
				db := f.db(name).(engine.Checker)
				if err := db.CheckStorage(context.WithoutCancel(t.Context()), func(p string) { t.Errorf("%s: %s", name, p) }); err != nil {
					t.Error(err)
				}
			}
			f.shut()
		})
	}
}

// odd does what is seldom done. It reports whether there was something to do.
func (f *folder) odd(name string, there bool, path string) bool {
	ctx := f.t.Context()
	if image := f.bad[name]; image != nil {
		switch f.random.IntN(7) {
		case 0:
			f.did("repair %s while running", name)
			if err := errors.Join(os.Remove(path), os.WriteFile(path, image, 0o600)); err != nil {
				f.fatal(err)
			}
			delete(f.bad, name)
			f.check()
		case 1:
			f.did("repair %s at a kill", name)
			delete(f.bad, name)
			f.killed(func(dir string) error {
				p := filepath.Join(dir, name+".bolt")
				return errors.Join(os.Remove(p), os.WriteFile(p, image, 0o600))
			})
			f.check()
		case 2:
			if f.keeps {
				break
			}
			f.did("drop bad %s", name)
			if err := f.e.Drop(ctx, name); err != nil {
				f.fatal(err)
			}
			delete(f.bad, name)
			delete(f.want, name)
			f.check()
		case 3:
			f.did("kill with bad %s", name)
			f.kill()
			f.check()
		default:
			f.did("set apart")
			f.e.SetBrokenApart()
		}
		return true
	}
	switch p := f.random.IntN(100); {
	case p < 4:
		f.keeps = !f.keeps
		f.did("keeps %v", f.keeps)
	case p < 7 && len(f.bad) == 0:
		f.direct = !f.direct
		f.did("direct %v, stop and start", f.direct)
		f.shut()
		f.start()
		f.check()
	case p < 9 && len(f.bad) == 0:
		f.direct = !f.direct
		f.did("direct %v, kill", f.direct)
		f.kill()
		f.check()
	case p < 15 && there && !f.direct:
		_, err := os.Stat(path)
		virtual := os.IsNotExist(err)
		f.db(name)
		f.did("flush unnamed %s, virtual %v", name, virtual)
		if err := f.e.FlushUnnamed(name); err != nil {
			f.fatal(err)
		}
		for range f.random.IntN(3) {
			if err := f.write(f.db(name), f.want[name], 2); err != nil {
				f.fatal(err)
			}
		}
		if f.random.IntN(2) == 0 {
			f.did("power cut")
			f.killed(func(dir string) error {
				if virtual {
					return os.Remove(filepath.Join(dir, name+".bolt"))
				}
				return nil
			})
			f.check()
		}
	case p < 22 && there && !f.direct:
		if _, err := os.Stat(path); err != nil {
			return true
		}
		f.did("damage %s", name)
		f.killed(func(dir string) error {
			p := filepath.Join(dir, name+".bolt")
			image, err := os.ReadFile(p)
			f.bad[name] = image
			return errors.Join(err, os.WriteFile(p, make([]byte, len(image)), 0o600))
		})
		f.check()
	case p < 30 && there && f.keeps:
		if _, old := f.kept[name]; old {
			return false
		}
		f.did("drop %s, which is kept", name)
		if err := f.e.Drop(ctx, name); err != nil {
			f.fatal(err)
		}
		if db := f.open[name]; db != nil {
			if err := db.Close(); err != nil {
				f.fatal(err)
			}
			delete(f.open, name)
		}
		paths, _ := filepath.Glob(filepath.Join(f.dir, name+".*"+bolt.KeptSuffix))
		if len(paths) == 1 {
			f.kept[name] = keptDB{filepath.Base(paths[0]), f.want[name]}
		} else {
			for _, p := range paths {
				if err := os.Remove(p); err != nil {
					f.fatal(err)
				}
			}
		}
		delete(f.want, name)
		f.check()
	case p < 40 && !there:
		k, is := f.kept[name]
		if !is {
			return false
		}
		back := func(dir string) error {
			p := filepath.Join(dir, name+".bolt")
			err := os.Rename(filepath.Join(dir, k.file), p)
			if e := os.Rename(filepath.Join(dir, k.file+bolt.AheadSuffix), p+bolt.AheadSuffix); e != nil && !os.IsNotExist(e) {
				err = e
			}
			return err
		}
		delete(f.kept, name)
		f.want[name] = k.has
		if f.random.IntN(2) == 0 {
			f.did("put back %s kept", name)
			if err := back(f.dir); err != nil {
				f.fatal(err)
			}
		} else {
			f.did("put back %s kept at a kill", name)
			f.killed(back)
		}
		f.check()
	default:
		return false
	}
	return true
}
