package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// watcher wakes who watches a database.
type watcher struct {
	c  chan struct{} // of capacity one: wake-ups merge
	of *database
}

func (w *watcher) C() <-chan struct{} { return w.c }

func (w *watcher) Close() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	delete(w.of.watchers, w)
}

// Watch tells of this process's commits at once, and of those of others when a notification comes, or when
// they are found by asking, which happens each second. What is found by asking is that the last key of the
// sequence or the stamp has moved, or that the database is gone; in a sub-database, and where no sequence is
// known, there may have been a commit each time.
func (h *handle) Watch() engine.Watcher {
	w := &watcher{c: make(chan struct{}, 1), of: h.database}
	h.database.mu.Lock()
	defer h.database.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[*watcher]struct{}{}
	}
	h.watchers[w] = struct{}{}
	h.eng.news.watched()
	return w
}

// seen is what was last found of a database by asking.
type seen struct {
	known bool
	stamp int64
	last  string // the last key of the sequence
}

const (
	pollEvery     = time.Second
	pollDeafEvery = 200 * time.Millisecond // where nothing can be heard
)

const sqlPoll = "select d.id, d.stamp, x.k from td_db d left join lateral " +
	"(select k from td_kv where db = d.id and k >= $2 and k < $3 order by k desc limit 1) x on true where d.id = any($1::bigint[])"

// poll asks for all databases that are watched whether they have changed, in one query.
func (e *Engine) poll(ctx context.Context) error {
	watched := map[int64]*database{}
	e.mu.Lock()
	for id, d := range e.open {
		d.mu.Lock()
		if len(d.watchers) > 0 && !d.gone {
			watched[id] = d
		}
		d.mu.Unlock()
	}
	e.mu.Unlock()
	if len(watched) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(watched))
	for id := range watched {
		ids = append(ids, id)
	}
	conn, err := e.readers.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	lo, hi := bounds(e.opt.Sequence, nil, nil)
	_, err = e.roundTrip(ctx, conn, []query{{sqlPoll, []any{ids, lo, hi}, func(rows pgx.Rows) error {
		for rows.Next() {
			var id int64
			var now seen
			var last []byte
			if err := rows.Scan(&id, &now.stamp, &last); err != nil {
				return err
			}
			now.last, now.known = string(last), true
			if d := watched[id]; d != nil {
				d.found(now, e.opt.Sequence == 0 || d.parent > 0)
			}
			delete(watched, id)
		}
		return nil
	}}})
	if err != nil {
		return err
	}
	for _, d := range watched { // their rows are not there
		e.forget(d)
	}
	return nil
}

// found takes in what asking has found, and wakes who watches if that is new, or may be.
func (d *database) found(now seen, always bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now != d.seen || always {
		d.seen = now
		d.wakeLocked()
	}
}
