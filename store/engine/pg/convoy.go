package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// A convoy is one transaction for what several databases write at the same time: two round trips and one
// flush of the disk for all. Its members run in their own goroutines. The first Fetch of each is read together
// with the others', and what they write is written together. Whoever does not fit in with the others
// goes alone, which runs fn again: who reads more than that, whose lock somebody else has (a convoy waits for
// nobody while others wait for its locks), who is late, for whom there is no room, and everybody if a statement
// fails, since only a transaction of its own tells whose fault that is.

const (
	sqlLockMany = "select d.id, " + proofColumns + " from td_db d where d.id = any($1::bigint[]) for no key update skip locked"
	sqlBothMany = "select q.db, false, t.k, t.v from unnest($1::bigint[], $2::bytea[]) q(db, k), " + entryOf + "db = q.db and k = q.k limit 1) t union all " +
		"select r.db, true, x.k, x.v from unnest($3::bigint[], $4::bytea[], $5::bytea[]) r(db, lo, hi), " +
		"lateral (select k, v from td_kv where db = r.db and k >= r.lo and k < r.hi order by k desc limit 1) x"
	sqlWriteMany = "with i as (insert into td_kv (db, k, v) select u.db, u.k, u.v from unnest($3::bigint[], $4::bytea[], $5::bytea[]) u(db, k, v)), " +
		"p as (insert into td_kv (db, k, v, r) select u.db, u.k, u.v, u.r from unnest($6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[]) u(db, k, v, r) " +
		"on conflict (db, k) do update set v = excluded.v, r = excluded.r) " +
		deleteOf + "unnest($1::bigint[], $2::bytea[])" + deleteEnd
)

const (
	convoysAtOnce = 2
	convoyMost    = 64       // members
	convoyBytes   = 16 << 20 // of what is asked and read, and of writes
	// convoyTries is how often a member whose lock somebody else has tries another convoy before it
	// waits for the lock alone.
	convoyTries = 3
	convoyPace  = 50 * time.Millisecond
	// lateAfter is how long the others wait for a member.
	lateAfter = 500 * time.Millisecond
	// lateAlone is how long a database goes alone for which most others have waited in vain.
	lateAlone = 5 * time.Second
	// convoyPatience is how long a convoy may take to have what it reads. It waits for no lock, so this is long.
	convoyPatience = 5 * time.Second
)

var (
	errAlone  = errors.New("this goes alone")
	errLocked = errors.New("another process has the lock")
)

// member is one who writes.
type member struct {
	h     *handle
	start chan *convoy // nil: it may go alone
	ended chan struct{}

	tx     *tx
	keys   [][]byte
	lasts  []engine.Space
	asked  bool       // Fetch waits
	done   bool       // fn has ended well
	left   bool       // nothing more is to be done for it
	await  bool       // it is waited for
	got    got        // what is read for it
	size   int        // of that, and of what it asks for
	large  bool       // there is no room for it
	outset chan error // of Fetch
	result chan error
}

// got is what a convoy reads for a member. It is the convoy's until outset, for the member may leave before.
type got struct {
	arena arena
	proof proof
	known map[string][]byte
	last  map[engine.Space]lastEntry
}

// gatherConvoys makes the one that gathers members while some convoys are under way.
func (e *Engine) gatherConvoys() *gatherer[*member] {
	return &gatherer[*member]{eng: e, atOnce: convoysAtOnce, pace: convoyPace, most: convoyMost, bytes: convoyBytes,
		size: func(*member) int { return 0 }, // nobody knows yet
		send: func(members []*member) <-chan struct{} {
			if len(members) == 1 {
				members[0].start <- nil
				return members[0].ended
			}
			c := &convoy{eng: e, members: members, ready: make(chan struct{}, 1), ended: make(chan struct{})}
			e.ending.Go(c.run)
			return c.ended
		}}
}

// The phases of a convoy: members ask, members decide, and it is too late for either.
type phase byte

const (
	asking phase = iota
	reading
	deciding
	writing
)

// convoy is one under way.
type convoy struct {
	eng     *Engine
	members []*member
	ready   chan struct{} // of capacity one: nobody is waited for
	ended   chan struct{}

	mu      sync.Mutex // guards what follows, and asked, done, left and await of members
	phase   phase
	waited  int // members who were waited for in this phase
	pending int // who still are
}

// expect begins a phase in which members are waited for.
func (c *convoy) expect(in phase, members []*member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.pending = in, 0
	for _, m := range members {
		if m.await = !m.left; m.await {
			c.pending++
		}
	}
	if c.waited = c.pending; c.pending == 0 {
		c.ready <- struct{}{}
	}
}

// came says that a member is not waited for any more.
func (c *convoy) came(m *member) {
	if !m.await {
		return
	}
	m.await = false
	if c.pending--; c.pending == 0 {
		c.ready <- struct{}{}
	}
}

// leave takes a member out, in whatever phase and however its fn has ended.
func (c *convoy) leave(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.left = true
	c.came(m)
}

// here is called by a member once in each of the phases that wait for members. It returns false if that is over.
func (c *convoy) here(m *member, in phase, note func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != in {
		return false
	}
	note()
	c.came(m)
	return true
}

// gather waits for the members, ends the phase, and returns those who are still there.
func (c *convoy) gather(next phase, there func(*member) bool) []*member {
	t := time.NewTimer(lateAfter)
	defer t.Stop()
	select {
	case <-c.ready:
	case <-t.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = next
	select {
	case <-c.ready:
	default:
	}
	fault := 2*c.pending <= c.waited // else it is that of all, or of the machine
	for _, m := range c.members {
		if m.await && fault {
			m.h.alone.Store(time.Now().Add(lateAlone).UnixNano())
		}
		m.await = false
	}
	return slices.DeleteFunc(slices.Clone(c.members), func(m *member) bool { return !there(m) })
}

// run is the convoy's way.
func (c *convoy) run() {
	defer close(c.ended)
	slices.SortFunc(c.members, func(a, b *member) int { return cmp.Compare(a.h.id, b.h.id) })
	c.expect(asking, c.members)
	for _, m := range c.members {
		m.start <- c
	}
	asked := c.gather(reading, func(m *member) bool { return m.asked && !m.left })
	if len(asked) == 0 {
		return
	}
	s := &session{ctx: c.eng.ctx, db: asked[0].h.database, pool: c.eng.writers, begin: beginWrite}
	defer s.end()
	held, err := c.read(s, asked)
	if err != nil {
		c.eng.opt.Logger.Debug("what several databases write goes one by one", "error", err)
	}
	c.expect(deciding, held)
	for _, m := range asked {
		switch {
		case slices.Contains(held, m):
			m.outset <- nil
		case err != nil, m.large:
			m.outset <- errAlone
		default:
			m.outset <- errLocked
		}
	}
	if len(held) == 0 {
		return
	}
	done := c.gather(writing, func(m *member) bool { return m.done })
	c.write(s, done)
}

// read has the locks, and what members ask for. It returns those whose lock it has and for whom there is room.
func (c *convoy) read(s *session, asked []*member) (held []*member, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, convoyPatience)
	defer cancel()
	if s.conn, err = s.pool.Acquire(ctx); err != nil {
		return nil, err
	}
	by := make(map[int64]*member, len(asked))
	var ids, of, lastOf []int64
	var keys, los, his [][]byte
	size := 0 // of what is kept for all
	fits := func(m *member, n int) bool {
		if m.large {
			return false
		}
		m.size += n
		if size += n; size > c.eng.convoyBytes && len(asked) > 1 {
			m.large = true
			size -= m.size // one that is too large does not keep the others from going
			clear(m.got.known)
			clear(m.got.last)
			m.got.arena = arena{}
		}
		return !m.large
	}
	for _, m := range asked {
		n := 0
		for _, k := range m.keys {
			n += len(k)
		}
		if !fits(m, n) {
			continue
		}
		by[m.h.id] = m
		ids = append(ids, m.h.id)
		for _, k := range m.keys {
			of, keys = append(of, m.h.id), append(keys, k)
		}
		for _, space := range m.lasts {
			lo, hi := bounds(space, nil, nil)
			lastOf, los, his = append(lastOf, m.h.id), append(los, lo), append(his, hi)
		}
	}
	queries := []query{{sql: beginWrite}}
	if c.eng.pooled {
		queries = append(queries, query{sql: sqlSettle})
	}
	began := time.Now()
	_, err = c.eng.roundTrip(ctx, s.conn, append(queries, query{sqlLockMany, []any{ids}, func(rows pgx.Rows) error {
		for rows.Next() {
			var id int64
			p := proof{}
			if err := rows.Scan(append([]any{&id}, p.dest()...)...); err != nil {
				return err
			}
			m := by[id]
			if m == nil || p.instance != string(m.h.dbid) || p.stamp < 0 {
				return errAlone // it is told why when it is alone
			}
			m.got.proof = p
			held = append(held, m)
		}
		return nil
	}}, query{sqlBothMany, []any{of, keys, lastOf, los, his}, func(rows pgx.Rows) error {
		for rows.Next() {
			raw := rawValues(rows)
			db, err := bigint(rows, raw[0])
			if err != nil {
				return err
			}
			m := by[db]
			if !fits(m, len(raw[2])+len(raw[3])) {
				continue
			}
			t := &m.got
			if b := raw[1][0]; b == 0 || b == 'f' {
				t.known[string(raw[2])] = t.arena.keep(raw[3])
			} else {
				t.last[engine.Space(raw[2][0])] = lastEntry{t.arena.keep(raw[2][1:]), t.arena.keep(raw[3])}
			}
		}
		return nil
	}}))
	if err != nil {
		return nil, err
	}
	for range held {
		c.eng.figures.lockWait(time.Since(began))
	}
	return slices.DeleteFunc(held, func(m *member) bool { return m.large }), nil
}

// write writes what members have written, commits, and tells them.
func (c *convoy) write(s *session, done []*member) {
	var queries []query
	var in []*member
	var dbs [3][]int64
	var keys, values [3][][]byte
	var refs [][]byte
	size := 0
	for _, m := range done {
		t := m.tx
		if !t.wrote && len(t.over) == 0 {
			m.result <- nil
			continue
		}
		if size+t.total > c.eng.convoyBytes { // of a convoy nothing is sent before
			m.result <- errAlone
			continue
		}
		size += t.total // of those that go: one that is too large does not keep the others from going
		in = append(in, m)
		queries = append(queries, t.queue...)
		for _, k := range slices.Sorted(maps.Keys(t.over)) {
			w := t.over[k]
			as := w.how
			if as == putRef {
				as = put
			}
			dbs[as], keys[as], values[as] = append(dbs[as], m.h.id), append(keys[as], []byte(k)), append(values[as], w.value())
			if as == put {
				refs = append(refs, w.ref) // nil is null
			}
		}
	}
	if len(in) == 0 {
		return
	}
	for how := range keys {
		if keys[how] == nil {
			dbs[how], keys[how], values[how] = []int64{}, [][]byte{}, [][]byte{}
		}
	}
	if refs == nil {
		refs = [][]byte{}
	}
	queries = append(queries, query{sql: sqlWriteMany, args: []any{dbs[remove], keys[remove], dbs[insert], keys[insert], values[insert],
		dbs[put], keys[put], values[put], refs}}, query{sql: "commit"})
	failed, err := c.eng.roundTrip(s.ctx, s.conn, queries)
	switch {
	case err == nil:
	case nothingDone(err, failed == len(queries)-1):
		c.eng.opt.Logger.Debug("what several databases write goes one by one", "error", err)
		err = errAlone
	default:
		c.eng.figures.unknown.Add(int64(len(in)))
		err = final{fmt.Errorf("%w: %w", engine.ErrUnknown, err)}
	}
	for _, m := range in {
		m.result <- err
	}
}

// tryTogether runs a transaction once, with those of other databases if there are any. The error is errAlone or
// errLocked if it was not committed for a reason that is none of the caller's.
func (h *handle) tryTogether(t *tx, fn func(engine.Tx) error) error {
	m := newMember(h, t)
	h.eng.convoys.add(m)
	return m.run(fn)
}

func newMember(h *handle, t *tx) *member {
	return &member{h: h, start: make(chan *convoy, 1), ended: make(chan struct{}), tx: t, outset: make(chan error, 1), result: make(chan error, 1)}
}

// run waits for others, and runs fn with them or alone.
func (m *member) run(fn func(engine.Tx) error) error {
	t, c := m.tx, <-m.start
	if c == nil {
		defer close(m.ended)
		t.member = nil
		return m.h.run(t, fn)
	}
	defer c.leave(m) // fn may panic
	t.convoy, t.member = c, m
	err := fn(t)
	if !t.begun { // it was not let in, or has not come
		return cmp.Or(t.failed, errAlone)
	}
	if t.failed != nil {
		err = t.failed
	} else if err == nil {
		err = t.ctx.Err()
		if err != nil {
			err = final{err}
		}
	} else {
		err = final{err}
	}
	if !c.here(m, deciding, func() { m.done = err == nil }) {
		return errAlone
	}
	if err != nil {
		return err
	}
	return <-m.result
}

// fetchTogether is Fetch in a convoy: the first one is read with what others ask for.
func (t *tx) fetchTogether(keys [][]byte, last []engine.Space) error {
	m := t.member
	if t.failed != nil {
		return t.failed
	}
	if m.asked || t.wrote || len(t.over) > 0 { // what is written is to be seen
		t.failed = errAlone
		return errAlone
	}
	for _, s := range last {
		t.last[s] = lastEntry{}
	}
	m.keys, m.lasts = keys, last
	m.got.known, m.got.last = t.known, t.last
	if !t.convoy.here(m, asking, func() { m.asked = true }) {
		t.failed = errAlone
		return errAlone
	}
	select {
	case err := <-m.outset:
		if t.failed = err; err == nil {
			t.arena, t.proof, t.begun = m.got.arena, m.got.proof, true
		}
	case <-t.ctx.Done(): // nothing is written of it
		t.known, t.last = map[string][]byte{}, map[engine.Space]lastEntry{}
		t.failed = final{t.ctx.Err()}
	}
	return result(t.failed)
}
