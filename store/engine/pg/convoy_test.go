package pg_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// commits counts those of writers. It is a tracer of pgx.
type commits struct{ atomic.Int64 }

func (c *commits) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	if q := d.Batch.QueuedQueries; q[0].SQL != "begin" && q[len(q)-1].SQL == "commit" {
		c.Add(1)
	}
	return ctx
}
func (c *commits) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *commits) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (c *commits) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (c *commits) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// largest is how many bytes the arguments of a batch have had at most. It is a tracer of pgx.
type largest struct {
	commits
	bytes atomic.Int64
}

func (l *largest) TraceBatchStart(ctx context.Context, conn *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	n := 0
	for _, q := range d.Batch.QueuedQueries {
		for _, arg := range q.Arguments {
			if list, is := arg.([][]byte); is {
				for _, b := range list {
					n += len(b)
				}
			}
		}
	}
	for old := l.bytes.Load(); int64(n) > old && !l.bytes.CompareAndSwap(old, int64(n)); old = l.bytes.Load() {
	}
	return l.commits.TraceBatchStart(ctx, conn, d)
}

// What goes out together is bounded, whatever the members do in between.
func TestConvoysAreBounded(t *testing.T) {
	t.Parallel()
	counted := &largest{}
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Tracer: counted})
	const databases, each, most = 24, 32 << 10, 64 << 10
	e.LimitConvoys(most)
	var dbs [databases]engine.DB
	for i := range dbs {
		dbs[i] = create(t, e, fmt.Sprint("db", i))
	}
	value := make([]byte, each)
	var wg sync.WaitGroup
	for i := range dbs {
		wg.Go(func() {
			err := dbs[i].Update(t.Context(), func(tx engine.Tx) error {
				return errors.Join(tx.Fetch(nil, []engine.Space{sequence}), tx.Put(1, []byte("k"), value), tx.DeleteRange(2, nil, nil), tx.Put(1, []byte("last"), []byte("v")))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := counted.bytes.Load(); n > most+each {
		t.Errorf("%d bytes go out together, want %d at most", n, most)
	}
}

// What is too large for a convoy goes alone, and the others go nevertheless.
func TestTooLargeForAConvoy(t *testing.T) {
	t.Parallel()
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t)})
	const most = 64 << 10
	e.LimitConvoys(most)
	var dbs []engine.DB
	var values [][]byte
	for i, size := range []int{most, most / 4, most + 1, most / 4, most / 2, most / 4} {
		dbs, values = append(dbs, create(t, e, fmt.Sprint("db", i))), append(values, make([]byte, size))
	}
	want := []bool{false, true, false, true, false, true}
	var together []bool
	for try := 0; try < 10 && !slices.Equal(together, want); try++ { // on a busy machine, some may be late
		key := fmt.Sprint("k", try)
		var err error
		if together, err = e.PutTogether(t.Context(), dbs, sequence, []byte(key), values); err != nil {
			t.Fatal(err)
		}
		for i, db := range dbs {
			if there := len(get(t, db, key)) > 0; there != together[i] {
				t.Errorf("%d: it was written: %v", i, there)
			}
		}
	}
	if !slices.Equal(together, want) {
		t.Errorf("%v go together, want %v", together, want)
	}
}

// Who reads, or asks for, what is too large for a convoy goes alone, and the others go nevertheless. How much the
// members read together is bounded too.
func TestConvoysReadLittle(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	many := make([]engine.SpaceKey, 2*most/1000)
	for i := range many {
		many[i] = engine.SpaceKey{Space: 1, Key: fmt.Appendf(nil, "%01000d", i)}
	}
	value := []engine.SpaceKey{{Space: 1, Key: []byte("value")}}
	for name, c := range map[string]struct {
		last, values [6]int // sizes of what is there
		reads        [6][]engine.SpaceKey
		went         int // how many go together
		alone        []int
	}{
		"last entries":  {last: [6]int{most, 9, most + 1, most / 4, most / 4, 0}, went: 4, alone: []int{0, 2}},
		"values":        {values: [6]int{0, most / 4, 2 * most, most / 4, 0, 0}, reads: [6][]engine.SpaceKey{1: value, 2: value, 3: value}, went: 5, alone: []int{2}},
		"keys":          {reads: [6][]engine.SpaceKey{3: many}, went: 5, alone: []int{3}},
		"all of them":   {last: [6]int{most / 2, most / 2, most / 2, most / 2, most / 2, most / 2}, went: 1},
		"what is there": {last: [6]int{most / 9, most / 9, most / 9, most / 9, most / 9, most / 9}, went: 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := pgtest.Engine(t)
			e.LimitConvoys(most)
			var dbs []engine.DB
			for i := range c.last {
				db := create(t, e, fmt.Sprint("db", i))
				err := db.Update(t.Context(), func(tx engine.Tx) error {
					return errors.Join(tx.Put(sequence, []byte("z"), make([]byte, c.last[i])), tx.Put(1, []byte("value"), make([]byte, c.values[i])))
				})
				if err != nil {
					t.Fatal(err)
				}
				dbs = append(dbs, db)
			}
			var together []bool
			n := 0
			for try := 0; try < 10 && n != c.went; try++ { // on a busy machine, some may be late
				var err error
				key := fmt.Sprint("k", try)
				if together, err = e.PutTogether(t.Context(), dbs, sequence, []byte(key), slices.Repeat([][]byte{[]byte("v")}, len(dbs)), c.reads[:]...); err != nil {
					t.Fatal(err)
				}
				n = 0
				for i, db := range dbs {
					if together[i] {
						n++
					}
					if there := get(t, db, key) == "v"; there != together[i] {
						t.Errorf("%d: it was written: %v", i, there)
					}
				}
				if n > c.went {
					t.Fatalf("%v go together, want %d at most", together, c.went)
				}
			}
			if n != c.went {
				t.Errorf("%v go together, want %d", together, c.went)
			}
			for _, i := range c.alone {
				if together[i] {
					t.Errorf("%d goes with the others", i)
				}
			}
		})
	}
}

// What is asked for soon goes out with what is asked for now, and without anybody who waits if there is much of it.
func TestForeseenSoon(t *testing.T) {
	t.Parallel()
	count := &asks{}
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Tracer: count})
	db := create(t, e, "db")
	put(t, db, "k", "v")
	f := db.(engine.Foreseer)
	keys := []engine.SpaceKey{{Space: sequence, Key: []byte("k")}}
	soon := func() func() (engine.Reader, error) {
		t.Helper()
		answer, err := f.ForeseeSoon(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	right := func(r engine.Reader, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if v, err := r.Get(sequence, []byte("k")); err != nil || string(v) != "v" {
			t.Errorf("%q, %v", v, err)
		}
	}
	for range 1000 { // what is asked for just when an answer has come is no exception
		before := count.Load()
		first := soon()
		right(f.Foresee(t.Context(), keys))
		right(first())
		if n := count.Load() - before; n != 1 {
			t.Fatalf("%d round trips", n)
		}
	}
	before := count.Load()
	for range 40 { // and nobody wants to know
		soon()
	}
	for deadline := time.Now().Add(time.Minute); count.Load() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what waits grows")
		}
	}
	last := soon()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := last(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("an answer of a database that was closed: %v", err)
	}
}

// asks counts the round trips of Foresee. It is a tracer of pgx.
type asks struct {
	commits
	atomic.Int64
	keys atomic.Int64 // of all
}

func (a *asks) Load() int64 { return a.Int64.Load() }

func (a *asks) TraceBatchStart(ctx context.Context, conn *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	if d.Batch.QueuedQueries[0].SQL == pg.Statements["foresee"] {
		a.Int64.Add(1)
		a.keys.Add(int64(len(d.Batch.QueuedQueries[0].Arguments[2].([][]byte))))
	}
	return ctx
}

// What somebody has asked for who is gone, such as one who was not let in, is not read for him.
func TestForeseenForNobody(t *testing.T) {
	t.Parallel()
	count := &asks{}
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Tracer: count})
	db := create(t, e, "db")
	f := db.(engine.Foreseer)
	ctx, cancel := context.WithCancel(t.Context())
	for i := range 10 { // they wait for the next one who asks
		if _, err := f.ForeseeSoon(ctx, []engine.SpaceKey{{Space: sequence, Key: fmt.Append(nil, "large", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	before, keys := count.Load(), count.keys.Load()
	for range 2 {
		if _, err := f.Foresee(t.Context(), []engine.SpaceKey{{Space: sequence, Key: []byte("k")}}); err != nil {
			t.Fatal(err)
		}
	}
	if n, k := count.Load()-before, count.keys.Load()-keys; n != 2 || k != 2 {
		t.Errorf("%d round trips for %d keys, want one for each of two", n, k)
	}
}

// Of large values that many ask for at once, what is kept for all of them is bounded, and each gets its own.
func TestForeseenTogetherIsBounded(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	e := pgtest.Engine(t)
	db := create(t, e, "db")
	const n, each = 8, 3 << 20
	err := db.Update(t.Context(), func(tx engine.Tx) error {
		for i := range n {
			if err := tx.Put(1, fmt.Append(nil, i), bytes.Repeat([]byte{byte(i)}, each)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys []engine.SpaceKey
	for i := range n {
		keys = append(keys, engine.SpaceKey{Space: 1, Key: fmt.Append(nil, i)})
	}
	kept, err := e.AnsweredTogether(db, keys)
	if err != nil || kept == 0 || kept > 16<<20 {
		t.Errorf("%d bytes are kept, %v", kept, err)
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, err := db.(engine.Foreseer).Foresee(t.Context(), keys[i:i+1])
			if err != nil {
				t.Error(err)
				return
			}
			v, err := r.Get(1, keys[i].Key)
			if err != nil || len(v) != each || v[0] != byte(i) {
				t.Errorf("value %d has %d bytes, %v", i, len(v), err)
			}
		})
	}
	wg.Wait()
}

// What many databases write at the same time is committed together, each by itself right, whatever becomes of
// the others: those that fail, that insert what is there, that read on, and that another process has too.
func TestConvoys(t *testing.T) {
	widetest.Only(t)
	count := &commits{}
	url := pgtest.URL(t)
	engines := []*pg.Engine{pgtest.Open(t, pg.Options{URL: url, Tracer: count}), pgtest.Open(t, pg.Options{URL: url})}
	const databases, each = 24, 12
	var dbs [2][databases]engine.DB
	for i := range databases {
		name := fmt.Sprint("db", i)
		dbs[0][i] = create(t, engines[0], name)
		dbs[1][i] = open(t, engines[1], name)
	}
	errOwn := errors.New("its own")
	next := func(tx engine.Tx) error { // the next number, as a sequence has
		if err := tx.Fetch([]engine.SpaceKey{{Space: 1, Key: []byte("count")}}, []engine.Space{sequence}); err != nil {
			return err
		}
		last, _, err := tx.Last(sequence)
		if err != nil {
			return err
		}
		n := uint64(1)
		if last != nil {
			n = binary.BigEndian.Uint64(last) + 1
		}
		had, err := tx.Get(1, []byte("count"))
		if err != nil {
			return err
		}
		if n > 1 && binary.BigEndian.Uint64(had) != n-1 {
			return fmt.Errorf("%d is after %d", n, binary.BigEndian.Uint64(had))
		}
		key := binary.BigEndian.AppendUint64(nil, n)
		if n > 3 {
			if err := tx.Delete(sequence, binary.BigEndian.AppendUint64(nil, n-3)); err != nil {
				return err
			}
		}
		return errors.Join(tx.Insert(sequence, key, []byte("v")), tx.Put(1, []byte("count"), key))
	}
	// write has all databases write at once. The numbers of those that spoil it are in others.
	write := func(of [databases]engine.DB, others map[int]func(tx engine.Tx) error, wants map[int]error) {
		var wg sync.WaitGroup
		for i, db := range of {
			wg.Go(func() {
				for range each {
					fn, want := next, error(nil)
					if others[i] != nil {
						fn, want = others[i], wants[i]
					}
					if err := db.Update(t.Context(), fn); !errors.Is(err, want) {
						t.Errorf("database %d: %v, want %v", i, err, want)
					}
				}
			})
		}
		wg.Wait()
	}
	write(dbs[0], nil, nil)
	if n := count.Load(); n > databases*each/3 {
		t.Errorf("%d commits for %d writes", n, databases*each)
	}
	write(dbs[0], map[int]func(tx engine.Tx) error{
		3: func(tx engine.Tx) error { return errors.Join(next(tx), errOwn) },
		7: func(tx engine.Tx) error {
			return errors.Join(tx.Fetch(nil, []engine.Space{2}), tx.Insert(1, []byte("count"), nil))
		},
		9: func(tx engine.Tx) error {
			err := next(tx)
			if _, readsOn := tx.Get(1, []byte("not fetched")); err == nil {
				err = readsOn
			}
			return err
		},
		11: func(engine.Tx) error { return nil },
	}, map[int]error{3: errOwn, 7: engine.ErrDuplicate})
	var both sync.WaitGroup
	for e := range dbs {
		both.Go(func() { write(dbs[e], nil, nil) })
	}
	both.Wait()
	for i, db := range dbs[0] {
		rounds := map[int]int{3: 3, 7: 3, 11: 3}[i]
		if rounds == 0 {
			rounds = 4
		}
		var got uint64
		err := db.View(t.Context(), func(r engine.Reader) error {
			v, err := r.Get(1, []byte("count"))
			if err == nil {
				got = binary.BigEndian.Uint64(v)
			}
			return err
		})
		if want := uint64(rounds * each); err != nil || got != want {
			t.Errorf("database %d has %d, want %d (%v)", i, got, want, err)
		}
	}
}
