package worker

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/script"
)

// command is the hidden argument that makes the binary a worker.
const command = "script-worker"

// Exit codes of a worker that gives up by itself.
const (
	exitBroken = 70 // it cannot understand its server
	exitMemory = 71 // it has more memory than it may have
)

// Asked reports whether a process's arguments ask it to be a worker. It then only calls Main
// and exits with the result.
func Asked(args []string) bool { return len(args) == 4 && args[1] == command }

// Main is the whole life of a worker: it gives up access to everything, then runs functions for
// the server at the other end of its pipes until the server closes them.
func Main() int {
	memory, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil || memory <= 0 {
		return exitBroken
	}
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0))) // one runs, one collects garbage
	debug.SetGCPercent(200)
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	debug.SetMemoryLimit(memory / 4 * 3)
	debug.SetMaxStack(int(min(memory/4, 64<<20)))
	debug.SetTraceback("none")
	confine(memory)
	c := &child{reductions: script.Reductions(os.Args[3]), output: outputOf(memory), in: frameReader{r: os.Stdin}, out: sender{w: os.Stdout}, self: newSelfWatch(memory)}
	go c.self.run()
	c.log = slog.New(&logHandler{out: &c.out})
	if err := c.serve(); !errors.Is(err, io.EOF) {
		os.Stderr.WriteString(err.Error() + "\n")
		return exitBroken
	}
	return 0
}

// heapFloor is memory that is allocated and never touched, so the system need not provide it.
// The collector waits until the heap is three times what is in use. Without a floor, a function
// that builds a long text piece by piece would trigger it every few pieces.
const heapFloor = 8 << 20

// child is the state of a worker.
type child struct {
	in   frameReader
	out  sender
	log  *slog.Logger
	self *selfWatch

	output     int // most bytes that a call may produce
	reductions script.Reductions

	design *script.Design
	filter *script.Filter

	views    *script.Views
	orders   []collate.Order // of the views
	mapper   *script.Mapper
	reducers map[int]*script.Reducer
	key      []byte
}

// sender writes frames.
type sender struct {
	w io.Writer
	b []byte
}

// send writes a frame; fields appends its fields.
func (s *sender) send(kind byte, fields func(b []byte) []byte) error {
	s.b = appendFrame(s.b[:0], kind)
	if fields != nil {
		s.b = fields(s.b)
	}
	return s.flush()
}

func (s *sender) flush() error {
	if err := endFrame(s.b, 0); err != nil {
		return err
	}
	_, err := s.w.Write(s.b)
	if cap(s.b) > keptAtMost {
		s.b = nil
	}
	return err
}

// serve answers calls until there are no more (io.EOF) or one fails.
func (c *child) serve() error {
	if err := c.out.send(ready, func(b []byte) []byte { return appendNumber(b, version) }); err != nil {
		return err
	}
	for {
		kind, b, err := c.in.next()
		if err != nil {
			return err
		}
		c.self.begin()
		err = c.answer(kind, &fields{b: b})
		c.self.end()
		if e, ok := errors.AsType[*script.Error](err); ok {
			err = c.out.send(failure, func(b []byte) []byte { return appendError(b, shortened(e)) })
		}
		if err != nil {
			return err
		}
	}
}

// options are those of functions here: the server limits time and memory.
func (c *child) options() script.Options {
	return script.Options{Timeout: -1, Output: c.output, Reductions: c.reductions, Log: c.log}
}

var errNotLoaded = errors.New("worker: called before its functions were loaded")

// answer carries out a request. A *script.Error is an answer too.
func (c *child) answer(kind byte, f *fields) error {
	switch kind {
	case loadDesign:
		body := append([]byte{}, f.bytes()...)
		if err := f.end(); err != nil {
			return err
		}
		c.design = script.NewDesign(body, c.options())
		return c.out.send(result, nil)
	case loadViews:
		return c.loadViews(f)
	case askCheck, askMap, askReduce:
		if c.views == nil {
			return errNotLoaded
		}
		return c.answerViews(kind, f)
	}
	if c.design == nil {
		return errNotLoaded
	}
	return c.answerDesign(kind, f)
}

// flushEvery is how long a worker may keep results to itself: the server considers a silent
// worker stuck.
const flushEvery = 20 * time.Millisecond

// maxReason is the most bytes of a thrown error that are reported.
const maxReason = 64 << 10

// shortened cuts a reason that is too long to show.
func shortened(e *script.Error) *script.Error {
	short := *e
	short.Word, short.Reason = cut(e.Word, maxReason), cut(e.Reason, maxReason)
	if len(e.Value) > maxReason {
		short.Value = nil
	}
	return &short
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
