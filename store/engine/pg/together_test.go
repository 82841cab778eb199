package pg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// A member of a convoy that panics, ends its goroutine, or is given up keeps the others waiting for nothing, and
// writes nothing.
func TestConvoyMembersThatVanish(t *testing.T) {
	t.Parallel()
	e := pgtest.Engine(t)
	const databases = 8
	var dbs [databases]engine.DB
	for i := range dbs {
		dbs[i] = create(t, e, fmt.Sprint("db", i))
	}
	plain := func(tx engine.Tx) error {
		return errors.Join(tx.Fetch(nil, []engine.Space{sequence}), tx.Put(1, []byte("k"), []byte("v")))
	}
	for name, spoil := range map[string]func(cancel func(), tx engine.Tx) error{
		"panics":                     func(_ func(), tx engine.Tx) error { _ = plain(tx); panic("spoilt") },
		"ends":                       func(_ func(), tx engine.Tx) error { _ = plain(tx); runtime.Goexit(); return nil },
		"ends before it asks":        func(func(), engine.Tx) error { runtime.Goexit(); return nil },
		"is given up":                func(cancel func(), tx engine.Tx) error { err := plain(tx); cancel(); return err },
		"is given up before it asks": func(cancel func(), tx engine.Tx) error { cancel(); return plain(tx) },
	} {
		t.Run(name, func(t *testing.T) {
			most := time.Duration(0)
			least := time.Hour
			for range 10 {
				began := time.Now()
				var wg sync.WaitGroup
				for i, db := range dbs {
					wg.Go(func() {
						defer func() { _ = recover() }()
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if i != 3 {
							if err := db.Update(ctx, plain); err != nil {
								t.Error(err)
							}
							return
						}
						err := db.Update(ctx, func(tx engine.Tx) error { return spoil(cancel, tx) })
						if !errors.Is(err, context.Canceled) {
							t.Errorf("it says %v", err)
						}
					})
				}
				wg.Wait()
				took := time.Since(began)
				most, least = max(most, took), min(least, took)
			}
			t.Logf("from %v to %v", least, most)
			if least > 400*time.Millisecond {
				t.Errorf("the others wait for %v at least", least)
			}
			if v := get(t, dbs[3], "k"); v != "" {
				t.Errorf("it has written %q", v)
			}
		})
	}
}

// blocker keeps the round trips of convoys waiting. It is a tracer of pgx.
type blocker struct {
	commits
	blocks chan struct{} // closed when they may go on
	once   sync.Once
	began  chan struct{}
}

func (c *blocker) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		if strings.Contains(q.SQL, "skip locked") && strings.Contains(q.SQL, "any(") {
			c.once.Do(func() { close(c.began) })
			<-c.blocks
		}
	}
	return ctx
}

// Whose time is over does not wait for a convoy that takes longer, and has written nothing.
func TestConvoyHeedsTheTimeOfItsMembers(t *testing.T) {
	t.Parallel()
	c := &blocker{blocks: make(chan struct{}), began: make(chan struct{})}
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Tracer: c})
	var dbs [8]engine.DB
	for i := range dbs {
		dbs[i] = create(t, e, fmt.Sprint("db", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var hasty, others sync.WaitGroup
	for i, db := range dbs {
		write := func(ctx context.Context) error {
			return db.Update(ctx, func(tx engine.Tx) error {
				return errors.Join(tx.Fetch(nil, []engine.Space{sequence}), tx.Insert(sequence, []byte("k"), []byte("v")))
			})
		}
		if i%2 == 0 {
			others.Go(func() {
				if err := write(t.Context()); err != nil {
					t.Error(err)
				}
			})
			continue
		}
		hasty.Go(func() {
			if err := write(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	select {
	case <-c.began:
	case <-time.After(30 * time.Second):
		t.Error("there is no convoy")
	}
	cancel()
	done := make(chan struct{})
	go func() { hasty.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(4 * time.Second):
		t.Error("they wait")
	}
	close(c.blocks)
	hasty.Wait()
	others.Wait()
	for i, db := range dbs {
		if v := get(t, db, "k"); i%2 == 0 && v != "v" {
			t.Errorf("database %d has %q", i, v)
		}
	}
}

// A database that is always late keeps the others, whose locks a convoy has, waiting now and then only.
func TestConvoyLeavesTheLateBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits")
	}
	t.Parallel()
	e := pgtest.Engine(t)
	slow := create(t, e, "slow")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 7 {
		db := create(t, e, fmt.Sprint("db", i))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := db.Update(t.Context(), func(tx engine.Tx) error {
					return errors.Join(tx.Fetch(nil, []engine.Space{sequence}), tx.Put(1, []byte("k"), []byte("v")))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	runs := 0
	for range 4 {
		err := slow.Update(t.Context(), func(tx engine.Tx) error {
			runs++
			err := tx.Fetch(nil, []engine.Space{sequence})
			time.Sleep(700 * time.Millisecond)
			return errors.Join(err, tx.Put(1, []byte("k"), []byte("v")))
		})
		if err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if runs > 6 { // each that a convoy has left behind runs twice
		t.Errorf("four writes run %d times", runs)
	}
}

// What was written before the first Fetch is seen, in a convoy too.
func TestFetchSeesWhatWasWritten(t *testing.T) {
	t.Parallel()
	e := pgtest.Engine(t)
	var dbs [16]engine.DB
	for i := range dbs {
		dbs[i] = create(t, e, fmt.Sprint("db", i))
		put(t, dbs[i], "b", "old")
	}
	var wg sync.WaitGroup
	for i, db := range dbs {
		wg.Go(func() {
			for range 4 {
				err := db.Update(t.Context(), func(tx engine.Tx) error {
					if i%2 == 0 {
						if err := tx.Put(sequence, []byte("c"), []byte("new")); err != nil {
							return err
						}
					} else if err := tx.DeleteRange(sequence, nil, nil); err != nil {
						return err
					}
					if err := tx.Fetch([]engine.SpaceKey{{Space: sequence, Key: []byte("b")}}, []engine.Space{sequence}); err != nil {
						return err
					}
					k, _, err := tx.Last(sequence)
					if want := []string{"c", ""}[i%2]; err == nil && string(k) != want {
						t.Errorf("the last is %q, not %q", k, want)
					}
					if v, err := tx.Get(sequence, []byte("b")); err != nil || i%2 == 1 && v != nil {
						t.Errorf("what was deleted is there: %q, %v", v, err)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// spoiler has a statement fail on the server if it has more than one question. It is a tracer of pgx.
type spoiler struct {
	commits
	spoilt atomic.Int64
}

func (c *spoiler) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		if len(q.Arguments) == 3 {
			if dbs, is := q.Arguments[0].([]int64); is && len(dbs) > 1 {
				q.SQL, q.Arguments = "select 'no number'::bigint", nil // 22P02, which does not pass
				c.spoilt.Add(1)
			}
		}
	}
	return ctx
}

// A question whose round trip fails, whatever the fault, is asked alone: it may be the fault of another.
func TestQuestionsFailByThemselves(t *testing.T) {
	t.Parallel()
	c := &spoiler{}
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Tracer: c})
	var dbs [16]engine.DB
	for i := range dbs {
		dbs[i] = create(t, e, fmt.Sprint("db", i))
		put(t, dbs[i], "k", fmt.Sprint(i))
	}
	var wg sync.WaitGroup
	for i, db := range dbs {
		wg.Go(func() {
			for range 20 {
				r, err := db.(engine.Foreseer).Foresee(t.Context(), []engine.SpaceKey{{Space: sequence, Key: []byte("k")}})
				if err != nil {
					t.Error(err)
					return
				}
				if v, err := r.Get(sequence, []byte("k")); err != nil || string(v) != fmt.Sprint(i) {
					t.Errorf("%q, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
	if c.spoilt.Load() == 0 {
		t.Error("no two have asked at once")
	}
}

// Two engines write, ask and drop through connections that are cut and stall all the time.
func TestManyDatabasesCut(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	to := pgtest.URL(t)
	var p [2]*proxy
	var e [2]*pg.Engine
	for i := range e {
		p[i] = newProxy(t, pgtest.Shared(t).Port)
		// What gets through comes from some of 80 callers. On a busy machine the others are given more time.
		e[i] = pgtest.Open(t, pg.Options{URL: p[i].through(t, to), Patience: 3 * time.Minute})
	}
	direct := pgtest.Open(t, pg.Options{URL: to})
	const databases = 20
	var dbs [2][databases]engine.DB
	var plain [databases]engine.DB
	for i := range databases {
		plain[i] = create(t, direct, fmt.Sprint("db", i))
		for j := range e {
			for dbs[j][i] == nil {
				dbs[j][i], _ = e[j].Open(t.Context(), fmt.Sprint("db", i))
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg, cutting sync.WaitGroup
	stop := make(chan struct{})
	var done [2]atomic.Int64 // through each proxy
	for j := range p {
		cutting.Go(func() {
			cutOften(stop, func() time.Duration { return time.Duration(20+rand.Intn(1500)) * time.Millisecond }, done[j].Load, func() {
				if rand.Intn(4) == 0 {
					p[j].stall.Store(true)
					time.Sleep(time.Duration(rand.Intn(100)) * time.Millisecond)
					p[j].cut()
					p[j].stall.Store(false)
				} else {
					p[j].cut()
				}
			})
		})
	}
	errOwn := errors.New("its own")
	var acked, unknown, given, failed, asked [databases]atomic.Int64
	var newest [databases]atomic.Int64 // acknowledged, at least
	for j := range e {
		for i := range databases {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					what := rand.Intn(40)
					own, giveUp := context.WithCancel(t.Context())
					if what == 7 {
						own, giveUp = context.WithTimeout(t.Context(), time.Duration(rand.Intn(30))*time.Millisecond)
					}
					var at int64
					key := fmt.Appendf(nil, "%d-%d", j, n)
					err := dbs[j][i].Update(own, func(tx engine.Tx) error {
						if what == 3 {
							if err := tx.Put(1, []byte("early"), key); err != nil {
								return err
							}
						}
						if what == 6 {
							time.Sleep(600 * time.Millisecond)
						}
						if err := tx.Fetch([]engine.SpaceKey{{Space: 1, Key: []byte("n")}, {Space: 1, Key: []byte("db")}}, []engine.Space{sequence}); err != nil {
							return err
						}
						v, err := tx.Get(1, []byte("n"))
						if err != nil {
							return err
						}
						at = 0
						fmt.Sscan(string(v), &at)
						at++
						if d, err := tx.Get(1, []byte("db")); err != nil || d != nil && string(d) != fmt.Sprint(i) {
							if err == nil {
								t.Errorf("database %d reads of %q", i, d)
							}
							return err
						}
						last, _, err := tx.Last(sequence)
						if err != nil {
							return err
						}
						if want := fmt.Sprintf("%08d", at-1); at > 1 && string(last) != want {
							t.Errorf("the last is %s, not %s", last, want)
						}
						switch what {
						case 0:
							return errOwn
						case 1:
							if _, err := tx.Get(1, []byte("more")); err != nil {
								return err
							}
						case 2:
							time.Sleep(600 * time.Millisecond)
						case 4:
							giveUp()
						case 5:
							if err := tx.DeleteRange(5, nil, nil); err != nil {
								return err
							}
							if err := tx.Put(5, key, key); err != nil {
								return err
							}
						}
						return errors.Join(tx.Insert(sequence, fmt.Appendf(nil, "%08d", at), key), tx.Put(1, []byte("n"), fmt.Append(nil, at)),
							tx.Put(1, []byte("db"), fmt.Append(nil, i)), tx.Insert(9, key, nil))
					})
					giveUp()
					switch {
					case err == nil:
						acked[i].Add(1)
						done[j].Add(1)
						for old := newest[i].Load(); old < at && !newest[i].CompareAndSwap(old, at); old = newest[i].Load() {
						}
					case errors.Is(err, engine.ErrUnknown):
						unknown[i].Add(1)
					case errors.Is(err, errOwn) && what == 0:
					case errors.Is(err, context.Canceled) && what == 4, errors.Is(err, context.DeadlineExceeded) && what == 7:
						given[i].Add(1)
					default:
						failed[i].Add(1)
						t.Errorf("%d: %v", what, err)
					}
				}
			})
			wg.Go(func() {
				for ctx.Err() == nil {
					least := newest[i].Load()
					own, giveUp := context.WithCancel(t.Context())
					hasty := rand.Intn(10) == 0
					if hasty {
						own, giveUp = context.WithTimeout(t.Context(), time.Duration(rand.Intn(5))*time.Millisecond)
					}
					r, err := dbs[j][i].(engine.Foreseer).Foresee(own, []engine.SpaceKey{{Space: 1, Key: []byte("n")}, {Space: 1, Key: []byte("db")}})
					giveUp()
					if err != nil {
						if !hasty || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, engine.ErrUnavailable) { // it was cut, and has no time left
							t.Errorf("%v (%v)", err, hasty)
						}
						continue
					}
					var at int64
					v, err := r.Get(1, []byte("n"))
					d, err2 := r.Get(1, []byte("db"))
					if err = errors.Join(err, err2); err != nil {
						if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
							t.Error(err)
						}
						continue
					}
					fmt.Sscan(string(v), &at)
					if d != nil && !bytes.Equal(d, fmt.Append(nil, i)) {
						t.Errorf("%d is told of %s", i, d)
					}
					if at < least {
						t.Errorf("reads %d after %d", at, least)
					}
					asked[i].Add(1)
					done[j].Add(1)
				}
			})
		}
	}
	wg.Wait()
	close(stop)
	cutting.Wait()
	var all, unk, ask int64
	for i := range databases {
		entries := int64(0)
		count := func(s engine.Space) (n int64) {
			err := plain[i].View(t.Context(), func(r engine.Reader) error {
				return r.Scan(s, engine.Range{KeysOnly: true}, func(k, _ []byte) (bool, error) { n++; return true, nil })
			})
			if err != nil {
				t.Error(err)
			}
			return n
		}
		entries = count(sequence)
		if a, u := acked[i].Load(), unknown[i].Load(); entries != count(9) || entries < a || entries > a+u {
			t.Errorf("database %d: %d acknowledged, %d unknown, %d there, %d marks", i, a, u, entries, count(9))
		}
		all, unk, ask = all+acked[i].Load(), unk+unknown[i].Load(), ask+asked[i].Load()
	}
	t.Logf("%d acknowledged, %d unknown, %d asked", all, unk, ask)
}
