// Package enginetest holds the tests that every engine passes.
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/engine"
)

const space engine.Space = 3

// patience is how long something is waited for that comes at once, if a machine is not busy.
const patience = time.Minute

// Run tests engines; each call of open gives an empty one, which it closes itself.
func Run(t *testing.T, open func(testing.TB) engine.Engine) {
	for name, test := range map[string]func(*testing.T, engine.Engine){
		"names": names, "order and ranges": ranges, "own writes": ownWrites, "rollback": rollback,
		"insert": insert, "snapshots": snapshots, "one writer": oneWriter, "drop": drop, "sub": sub,
		"stage": stage, "watch": watch, "limits": limits, "model": model,
		"handles": handles, "closed": closed, "drop while it is read": dropOpen, "list": list,
		"create once": createOnce, "spaces": spaces, "empty values": empty, "large values": large,
		"copies": copies, "deleted ranges": deletedRanges, "ranges like a model": rangeModel, "reads stop": stops,
		"first entries": firstEntries, "aside": asides, "aside replaces": asideReplaces,
		"stamps": stamps, "watch a drop": watchDrop, "newest": newest,
		"hold": hold, "hold beside writers": holdBeside,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func create(t testing.TB, e engine.Engine, name string) engine.DB {
	t.Helper()
	db, err := e.Create(context.WithoutCancel(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// update runs a transaction until it is known how it ended.
func update(t testing.TB, db engine.DB, fn func(engine.Tx) error) {
	t.Helper()
	if err := db.Update(context.WithoutCancel(t.Context()), fn); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, db engine.DB, kvs ...string) {
	t.Helper()
	update(t, db, func(tx engine.Tx) error {
		for i := 0; i < len(kvs); i += 2 {
			if err := tx.Put(space, []byte(kvs[i]), []byte(kvs[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
}

func get(t testing.TB, db engine.DB, k string) (v []byte) {
	t.Helper()
	err := db.View(context.WithoutCancel(t.Context()), func(r engine.Reader) error {
		found, err := r.Get(space, []byte(k))
		v = bytes.Clone(found)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func keys(t testing.TB, db engine.DB, rg engine.Range) (ks []string) {
	t.Helper()
	err := db.View(context.WithoutCancel(t.Context()), func(r engine.Reader) error {
		return r.Scan(space, rg, func(k, _ []byte) (bool, error) {
			ks = append(ks, string(k))
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func names(t *testing.T, e engine.Engine) {
	all := []string{"a", "a/b", "ab", "a-b", "b/c/d", "_users"}
	for _, name := range all {
		create(t, e, name)
	}
	if _, err := e.Create(t.Context(), "a/b"); !errors.Is(err, engine.ErrExists) {
		t.Errorf("second create: %v", err)
	}
	if _, err := e.Open(t.Context(), "none"); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("open of nothing: %v", err)
	}
	slices.Sort(all)
	got, err := e.List(t.Context(), "", -1)
	if err != nil || !slices.Equal(got, all) {
		t.Errorf("list is %q, %v", got, err)
	}
	if got, _ := e.List(t.Context(), all[1], 2); !slices.Equal(got, all[2:4]) {
		t.Errorf("two after %q are %q", all[1], got)
	}
	again, err := e.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	other, err := e.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	put(t, again, "k", "v")
	if string(get(t, other, "k")) != "v" || other.ID() != again.ID() {
		t.Error("two handles to a name are two databases")
	}
}

func ranges(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	if ks := keys(t, db, engine.Range{}); ks != nil {
		t.Errorf("an empty space has %q", ks)
	}
	all := []string{"\x00", "a", "a\x00", "aa", "b", "\xff", "\xff\xff"}
	for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
		put(t, db, all[i], "v"+all[i])
	}
	b := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		rg   engine.Range
		want []string
	}{
		{engine.Range{}, all},
		{engine.Range{From: b("a")}, all[1:]},
		{engine.Range{From: b("a\x00")}, all[2:]},
		{engine.Range{From: b("ab")}, all[4:]},
		{engine.Range{To: b("b")}, all[:4]},
		{engine.Range{From: b("a"), To: b("a")}, nil},
		{engine.Range{From: b("b"), To: b("a")}, nil},
		{engine.Range{From: b("a"), To: b("\xff")}, all[1:5]},
		{engine.Range{Limit: 2}, all[:2]},
		{engine.Range{From: b("\xff\xff\xff")}, nil},
	} {
		for _, only := range []bool{false, true} {
			rg := c.rg
			rg.KeysOnly = only
			if got := keys(t, db, rg); !slices.Equal(got, c.want) {
				t.Errorf("%+v: %q, want %q", rg, got, c.want)
			}
		}
		rg := c.rg
		rg.Reverse, rg.Limit = true, 0
		want := slices.Clone(c.want)
		if c.rg.Limit > 0 {
			want = slices.Clone(all)
		}
		slices.Reverse(want)
		if got := keys(t, db, rg); !slices.Equal(got, want) {
			t.Errorf("reverse %+v: %q, want %q", rg, got, want)
		}
	}
	if got := keys(t, db, engine.Range{Reverse: true, Limit: 3}); !slices.Equal(got, []string{"\xff\xff", "\xff", "b"}) {
		t.Errorf("the last three are %q", got)
	}
	err := db.View(t.Context(), func(r engine.Reader) error {
		k, v, err := r.Last(space)
		if string(k) != "\xff\xff" || string(v) != "v\xff\xff" || err != nil {
			t.Errorf("last is %q %q, %v", k, v, err)
		}
		if k, v, err := r.Last(space + 1); k != nil || v != nil || err != nil {
			t.Errorf("last of an empty space is %q %q, %v", k, v, err)
		}
		var got []string
		err = r.GetMulti(space, [][]byte{b("b"), b("none"), b("a"), b("b")}, func(i int, v []byte) error {
			got = append(got, fmt.Sprintf("%d%s", i, v))
			return nil
		})
		if want := []string{"0vb", "1", "2va", "3vb"}; !slices.Equal(got, want) || err != nil {
			t.Errorf("several at once are %q, %v", got, err)
		}
		c := r.Cursor(space, engine.Range{From: b("a"), Limit: 2})
		for _, want := range []string{"a", "a\x00", "", ""} {
			if k, _, err := c.Next(); string(k) != want || err != nil {
				t.Errorf("the cursor gives %q, %v, want %q", k, err, want)
			}
		}
		stopped := 0
		err = r.Scan(space, engine.Range{}, func(_, _ []byte) (bool, error) { stopped++; return stopped < 2, nil })
		if stopped != 2 || err != nil {
			t.Errorf("a scan that was stopped went on for %d, %v", stopped, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ownWrites(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	put(t, db, "a", "1", "b", "2", "c", "3", "d", "4")
	update(t, db, func(tx engine.Tx) error {
		if err := errors.Join(tx.Fetch([]engine.SpaceKey{{Space: space, Key: []byte("a")}}, []engine.Space{space}),
			tx.Put(space, []byte("a"), []byte("new")), tx.Put(space, []byte("e"), nil),
			tx.DeleteRange(space, []byte("b"), []byte("d")), tx.Delete(space, []byte("none"))); err != nil {
			return err
		}
		if v, err := tx.Get(space, []byte("a")); string(v) != "new" || err != nil {
			t.Errorf("its own write reads %q, %v", v, err)
		}
		if v, err := tx.Get(space, []byte("b")); v != nil || err != nil {
			t.Errorf("what it removed reads %q, %v", v, err)
		}
		if k, _, err := tx.Last(space); string(k) != "e" || err != nil {
			t.Errorf("last is %q, %v", k, err)
		}
		return nil
	})
	if got := keys(t, db, engine.Range{}); !slices.Equal(got, []string{"a", "d", "e"}) {
		t.Errorf("keys are %q", got)
	}
	if v := get(t, db, "e"); len(v) != 0 {
		t.Errorf("an empty value reads %q", v)
	}
	update(t, db, func(tx engine.Tx) error { return tx.DeleteRange(space, nil, nil) })
	if got := keys(t, db, engine.Range{}); got != nil {
		t.Errorf("after all is removed there are %q", got)
	}
}

func rollback(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	put(t, db, "a", "1")
	mine := errors.New("mine")
	err := db.Update(t.Context(), func(tx engine.Tx) error {
		return errors.Join(tx.Put(space, []byte("a"), []byte("2")), tx.Put(space, []byte("b"), []byte("2")), mine)
	})
	if !errors.Is(err, mine) {
		t.Errorf("the error is %v", err)
	}
	if v := get(t, db, "a"); string(v) != "1" || get(t, db, "b") != nil {
		t.Errorf("a transaction that failed left %q", v)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Update(ctx, func(tx engine.Tx) error { return tx.Put(space, []byte("c"), nil) }); !errors.Is(err, context.Canceled) {
		t.Errorf("an update that was called off: %v", err)
	}
	if err := db.View(ctx, func(engine.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a view that was called off: %v", err)
	}
}

func insert(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	update(t, db, func(tx engine.Tx) error { return tx.Insert(space, []byte("a"), []byte("1")) })
	err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Insert(space, []byte("a"), []byte("2")) })
	if !errors.Is(err, engine.ErrDuplicate) || string(get(t, db, "a")) != "1" {
		t.Errorf("a second insert: %v, reads %q", err, get(t, db, "a"))
	}
}

func snapshots(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	put(t, db, "a", "1")
	begun, written := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		<-begun
		put(t, db, "a", "2", "b", "2")
		close(written)
	})
	err := db.View(t.Context(), func(r engine.Reader) error {
		if _, err := r.Get(space, []byte("a")); err != nil { // the snapshot is taken by now
			return err
		}
		close(begun)
		select {
		case <-written:
		case <-time.After(patience):
			t.Error("a writer waits for a reader")
		}
		a, err := r.Get(space, []byte("a"))
		b, err2 := r.Get(space, []byte("b"))
		if string(a) != "1" || b != nil {
			t.Errorf("the snapshot has become %q %q", a, b)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if string(get(t, db, "a")) != "2" {
		t.Error("a later snapshot is old")
	}
}

// oneWriter writes through two handles at once.
func oneWriter(t *testing.T, e engine.Engine) {
	dbs := []engine.DB{create(t, e, "db"), nil}
	var err error
	if dbs[1], err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	defer dbs[1].Close()
	const writers, each = 8, 25
	var inside atomic.Int32
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range each {
				update(t, dbs[i%2], func(tx engine.Tx) error {
					if inside.Add(1) != 1 {
						t.Error("two writers at a time")
					}
					defer inside.Add(-1)
					v, err := tx.Get(space, []byte("n"))
					if err != nil {
						return err
					}
					return tx.Put(space, []byte("n"), append(bytes.Clone(v), 'x'))
				})
			}
		})
	}
	wg.Wait()
	if n := len(get(t, dbs[0], "n")); n != writers*each {
		t.Errorf("%d of %d writes are there", n, writers*each)
	}
}

func drop(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	put(t, db, "a", "1")
	id := db.ID()
	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := e.Drop(t.Context(), "db"); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("second drop: %v", err)
	}
	if err := db.View(t.Context(), func(engine.Reader) error { return nil }); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("view of what was dropped: %v", err)
	}
	if err := db.Update(t.Context(), func(engine.Tx) error { return nil }); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("update of what was dropped: %v", err)
	}
	again := create(t, e, "db")
	if again.ID() == id || get(t, again, "a") != nil {
		t.Error("the new database is the old one")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := again.View(t.Context(), func(engine.Reader) error { return nil }); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("view of a closed handle: %v", err)
	}
}

func sub(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	a, err := db.Sub(t.Context(), "a/x")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	put(t, a, "k", "sub")
	if get(t, db, "k") != nil {
		t.Error("a store of its own shows in its database")
	}
	again, err := db.Sub(t.Context(), "a/x")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if string(get(t, again, "k")) != "sub" {
		t.Error("opened again it is another one")
	}
	if got, _ := e.List(t.Context(), "", -1); !slices.Equal(got, []string{"db"}) {
		t.Errorf("list is %q", got)
	}
	update(t, db, func(engine.Tx) error { // its lock is not its database's
		put(t, a, "k2", "v")
		return nil
	})
	if err := errors.Join(db.DropSub(t.Context(), "a/x"), db.DropSub(t.Context(), "none")); err != nil {
		t.Error(err)
	}
	fresh, err := db.Sub(t.Context(), "a/x")
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if get(t, fresh, "k") != nil {
		t.Error("a store that was dropped is there again")
	}
}

func stage(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	for range 2 {
		err := db.Stage(t.Context(), space, func(yield func(k, v []byte) bool) {
			for i := range 100 {
				if !yield(fmt.Appendf(nil, "%03d", i), bytes.Repeat([]byte{byte(i)}, 1000)) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(keys(t, db, engine.Range{})); n != 100 || !bytes.Equal(get(t, db, "042"), bytes.Repeat([]byte{42}, 1000)) {
		t.Errorf("%d values are there", n)
	}
}

// watch wakes for what any handle writes, until it is closed.
func watch(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	other, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w, shut := db.Watch(), db.Watch()
	defer w.Close()
	shut.Close()
	for _, by := range []engine.DB{db, other} {
		put(t, by, "a", "1")
		put(t, by, "a", "2") // nobody has looked: it merges
		select {
		case <-w.C():
		case <-time.After(patience):
			t.Error("a watcher is not told")
		}
	}
	select {
	case _, open := <-shut.C():
		if open {
			t.Error("a watcher that was closed is told")
		}
	default:
	}
}

func limits(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	longest := bytes.Repeat([]byte("k"), e.Caps().MaxKey)
	update(t, db, func(tx engine.Tx) error { return tx.Put(space, longest, []byte("v")) })
	if string(get(t, db, string(longest))) != "v" {
		t.Error("the longest key is not there")
	}
	for _, k := range [][]byte{nil, append(longest, 'k')} {
		err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, k, nil) })
		if !errors.Is(err, engine.ErrTooLarge) {
			t.Errorf("a key of %d bytes: %v", len(k), err)
		}
	}
}

// model does random work on the engine and on a map.
func model(t *testing.T, e engine.Engine) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		db := create(t, e, fmt.Sprintf("db%d", n))
		want := map[string]string{}
		key := rapid.SampledFrom([]string{"a", "ab", "b", "b\x00", "c", "\xff"})
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				work := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) [3]string {
					return [3]string{rapid.SampledFrom([]string{"put", "delete", "range"}).Draw(rt, "op"), key.Draw(rt, "key"), key.Draw(rt, "to or value")}
				}), 1, 5).Draw(rt, "work")
				fail := rapid.IntRange(0, 3).Draw(rt, "fails") == 0
				next := map[string]string{}
				for k, v := range want {
					next[k] = v
				}
				for _, w := range work {
					switch w[0] {
					case "put":
						next[w[1]] = w[2]
					case "delete":
						delete(next, w[1])
					case "range":
						for k := range next {
							if k >= w[1] && k < w[2] {
								delete(next, k)
							}
						}
					}
				}
				mine := errors.New("mine")
				err := db.Update(t.Context(), func(tx engine.Tx) error {
					for _, w := range work {
						var err error
						switch w[0] {
						case "put":
							err = tx.Put(space, []byte(w[1]), []byte(w[2]))
						case "delete":
							err = tx.Delete(space, []byte(w[1]))
						case "range":
							err = tx.DeleteRange(space, []byte(w[1]), []byte(w[2]))
						}
						if err != nil {
							return err
						}
					}
					if fail {
						return mine
					}
					return nil
				})
				switch {
				case fail && !errors.Is(err, mine), !fail && err != nil:
					rt.Fatal(err)
				case !fail:
					want = next
				}
			},
			"": func(rt *rapid.T) {
				got := map[string]string{}
				for _, k := range keys(t, db, engine.Range{}) {
					got[k] = string(get(t, db, k))
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					rt.Fatalf("there is %q, want %q", got, want)
				}
			},
		})
	})
}
