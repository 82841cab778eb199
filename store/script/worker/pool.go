package worker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/fair"
	"github.com/tododb/tododb/store/script"
)

// Options limit what functions may take.
type Options struct {
	// Timeout is how long one call may take; for a map function it is per document; 0:
	// script.DefaultTimeout. On a busy machine only the time on a processor counts, up to
	// patience times Timeout.
	Timeout time.Duration
	// Memory is the most bytes of one worker, 0: DefaultMemory; TotalMemory is the most of all
	// together, 0: DefaultTotalMemory.
	Memory, TotalMemory int64
	// Workers is the most processes at once; 0: DefaultWorkers. It is raised to the least that
	// all kinds of calls need.
	Workers int
	// Idle is how long an unused worker is kept; 0: DefaultIdle.
	Idle time.Duration
	// Reductions says what becomes of reduce functions whose results grow too fast.
	Reductions script.Reductions
	// Folder is an empty working directory for workers. It is made if need be, and removed by
	// Close. "": one of the system's, which a crash leaves behind.
	Folder string
	// Log receives what functions log; nil: it is lost.
	Log *slog.Logger
}

// Defaults.
const (
	DefaultMemory      = 256 << 20
	DefaultTotalMemory = 1 << 30
	DefaultWorkers     = 50
	DefaultIdle        = 5 * time.Minute

	leastWorkers = 8
	leastMemory  = 64 << 20
)

// Pool runs functions in workers: it is a script.Host. Close ends it.
type Pool struct {
	opt Options
	dir string // empty, the working directory of workers

	watch   *watch
	closing chan struct{}
	done    sync.WaitGroup // goroutines of the pool

	slots [classes]*fair.Slots
	calls [classes]atomic.Int64
	kills [causes]atomic.Int64
	died  atomic.Int64 // workers that ended by themselves
	began atomic.Int64 // workers that were started

	mu       sync.Mutex // guards what follows
	closed   bool
	all      map[*process]struct{}
	idle     []*process // with code; the last is the most recently used
	spare    []*process
	spawning bool // a spare
	renewed  int  // how often all processes were to be new ones
}

// code is what a worker runs.
type code struct {
	key  [sha256.Size]byte
	kind byte // of the frame that loads it
	load func(b []byte) []byte
}

func newCode(owner string, kind byte, load func(b []byte) []byte) *code {
	return &code{sha256.Sum256(load(appendBytes([]byte{kind}, owner))), kind, load}
}

// New makes a Pool. It starts no process before the first call.
func New(opt Options) (*Pool, error) {
	if opt.Timeout <= 0 {
		opt.Timeout = script.DefaultTimeout
	}
	if opt.Memory <= 0 {
		opt.Memory = DefaultMemory
	}
	if opt.TotalMemory <= 0 {
		opt.TotalMemory = DefaultTotalMemory
	}
	if opt.Workers <= 0 {
		opt.Workers = DefaultWorkers
	}
	if opt.Idle <= 0 {
		opt.Idle = DefaultIdle
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	opt.Memory, opt.Workers = max(opt.Memory, leastMemory), max(opt.Workers, leastWorkers)
	opt.TotalMemory = max(opt.TotalMemory, opt.Memory)
	p := &Pool{opt: opt, closing: make(chan struct{}), all: map[*process]struct{}{}}
	// No class may have so many slots that others must wait for its workers.
	cores := runtime.GOMAXPROCS(0)
	builds := min(cores, opt.Workers/4)
	some := max(2, min(4*cores, (opt.Workers-builds-2)/2))
	rest := opt.Workers - builds - some - 2 // lists wait for their clients
	p.slots = [classes]*fair.Slots{
		single:   fair.New(fair.Options{Slots: some, Share: max(1, some/2)}),
		building: fair.New(fair.Options{Slots: builds}),
		listing:  fair.New(fair.Options{Slots: rest, Share: max(1, rest/2)}),
	}
	var err error
	if p.dir = opt.Folder; p.dir == "" {
		p.dir, err = os.MkdirTemp("", "tododb-empty-")
	} else {
		err = os.MkdirAll(p.dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("create the working directory of function processes: %w", err)
	}
	_ = os.Chmod(p.dir, 0o500) // it is empty anyway
	closeOnExec()
	p.watch = newWatch(p)
	p.done.Go(p.watch.run)
	return p, nil
}

// Close ends all workers and waits for them. Later calls fail with ErrClosed.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.done.Wait()
		return nil
	}
	p.closed = true
	close(p.closing)
	for _, s := range p.slots {
		s.Close()
	}
	for w := range p.all {
		w.kill(closing)
	}
	p.mu.Unlock()
	p.done.Wait()
	return os.Remove(p.dir)
}

// Renew is part of script.Host: processes that are in a call end after it, and all others now.
func (p *Pool) Renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.renewed++
	for _, list := range []*[]*process{&p.idle, &p.spare} {
		for _, w := range *list {
			w.kill(retired)
		}
		*list = nil
	}
}

// add counts a process in, and a goroutine waits for its end; false: the pool is closed.
func (p *Pool) add(w *process) bool {
	p.began.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[w], w.renewed = struct{}{}, p.renewed
	p.done.Go(func() { p.reap(w) })
	return !p.closed
}

// reap waits for the end of a process.
func (p *Pool) reap(w *process) {
	_ = w.cmd.Wait() // ProcessState has the result
	close(w.exited)
	p.mu.Lock()
	delete(p.all, w)
	for _, list := range []*[]*process{&p.idle, &p.spare} {
		if i := slices.Index(*list, w); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
		}
	}
	p.mu.Unlock()
	_ = errors.Join(w.in.Close(), w.out.Close())
	w.meter.close()
}

// tries is how often a call is made if its workers keep ending.
const tries = 3

// do gives a call a worker with its code. It repeats the call elsewhere if the worker ends for
// a reason other than the call.
func (p *Pool) do(ctx context.Context, c class, owner string, code *code, call func(w *process) error) error {
	leave, err := p.slot(ctx, c, owner)
	if err != nil {
		return err
	}
	defer leave()
	p.calls[c].Add(1)
	for range tries {
		var w *process
		if w, err = p.worker(ctx, code); err == nil {
			err = p.lend(ctx, w, call)
		}
		if !errors.Is(err, errEnded) {
			return err
		}
	}
	p.opt.Log.Error("a design function ends its process", "error", err)
	return stoppedError("the process of the function has ended")
}

// lend has a worker make a call, and takes it back. If the call panics, nobody knows what the worker waits for.
func (p *Pool) lend(ctx context.Context, w *process, call func(w *process) error) (err error) {
	whole := false
	defer func() {
		w.end()
		if !whole {
			w.kill(retired)
			return
		}
		p.giveBack(w, err)
	}()
	w.begin(ctx)
	err = call(w)
	whole = true
	return err
}

// worker returns a worker with code loaded: a warm one, or a new one.
func (p *Pool) worker(ctx context.Context, code *code) (*process, error) {
	if w := p.warm(code); w != nil {
		return w, nil
	}
	w := p.fresh()
	if w == nil {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.done.Done()
		p.makeRoom()
		var err error
		if w, err = p.start(ctx); err != nil {
			return nil, fmt.Errorf("start a function process: %w", err)
		}
	}
	w.code = code
	w.begin(ctx)
	_, err := w.ask(code.kind, code.load)
	w.end()
	if err != nil {
		w.kill(retired)
		return nil, err
	}
	return w, nil
}

// enter allows the caller to start a process; Close waits for them.
func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return script.ErrClosed
	}
	p.done.Add(1)
	return nil
}

// warm takes a worker that already has the code.
func (p *Pool) warm(code *code) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range slices.Backward(p.idle) {
		if w := p.idle[i]; w.code.key == code.key {
			p.idle = slices.Delete(p.idle, i, i+1)
			return w
		}
	}
	return nil
}

// fresh takes a worker without code, and makes sure that there is soon another.
func (p *Pool) fresh() (w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.spare); n > 0 {
		w = p.spare[n-1]
		p.spare = p.spare[:n-1]
	}
	if !p.spawning && !p.closed && len(p.spare) == 0 {
		p.spawning = true
		p.done.Go(p.spawn)
	}
	return w
}

// spawn starts a spare.
func (p *Pool) spawn() {
	p.makeRoom()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w, err := p.start(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spawning = false
	if err == nil && w.renewed != p.renewed {
		w.kill(retired)
	} else if err == nil {
		w.last = time.Now()
		p.spare = append(p.spare, w)
	}
}

// makeRoom ends the least recently used idle worker if the pool is full. There always is one:
// fewer workers than the limit are in calls.
func (p *Pool) makeRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	alive := 0
	for w := range p.all {
		if cause(w.cause.Load()) == unasked {
			alive++
		}
	}
	for alive >= p.opt.Workers && p.dropOldest() { // several may have started at once
		alive--
	}
}

// dropOldest ends the least recently used idle worker; false: none is idle. The caller holds
// mu.
func (p *Pool) dropOldest() bool {
	list := &p.idle
	if len(*list) == 0 {
		list = &p.spare
	}
	if len(*list) == 0 {
		return false
	}
	(*list)[0].kill(retired)
	*list = slices.Delete(*list, 0, 1)
	return true
}

// giveBack takes a worker back after a call, failed or not. It ends the worker if the error may
// have left something behind, or if the worker has grown.
func (p *Pool) giveBack(w *process, err error) {
	stopped, isScript := errors.AsType[*script.Error](err)
	switch {
	case err != nil && (!isScript || stopped.Kind == script.Stopped):
		w.kill(retired)
		return
	case w.grown():
		w.kill(retired)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || cause(w.cause.Load()) != unasked {
		return
	}
	if w.renewed != p.renewed {
		w.kill(retired)
		return
	}
	select {
	case <-w.exited:
		return
	default:
	}
	w.last = time.Now()
	p.idle = append(p.idle, w)
}

// grown reports whether a worker holds too much: half of its limit.
func (w *process) grown() bool {
	now := time.Now()
	if now.Sub(w.measured) < measureEvery {
		return false
	}
	w.measured = now
	if n, ok := w.meter.size(); ok {
		w.size.Store(n)
	}
	return w.size.Load() > w.pool.opt.Memory/2
}

// measureEvery is how often a worker with short calls is measured.
const measureEvery = 50 * time.Millisecond
