package pg

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// Nobody knows what a database takes of a table that all share, so it is counted: that reads all its entries,
// some at a time, and not their long values. What was counted is kept in td_size, for all processes. A small
// database is counted when somebody asks and it has changed. The count of a large one may be old: it is taken
// anew in the background, so seldom that counting takes one part in countShare of the time at most.
//
// A running total would be another row that each commit changes; that becomes slow as soon as somebody reads
// for long.
const (
	countRows  = 10_000 // in one statement
	countSmall = 20_000 // entries that somebody waits for
	countShare = 100
	countAgain = time.Second // is the soonest
	countOld   = time.Hour   // what moves no sequence, such as compaction by another process, counts by then
)

// What PostgreSQL adds to the bytes of an entry and to those of its key in the index, in about; pages of an
// index are not full.
const (
	rowBytes   = 52
	indexBytes = 26
	indexFull  = 0.8
)

const (
	sqlSized = "select d.id, d.parent, d.stamp, s.bytes, s.stamp, s.last, s.took, s.at, clock_timestamp(), x.k from td_db d " +
		"left join td_size s on s.id = d.id left join lateral (select k from td_kv where db = d.id and k >= $2 and k < $3 order by k desc limit 1) x on true "
	sqlSizedID   = sqlSized + "where d.id = $1"
	sqlSizedName = sqlSized + "where d.parent = 0 and d.name = $1 or d.parent = (select id from td_db where parent = 0 and name = $1)"
	// Long values are elsewhere, and their length is known without them.
	sqlMeasure = "select get_byte(k, 0), count(*), sum(octet_length(k)), sum(octet_length(v) + coalesce(octet_length(r), 0))::bigint, (array_agg(k))[count(*)] " +
		"from (select k, v, r from td_kv where db = $1 and k > $2 order by k limit $3) x group by 1"
	// Of two counts the one stays that began later, whichever ends first.
	sqlKeepSize = "insert into td_size (id, bytes, stamp, last, took, at) select id, $2, $3, $4, $5, $6 from td_db where id = $1 " +
		"on conflict (id) do update set bytes = excluded.bytes, stamp = excluded.stamp, last = excluded.last, took = excluded.took, at = excluded.at where td_size.at <= excluded.at"
)

// sized is what is known of the size of a database.
type sized struct {
	id, parent int64
	stamp      int64
	last       []byte // the last key of the sequence
	now        time.Time

	counted bool // what follows is known
	bytes   int64
	at      time.Time
	took    time.Duration
	moved   bool // it has changed since, or may have
}

// sizes reads what is known.
func (e *Engine) sizes(ctx context.Context, sql string, of any) (all []sized, err error) {
	lo, hi := bounds(e.opt.Sequence, nil, nil)
	err = e.rows(ctx, query{sql, []any{of, lo, hi}, func(rows pgx.Rows) error {
		all = all[:0]
		for rows.Next() {
			var s sized
			var size, stamp, took *int64
			var last []byte
			var at *time.Time
			if err := rows.Scan(&s.id, &s.parent, &s.stamp, &size, &stamp, &last, &took, &at, &s.now, &s.last); err != nil {
				return err
			}
			s.moved = true
			if size != nil {
				s.counted, s.bytes, s.at, s.took = true, *size, *at, time.Duration(*took)
				s.moved = *stamp != s.stamp || !bytes.Equal(last, s.last) || s.last == nil
			}
			all = append(all, s)
		}
		return nil
	}})
	return all, err
}

// stale reports whether it is time to count again.
func (s *sized) stale() bool {
	age, rest := s.now.Sub(s.at), max(countAgain, countShare*s.took)
	return !s.counted || age > rest && (s.moved || age > countOld)
}

// size is what a database takes, as far as that is known. It counts if that is quick.
func (e *Engine) size(ctx context.Context, s sized) (int64, error) {
	if !s.stale() {
		return s.bytes, nil
	}
	c := counting{eng: e, of: s}
	if err := c.some(ctx, countSmall); err != nil {
		return 0, err
	}
	if c.done {
		return c.total(), c.keep(ctx)
	}
	e.countSoon(c)
	return max(s.bytes, c.total()), nil // at least
}

// countSoon goes on with a count in the background, one after the other.
func (e *Engine) countSoon(c counting) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.counting[c.of.id] {
		return
	}
	e.counting[c.of.id] = true
	e.background.Go(func() {
		defer func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			delete(e.counting, c.of.id)
		}()
		select {
		case e.counts <- struct{}{}:
			defer func() { <-e.counts }()
		case <-e.living.Done():
			return
		}
		err := c.some(e.living, -1)
		if err == nil {
			err = c.keep(e.living)
		}
		if err != nil && e.living.Err() == nil {
			e.opt.Logger.Debug("cannot count what a database takes", "error", err)
		}
	})
}

// counting is a count under way.
type counting struct {
	eng    *Engine
	of     sized
	spaces [256]engine.Packed
	after  []byte
	took   time.Duration
	done   bool
}

// some counts so many entries, negative: all.
func (c *counting) some(ctx context.Context, rows int) error {
	if c.after == nil {
		c.after = []byte{}
	}
	for !c.done && rows != 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		limit := countRows
		if rows > 0 {
			limit = min(limit, rows)
			rows -= limit
		}
		began, n, read, after := time.Now(), 0, 0, c.after
		part := [256]engine.Packed{}
		err := c.eng.rows(ctx, query{sqlMeasure, []any{c.of.id, c.after, limit}, func(found pgx.Rows) error {
			n, read, after, part = 0, 0, c.after, [256]engine.Packed{}
			for found.Next() {
				var space, entries int
				var keys, values int64
				var last []byte
				if err := found.Scan(&space, &entries, &keys, &values, &last); err != nil {
					return err
				}
				n += entries
				read += int(keys) + int(min(values, int64(entries)<<11))
				part[space].Bytes = keys + values
				part[space].Size = keys + values + rowBytes*int64(entries) + int64(float64(keys+indexBytes*int64(entries))/indexFull)
				if bytes.Compare(last, after) > 0 {
					after = last
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
		for space, p := range part {
			c.spaces[space].Space = engine.Space(space)
			c.spaces[space].Bytes += p.Bytes
			c.spaces[space].Size += p.Size
		}
		c.after, c.done = after, n < limit
		c.took += time.Since(began)
		if err := engine.Throttled(ctx, read); err != nil {
			return err
		}
	}
	return nil
}

func (c *counting) total() (n int64) {
	for _, p := range c.spaces {
		n += p.Size
	}
	return n
}

// keep tells all processes.
func (c *counting) keep(ctx context.Context) error {
	_, err := c.eng.one(ctx, c.eng.writers, nil, query{sql: "begin"}, query{sql: "set local synchronous_commit = off"},
		query{sql: sqlKeepSize, args: []any{c.of.id, c.total(), c.of.stamp, c.of.last, int64(c.took), c.of.now}}, query{sql: "commit"})
	return result(err)
}

// Size is part of engine.Sizer. It may be old, and is an estimate: what PostgreSQL adds to an entry is
// reckoned.
func (h *handle) Size(ctx context.Context) (int64, error) {
	if err := h.enter(ctx); err != nil {
		return 0, err
	}
	defer h.leave()
	all, err := h.eng.sizes(ctx, sqlSizedID, h.id)
	if err != nil {
		return 0, err
	}
	if len(all) == 0 {
		return 0, h.noted(engine.ErrNoDB)
	}
	return h.eng.size(ctx, all[0])
}

// Free is part of engine.Measurer. What is freed of a table is for all databases.
func (h *handle) Free(context.Context) (int64, error) { return 0, nil }

// Packed is part of engine.Measurer.
func (h *handle) Packed(ctx context.Context) ([]engine.Packed, error) {
	c, err := h.count(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(c.spaces[:], func(p engine.Packed) bool { return p.Size == 0 }), nil
}

// Compact is part of engine.Compacter. PostgreSQL gives space back by itself (vacuum); what is left is
// counted, so that the figures are new.
func (h *handle) Compact(ctx context.Context) error {
	_, err := h.count(ctx)
	return err
}

// count counts all, and keeps it.
func (h *handle) count(ctx context.Context) (*counting, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.leave()
	all, err := h.eng.sizes(ctx, sqlSizedID, h.id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, h.noted(engine.ErrNoDB)
	}
	c := &counting{eng: h.eng, of: all[0]}
	if err := c.some(ctx, -1); err != nil {
		return nil, err
	}
	return c, c.keep(ctx)
}

// Stat is part of engine.Stater. What moves no sequence, such as local documents, is not seen in Changed,
// which is a time of the server's clock.
func (e *Engine) Stat(ctx context.Context, name string) (st engine.Stat, err error) {
	if err := e.ready(ctx); err != nil {
		return st, err
	}
	all, err := e.sizes(ctx, sqlSizedName, name)
	if err != nil {
		return st, err
	}
	there := false
	for _, s := range all {
		n, err := e.size(ctx, s)
		if err != nil {
			return st, err
		}
		if s.parent != noParent {
			st.Subs += n
			continue
		}
		there, st.Size = true, n
		if st.Changed = s.at; s.moved {
			st.Changed = s.now
		}
	}
	if !there {
		return st, engine.ErrNoDB
	}
	return st, nil
}
