package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/script"
)

// cause is why a worker was made to end.
type cause int32

const (
	unasked   cause = iota // it was not
	retired                // no longer needed, or grown
	withdrawn              // the caller is gone
	timedOut
	tooLarge
	overBudget // all workers together have too much memory
	misspoke   // it sent something invalid
	closing
	causes int = iota
)

// errEnded says that a worker ended for a reason other than its call, which may be repeated
// elsewhere.
var errEnded = errors.New("worker: the process has exited")

// process is a worker. It belongs to one call, or to the pool.
type process struct {
	pool   *Pool
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	recv   frameReader
	b      []byte // of the frame being built
	size   atomic.Int64
	logged int       // bytes it has logged in this call
	code   *code     // the code it runs; nil: none yet
	filter *filter   // the filter it has; nil: none
	last   time.Time // when its last call ended

	measured time.Time // when its size was read after a call
	renewed  int       // pool.renewed when it was started

	cause  atomic.Int32
	exited chan struct{} // closed when the process has been waited for
	said   said          // on standard error

	mu    sync.Mutex // guards the fields of the watch
	ctx   context.Context
	began time.Time // when the present work began; zero: there is none
	turn  uint64    // another one whenever work begins, goes on or ends: some clocks stand still for a while
	cpu   time.Duration
	known bool // cpu was read soon after began

	meter *meter // the watch's
}

// said keeps the beginning of a worker's standard error.
type said struct {
	mu sync.Mutex
	b  []byte
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := 1024 - len(s.b); n > 0 {
		s.b = append(s.b, b[:min(n, len(b))]...)
	}
	return len(b), nil
}

func (s *said) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.b, []byte(text))
}

// outputOf is the most bytes that one call may produce in a worker with this much memory: the
// server has to hold them too.
func outputOf(memory int64) int { return int(min(memory/8, 64<<20)) }

// maxAnswer is the greatest length of such a worker's frames: rows also carry their ordered
// keys.
func maxAnswer(memory int64) int { return min(4*outputOf(memory)+(1<<20), maxFrame) }

// start starts a worker and waits until it is ready.
func (p *Pool) start(ctx context.Context) (_ *process, err error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, childIn.Close(), in.Close())
	}
	w := &process{pool: p, in: in, out: out, recv: frameReader{r: out, max: maxAnswer(p.opt.Memory)}, exited: make(chan struct{})}
	w.cmd = &exec.Cmd{
		Path: path, Args: []string{"tododb", command, strconv.FormatInt(p.opt.Memory, 10), string(p.opt.Reductions)},
		Env: []string{}, Dir: p.dir, Stdin: childIn, Stdout: childOut, Stderr: &w.said,
		SysProcAttr: attributes(), WaitDelay: time.Second,
	}
	err = w.cmd.Start()
	err = errors.Join(err, childIn.Close(), childOut.Close())
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	w.meter = openMeter(w.cmd.Process.Pid)
	if !p.add(w) {
		w.kill(closing)
	}
	if err := confineStarted(w.cmd.Process, p.opt.Memory); err != nil {
		w.kill(retired)
		return nil, err
	}
	w.begin(ctx)
	kind, b, err := w.next()
	w.end()
	if err == nil {
		f := fields{b: b}
		if n := f.number(); kind != ready || n != version || f.end() != nil {
			w.kill(misspoke)
			err = fmt.Errorf("%w: the program has another version", errFrame)
		}
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// kill ends the process. The first cause is kept.
func (w *process) kill(why cause) {
	if w.cause.CompareAndSwap(int32(unasked), int32(why)) {
		w.pool.kills[why].Add(1)
		_ = w.cmd.Process.Kill() // it may already have ended
	}
}

// killIn is kill while the process is in the work of a turn, and nothing in any other.
func (w *process) killIn(turn uint64, why cause) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.turn == turn {
		w.kill(why)
	}
}

// begin tells the watch that the worker's work now has a waiting caller.
func (w *process) begin(ctx context.Context) {
	w.logged = 0
	w.mu.Lock()
	w.ctx, w.began, w.known = ctx, time.Now(), false
	w.turn++
	w.mu.Unlock()
	w.pool.watch.awake()
}

// progress restarts the clock.
func (w *process) progress() {
	w.mu.Lock()
	if !w.began.IsZero() {
		w.began, w.known = time.Now(), false
		w.turn++
	}
	w.mu.Unlock()
}

func (w *process) end() {
	w.mu.Lock()
	w.ctx, w.began = nil, time.Time{}
	w.turn++
	w.mu.Unlock()
}

// send makes a request.
func (w *process) send(kind byte, fields func(b []byte) []byte) error {
	w.b = fields(appendFrame(w.b[:0], kind))
	if err := endFrame(w.b, 0); err != nil {
		return &script.Error{Kind: script.Stopped, Word: "os_process_error", Reason: "the document is too large for a function", Fatal: true}
	}
	_, err := w.in.Write(w.b)
	if cap(w.b) > keptAtMost {
		w.b = nil
	}
	if err != nil {
		return w.ended()
	}
	return nil
}

// next returns the next frame of an answer; a failure becomes an error. It logs what the worker
// logs.
func (w *process) next() (kind byte, b []byte, err error) {
	for {
		kind, b, err = w.recv.next()
		if err != nil {
			if errors.Is(err, errFrame) {
				w.kill(misspoke)
			}
			return 0, nil, w.ended()
		}
		f := fields{b: b}
		switch kind {
		case logged:
			if err := w.log(&f); err != nil {
				w.kill(misspoke)
				return 0, nil, w.ended()
			}
		case failure:
			e := f.error()
			if f.end() != nil {
				w.kill(misspoke)
				return 0, nil, w.ended()
			}
			return 0, nil, e
		default:
			return kind, b, nil
		}
	}
}

// misunderstood ends a worker that sent an answer to something else.
func (w *process) misunderstood() error {
	w.kill(misspoke)
	return w.ended()
}

// ask makes a request whose answer is one result.
func (w *process) ask(kind byte, put func(b []byte) []byte) (*fields, error) {
	if err := w.send(kind, put); err != nil {
		return nil, err
	}
	got, b, err := w.next()
	if err == nil && got != result {
		err = w.misunderstood()
	}
	return &fields{b: b}, err
}

// The most that a worker may log at once, and in one call; the rest is dropped. A worker limits
// its functions' logs itself, but they may have taken it over.
const (
	maxAttrs      = 16
	maxLoggedCall = 4 << 20
)

func (w *process) log(f *fields) error {
	if w.logged += len(f.b); w.logged > maxLoggedCall {
		return nil
	}
	level, message := slog.Level(f.number()-logLevels), cut(f.text(), maxLogged+3)
	var attrs []slog.Attr
	for range f.atMost(maxAttrs) {
		attrs = append(attrs, slog.String(cut(f.text(), maxLogged), cut(f.text(), maxLogged+3)))
	}
	if err := f.end(); err != nil {
		return err
	}
	w.pool.opt.Log.LogAttrs(context.Background(), level, message, attrs...)
	return nil
}

// ended waits for the end of a process whose pipes are broken, and says what that means for its
// call: an *Error of kind Stopped for a limit, the context's error for a withdrawn call,
// script.ErrClosed, or errEnded.
func (w *process) ended() error {
	w.mu.Lock()
	ctx := w.ctx
	w.mu.Unlock()
	_ = w.cmd.Process.Kill() // make sure that it ends
	<-w.exited
	switch cause(w.cause.Load()) {
	case withdrawn:
		if ctx != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		return context.Canceled
	case closing:
		return script.ErrClosed
	case timedOut:
		return stoppedError("OS process timed out.") // CouchDB's words
	case tooLarge:
		return stoppedError("the function used too much memory")
	case overBudget:
		return stoppedError("the functions of all design documents together used too much memory")
	case misspoke:
		return stoppedError("the function wrote what cannot be read")
	}
	switch code := w.cmd.ProcessState.ExitCode(); {
	case code == exitMemory || w.said.has("out of memory") || w.said.has("cannot allocate memory"):
		w.pool.kills[tooLarge].Add(1)
		return stoppedError("the function used too much memory")
	case w.said.has("stack overflow") || w.said.has("stack exceeds"):
		w.pool.kills[tooLarge].Add(1)
		return stoppedError("too much recursion")
	case w.said.has("fatal error:") || w.said.has("panic:"):
		w.pool.opt.Log.Error("a function process has exited", "said", string(w.said.b))
	}
	w.pool.died.Add(1)
	return errEnded
}

func stoppedError(reason string) error {
	return &script.Error{Kind: script.Stopped, Word: "os_process_error", Reason: reason, Fatal: true}
}
