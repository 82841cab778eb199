package chaos

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// database is the state that all handles to a name share.
type database struct {
	eng *Engine
	id  engine.DBID

	write sync.Mutex // one Update at a time

	mu       sync.Mutex // guards what follows
	spaces   *snapshot  // never changed, only replaced
	watchers map[*watcher]struct{}
	gone     error
}

func (d *database) drop()  { d.end(engine.ErrNoDB) }
func (d *database) close() { d.end(engine.ErrClosed) }

func (d *database) end(why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone == nil {
		d.gone = why
	}
	d.wake()
}

// wake wakes the watchers. The caller holds mu.
func (d *database) wake() {
	for w := range d.watchers {
		select {
		case w.c <- struct{}{}:
		default:
		}
	}
}

// wakeLate wakes those who still watch after a while. The caller holds mu.
func (d *database) wakeLate(after time.Duration) {
	time.AfterFunc(after, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.wake()
	})
}

func (d *database) now() (*snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spaces, d.gone
}

// handle is what a user of a database has.
type handle struct {
	*database
	name string

	mu     sync.Mutex // guards closed
	closed bool
}

func (h *handle) ID() engine.DBID { return h.id }

func (h *handle) ready(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return engine.ErrClosed
	}
	return ctx.Err()
}

func (h *handle) View(ctx context.Context, fn func(engine.Reader) error) error {
	if err := errors.Join(h.ready(ctx), h.eng.call()); err != nil {
		return err
	}
	s, err := h.now()
	if err != nil {
		return err
	}
	r := &reader{eng: h.eng, s: s, pace: engine.NewPace(ctx)}
	defer r.end()
	return fn(r)
}

func (h *handle) Update(ctx context.Context, fn func(engine.Tx) error) error {
	h.write.Lock()
	defer h.write.Unlock()
	if err := errors.Join(h.ready(ctx), h.eng.call()); err != nil {
		return err
	}
	if h.eng.isHeld() {
		return engine.ErrHeld
	}
	s, err := h.now()
	if err != nil {
		return err
	}
	runs := 1
	if h.eng.chance(func(o Options) float64 { return o.Rerun }) {
		runs = 2
	}
	var t *tx
	for range runs {
		t = &tx{reader: reader{eng: h.eng, s: s.clone(), pace: engine.NewPace(ctx)}}
		if err := t.run(fn); err != nil {
			return err
		}
	}
	if err := errors.Join(ctx.Err(), h.eng.call()); err != nil {
		return err
	}
	unknown := h.eng.chance(func(o Options) float64 { return o.Unknown })
	if unknown && h.eng.chance(func(Options) float64 { return 0.5 }) {
		return fmt.Errorf("%w: it did not", engine.ErrUnknown)
	}
	lost := h.eng.chance(func(o Options) float64 { return o.DropNotices })
	h.database.mu.Lock()
	defer h.database.mu.Unlock()
	if h.gone != nil {
		return h.gone
	}
	h.spaces = t.s
	if lost {
		h.wakeLate(h.eng.opt.Late)
	} else {
		h.wake()
	}
	if unknown {
		return fmt.Errorf("%w: it did", engine.ErrUnknown)
	}
	return nil
}

func (h *handle) Stage(ctx context.Context, s engine.Space, kvs iter.Seq2[[]byte, []byte]) error {
	var keys, values [][]byte
	for k, v := range kvs {
		keys, values = append(keys, append([]byte{}, k...)), append(values, append([]byte{}, v...))
	}
	for n := 0; ; n++ { // to write the same twice does no harm
		err := h.Update(ctx, func(t engine.Tx) error {
			for i := range keys {
				if err := t.Put(s, keys[i], values[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, engine.ErrUnknown) || n == 10 {
			return err
		}
	}
}

func (h *handle) Sub(ctx context.Context, name string) (engine.DB, error) {
	if err := errors.Join(h.ready(ctx), h.eng.call()); err != nil {
		return nil, err
	}
	made := newDatabase(h.eng)
	h.eng.mu.Lock() // while it is held nobody drops the database
	defer h.eng.mu.Unlock()
	if _, err := h.now(); err != nil {
		return nil, err
	}
	full := h.name + subMark + name
	d := h.eng.dbs[full]
	if d == nil {
		d = made
		h.eng.dbs[full] = d
	}
	return &handle{database: d, name: full}, nil
}

func (h *handle) DropSub(ctx context.Context, name string) error {
	if err := errors.Join(h.ready(ctx), h.eng.call()); err != nil {
		return err
	}
	h.eng.mu.Lock()
	defer h.eng.mu.Unlock()
	if _, err := h.now(); err != nil {
		return err
	}
	if h.eng.held != nil {
		return engine.ErrHeld
	}
	h.eng.remove(h.name + subMark + name)
	return nil
}

func (h *handle) Watch() engine.Watcher {
	w := &watcher{c: make(chan struct{}, 1), of: h.database}
	h.database.mu.Lock()
	defer h.database.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[*watcher]struct{}{}
	}
	h.watchers[w] = struct{}{}
	return w
}

func (h *handle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return nil
}

type watcher struct {
	c  chan struct{}
	of *database
}

func (w *watcher) C() <-chan struct{} { return w.c }

func (w *watcher) Close() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	delete(w.of.watchers, w)
}
