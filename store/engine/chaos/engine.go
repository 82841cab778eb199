package chaos

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Options say what goes wrong; the zero value means nothing does.
type Options struct {
	Seed uint64
	// Rerun is the probability that an Update first runs its function once for nothing, on
	// good reads, before the run that counts.
	Rerun float64
	// Unknown is the probability that an Update returns engine.ErrUnknown; half of these have
	// committed.
	Unknown float64
	// DropNotices is the probability that a notification is lost, and comes as late as one that is found
	// by polling (Late).
	DropNotices float64
	// Late is how long that takes (100 ms).
	Late time.Duration
	// FailCall is the call (Get, Scan, Put, commit, ...) that fails with
	// engine.ErrUnavailable, counted from 1 over the whole engine; 0 is none.
	FailCall int
	// Alone says that no other process writes to the databases.
	Alone bool
	// Scanning, if not nil, is called before a range is scanned, and may delay it.
	Scanning func(engine.Space, engine.Range)
	// MaxKey and MaxValue are the limits (1,024 and 16 MiB).
	MaxKey, MaxValue int
}

// Engine is a set of databases in memory.
type Engine struct {
	opt Options

	mu     sync.Mutex // guards what follows
	random *mathrand.Rand
	calls  int
	away   int // calls from this one on fail, 0: none
	dbs    map[string]*database
	asides map[*database]bool
	held   []byte // the note of a hold, else nil
	closed bool
	era    uint64 // PutBack has begun it

	seen atomic.Uint64 // the era that was read last
}

// New makes an empty engine.
func New(opt Options) *Engine {
	if opt.MaxKey == 0 {
		opt.MaxKey = 1024
	}
	if opt.Late == 0 {
		opt.Late = 100 * time.Millisecond
	}
	if opt.MaxValue == 0 {
		opt.MaxValue = 16 << 20
	}
	return &Engine{opt: opt, random: mathrand.New(mathrand.NewPCG(opt.Seed, 1)), dbs: map[string]*database{}, asides: map[*database]bool{}}
}

// Calls is how many calls there were; a greater FailCall fails nothing.
func (e *Engine) Calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

// Calm ends all faults, so that a test can look at their effects.
func (e *Engine) Calm() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opt.Rerun, e.opt.Unknown, e.opt.DropNotices, e.opt.FailCall, e.away = 0, 0, 0, 0, 0
}

// Away has all calls fail with engine.ErrUnavailable after so many more, until Calm.
func (e *Engine) Away(after int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = e.calls + 1 + after
}

// call counts a call and fails it if it is the one to fail.
func (e *Engine) call() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.calls == e.opt.FailCall || e.away > 0 && e.calls >= e.away {
		return fmt.Errorf("%w: call %d fails", engine.ErrUnavailable, e.calls)
	}
	return nil
}

// chance draws with a probability that it reads under the lock.
func (e *Engine) chance(of func(Options) float64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := of(e.opt)
	return p > 0 && e.random.Float64() < p
}

func (e *Engine) Caps() engine.Caps {
	return engine.Caps{MaxKey: e.opt.MaxKey, MaxValue: e.opt.MaxValue, MaxTxBytes: 1 << 20, Shared: !e.opt.Alone}
}

func (e *Engine) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	d := newDatabase(e)
	t := &tx{reader: reader{eng: e, s: d.spaces, pace: engine.NewPace(ctx)}}
	if err := t.run(func(tx engine.Tx) error { return putAll(tx, first) }); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, engine.ErrClosed
	}
	if e.dbs[name] != nil {
		return nil, engine.ErrExists
	}
	if e.held != nil {
		return nil, engine.ErrHeld
	}
	e.dbs[name] = d
	return &handle{database: d, name: name}, nil
}

func putAll(tx engine.Tx, entries []engine.Entry) error {
	for _, e := range entries {
		if err := tx.Put(e.Space, e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

func newDatabase(e *Engine) *database {
	id := make([]byte, 16)
	rand.Read(id)
	e.mu.Lock()
	defer e.mu.Unlock()
	return &database{eng: e, id: engine.DBID(hex.EncodeToString(id)), spaces: &snapshot{era: e.era}}
}

func (e *Engine) Open(ctx context.Context, name string) (engine.DB, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, engine.ErrClosed
	}
	d := e.dbs[name]
	if d == nil {
		return nil, engine.ErrNoDB
	}
	return &handle{database: d, name: name}, nil
}

// aside is a database that nobody else knows yet.
type aside struct {
	*handle
	published bool
}

func (e *Engine) Aside(ctx context.Context, name string) (engine.Aside, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	d := newDatabase(e)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != nil {
		return nil, engine.ErrHeld
	}
	if e.closed {
		return nil, engine.ErrClosed
	}
	e.asides[d] = true
	return &aside{handle: &handle{database: d, name: name}}, nil
}

func (a *aside) Publish(ctx context.Context) error { return a.publish(ctx, false) }
func (a *aside) Replace(ctx context.Context) error { return a.publish(ctx, true) }

func (a *aside) publish(ctx context.Context, replace bool) error {
	defer a.Close()
	e := a.eng
	if err := errors.Join(a.ready(ctx), e.call()); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != nil {
		return engine.ErrHeld
	}
	if e.closed {
		return engine.ErrClosed
	}
	if e.dbs[a.name] != nil && !replace {
		return engine.ErrExists
	}
	e.remove(a.name)
	e.dbs[a.name] = a.database
	delete(e.asides, a.database)
	a.published = true
	return nil
}

func (a *aside) Close() error {
	if err := a.handle.Close(); err != nil || a.published {
		return err
	}
	a.eng.mu.Lock()
	defer a.eng.mu.Unlock()
	if a.eng.asides[a.database] {
		delete(a.eng.asides, a.database)
		a.drop()
	}
	return nil
}

// subMark stands between the name of a database and the name of a sub-database.
const subMark = "\x00"

func (e *Engine) Drop(ctx context.Context, name string) error {
	if err := e.call(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != nil {
		return engine.ErrHeld
	}
	if e.closed {
		return engine.ErrClosed
	}
	if e.dbs[name] == nil {
		return engine.ErrNoDB
	}
	e.remove(name)
	return nil
}

// remove removes a database and its sub-databases. The caller holds mu.
func (e *Engine) remove(name string) {
	for other, d := range e.dbs {
		if other == name || strings.HasPrefix(other, name+subMark) {
			d.drop()
			delete(e.dbs, other)
		}
	}
}

func (e *Engine) List(ctx context.Context, after string, limit int) ([]string, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, engine.ErrClosed
	}
	var names []string
	for name := range e.dbs {
		if name > after && !strings.Contains(name, subMark) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if limit >= 0 && limit < len(names) {
		names = names[:limit]
	}
	return names, nil
}

// Newest is part of engine.Newest.
func (e *Engine) Newest(ctx context.Context, s engine.Space, after string, limit int, fn func(name string, id engine.DBID, k []byte) error) error {
	names, err := e.List(ctx, after, limit)
	for _, name := range names {
		if err != nil {
			return err
		}
		e.mu.Lock()
		d := e.dbs[name]
		e.mu.Unlock()
		if d == nil {
			continue
		}
		now, _ := d.now()
		var last []byte
		if list := now.spaces[s&31]; len(list) > 0 {
			last = append([]byte{}, list[len(list)-1].k...)
		}
		err = fn(name, d.id, last)
	}
	return err
}

func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, d := range e.dbs {
		d.close()
	}
	for d := range e.asides {
		d.close()
	}
	return nil
}
