package pg

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// handle is what a user of a database has.
type handle struct {
	*database

	mu     sync.Mutex // guards what follows
	closed bool
	calls  int
	idle   sync.Cond // calls is 0
}

func newHandle(d *database) *handle {
	h := &handle{database: d}
	h.idle.L = &h.mu
	return h
}

// enter begins a call, which leave ends.
func (h *handle) enter(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed, h.eng.isClosed():
		return engine.ErrClosed
	case h.isGone():
		return engine.ErrNoDB
	case ctx.Err() != nil:
		return ctx.Err()
	}
	h.calls++
	return nil
}

func (h *handle) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls--; h.calls == 0 {
		h.idle.Broadcast()
	}
}

func (h *handle) ID() engine.DBID { return h.dbid }

func (h *handle) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	for h.calls > 0 {
		h.idle.Wait()
	}
	h.mu.Unlock()
	h.eng.release(h.database)
	return nil
}

// noted notes what an error says about the database.
func (h *handle) noted(err error) error {
	if errors.Is(err, engine.ErrNoDB) {
		h.eng.forget(h.database)
	}
	return err
}

func (h *handle) View(ctx context.Context, fn func(engine.Reader) error) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer h.leave()
	r := &reader{session: session{ctx: ctx, db: h.database, pool: h.eng.readers, begin: beginRead, there: sqlThere}, pace: engine.NewPace(ctx)}
	defer r.end()
	err := fn(r)
	if r.failed == nil {
		return err
	}
	return h.noted(result(r.failed))
}

func (h *handle) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer h.leave()
	if err := h.lock(ctx); err != nil {
		return err
	}
	defer h.unlock()
	if h.isGone() {
		return engine.ErrNoDB
	}
	err, unsure := errAlone, h.unsure.Load()
	if h.parent == noParent && !unsure && time.Now().UnixNano() >= h.alone.Load() { // others build an index, which reads much
		for n := 0; n == 0 || n < convoyTries && errors.Is(err, errLocked); n++ {
			err = h.tryTogether(h.newTx(ctx), fn)
		}
	}
	if errors.Is(err, errAlone) || errors.Is(err, errLocked) || err != nil && !isFinal(err) && passing(err) {
		err = h.eng.retry(ctx, h.eng.opt.Patience, func() error { return h.run(h.newTx(ctx), fn) })
	} else {
		err = result(err)
	}
	switch {
	case err == nil:
		h.eng.news.committed(h.database)
		if unsure {
			h.unsure.Store(false)
		}
	case errors.Is(err, engine.ErrUnknown):
		h.unsure.Store(true)
	}
	return h.noted(err)
}

func (h *handle) newTx(ctx context.Context) *tx {
	return &tx{
		reader: reader{session: session{ctx: ctx, db: h.database, pool: h.eng.writers, begin: beginWrite, there: sqlLock}, pace: engine.NewPace(ctx)},
		over:   map[string]write{}, known: map[string][]byte{}, last: map[engine.Space]lastEntry{},
	}
}

// run runs a transaction once.
func (h *handle) run(t *tx, fn func(engine.Tx) error) (err error) {
	ctx := t.ctx
	defer t.end()
	if err := fn(t); err != nil && t.failed == nil {
		return final{err}
	}
	if t.failed != nil {
		return t.failed
	}
	if err := ctx.Err(); err != nil {
		return final{err}
	}
	t.flush()
	if !t.begun {
		// What is queued is sent when it is known that the lock is held.
		if err := t.sendAlone(); err != nil {
			return err
		}
	}
	return t.commit()
}

// sendAlone locks, before what is queued is sent.
func (t *tx) sendAlone() error {
	queue := t.queue
	t.queue = nil
	err := t.session.send()
	t.queue = queue
	return err
}

// commit sends what is queued, and the commit.
func (t *tx) commit() error {
	if !t.wrote {
		if !t.db.unsure.Load() {
			return nil // it is undone, and has done nothing
		}
		t.queue = append(t.queue, query{sql: sqlConfirmRow, args: []any{t.db.id}}) // what it has read may be all that the caller wants to know
	}
	queries := append(t.queue, query{sql: "commit"})
	failed, err := t.db.eng.roundTrip(context.WithoutCancel(t.ctx), t.conn, queries) // the outcome is worth more than the time
	switch {
	case err == nil:
		return nil
	case nothingDone(err, failed == len(queries)-1):
		return err
	}
	t.db.eng.figures.unknown.Add(1)
	return final{fmt.Errorf("%w: %w", engine.ErrUnknown, err)}
}

// nothingDone tells of an error of the round trip that ends with a commit, whether nothing was committed for
// certain; last says that it is the error of the commit.
func nothingDone(err error, last bool) bool {
	return answered(err) && (!last || !fatal(err)) || notSent(err)
}

// stageBytes and stageRows are how much Stage writes in one transaction.
const (
	stageBytes = 4 << 20
	stageRows  = 1024
)

func (h *handle) Stage(ctx context.Context, s engine.Space, kvs iter.Seq2[[]byte, []byte]) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer h.leave()
	next, stop := iter.Pull2(kvs)
	defer stop()
	for more := true; more; {
		batch := map[string][]byte{}
		for size := 0; size < stageBytes && len(batch) < stageRows; {
			k, v, ok := next()
			if more = ok; !ok {
				break
			}
			if len(k) == 0 || len(k) > maxKey || len(v) > maxValue {
				return engine.ErrTooLarge
			}
			size += len(k) + len(v)
			batch[string(full(s, k))] = append([]byte{}, v...)
		}
		if err := h.stage(ctx, batch); err != nil {
			return h.noted(err)
		}
	}
	return nil
}

// stage writes values in the order of their keys, as everybody does, so that no two wait for each other.
func (h *handle) stage(ctx context.Context, batch map[string][]byte) error {
	keys, values := make([][]byte, 0, len(batch)), make([][]byte, 0, len(batch))
	for k := range batch {
		keys = append(keys, []byte(k))
	}
	slices.SortFunc(keys, func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
	for _, k := range keys {
		values = append(values, batch[string(k)])
	}
	return h.eng.retry(ctx, h.eng.opt.Patience, func() error {
		s := &session{ctx: ctx, db: h.database, pool: h.eng.writers, begin: beginWrite, there: sqlKeep}
		defer s.end()
		if err := s.send(); err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		return s.send(query{sql: sqlPut, args: []any{h.id, keys, values}}, query{sql: "commit"})
	})
}
