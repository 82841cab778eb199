package logging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Destination says where lines go and what they look like.
type Destination struct {
	Writer string // stderr, file, journald or syslog

	File   string        // of the writer file; it is appended to
	Buffer int           // bytes that may wait before they are written to the file; 0: none
	Delay  time.Duration // how long they may wait; 0: not at all

	Host     string // HOST:PORT of the writer syslog, which takes datagrams
	AppID    string // what it calls this program
	Facility string // kern, user, ... local7
}

// Log is where lines go at present. It is safe for use by several goroutines.
type Log struct {
	stderr io.Writer

	mu      sync.Mutex // guards what follows
	moved   sync.Cond  // nobody writes any more, or lines have been written
	to      Destination
	sink    sink   // used by who has set writing, without mu
	writing bool   // somebody writes, and writes what waits too; else what waits can, or is on its way to write
	waiting *batch // lines that came meanwhile, or can wait
	soon    bool   // the timer runs for those
	timer   *time.Timer
	spare   *batch // empty, or nil
	written uint64 // lines that the sink has been given
	tail    tail
}

// batch is lines that are written together.
type batch struct {
	text []byte // of all of them
	ends []end
}

// end is where a line ends.
type end struct {
	level slog.Level
	at    int
}

// each calls fn for all lines in order, and returns all errors.
func (b *batch) each(fn func(level slog.Level, line []byte) error) (err error) {
	from := 0
	for _, one := range b.ends {
		if failed := fn(one.level, b.text[from:one.at]); failed != nil {
			err = errors.Join(err, failed)
		}
		from = one.at
	}
	return err
}

// mostWaiting is how many bytes may wait until another goroutine has written its lines. Who has more to
// log waits for it.
const mostWaiting = 64 << 10

// sink takes lines. It is called by one goroutine at a time.
type sink interface {
	write(*batch) error
	close() error
}

// Open makes a log. stderr is what the writers stderr and journald write to.
func Open(to Destination, stderr io.Writer) (*Log, error) {
	l := &Log{stderr: stderr, sink: plain{stderr}, waiting: &batch{}}
	l.moved.L = &l.mu
	if err := l.Reopen(to); err != nil {
		return nil, err
	}
	return l, nil
}

// Reopen continues the log in another place, or in the same one: a file that has been renamed
// away is made anew. On an error the log is as before.
func (l *Log) Reopen(to Destination) error {
	next, err := l.open(to)
	if err != nil {
		return fmt.Errorf("[log] writer = %s: %w", to.Writer, err)
	}
	l.mu.Lock()
	for l.writing {
		l.moved.Wait()
	}
	for l.writing = true; len(l.waiting.ends) > 0; {
		_ = l.writeOnce() // there is nobody to tell
	}
	l.writing = false
	l.moved.Broadcast()
	old := l.sink
	l.sink, l.to = next, to
	l.mu.Unlock()
	return old.close()
}

// Change is Reopen if the place is another one.
func (l *Log) Change(to Destination) error {
	l.mu.Lock()
	same := l.to == to
	l.mu.Unlock()
	if same {
		return nil
	}
	return l.Reopen(to)
}

// Close writes what a buffer holds. Lines that come later go to standard error.
func (l *Log) Close() error { return l.Reopen(Destination{Writer: "stderr"}) }

func (l *Log) open(to Destination) (sink, error) {
	switch to.Writer {
	case "file":
		return openFile(to)
	case "journald":
		return journal{l.stderr}, nil
	case "syslog":
		return openSyslog(to)
	}
	return plain{l.stderr}, nil
}

// Handler returns a handler whose lines go to the Log. format makes what formats them, which must write each line
// with one call, as those of package slog do.
//
// A line is formatted without holding up others. It is written before its call returns, unless another
// goroutine is writing: then that one writes it, and only those who log warnings and errors wait for it.
func (l *Log) Handler(format func(io.Writer) (slog.Handler, error)) (slog.Handler, error) {
	h := handler{log: l}
	for i, level := range levels {
		var err error
		if h.formats[i], err = format(&entrance{l, level}); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Later returns a logger whose lines may be written a little later than its calls return, many of them together: a
// call of the system for each would be a good part of what a request costs. They are written at once with a line of
// another logger, so that all are in order. A logger that does not lead to a Log is returned as it is.
func Later(to *slog.Logger) *slog.Logger {
	h, is := to.Handler().(handler)
	if !is {
		return to
	}
	h.later = true
	return slog.New(h)
}

// lateness is how long a line may wait.
const lateness = 25 * time.Millisecond

// writeLater has the lines written before long.
func (l *Log) writeLater() error {
	l.mu.Lock()
	if l.writing || l.soon && len(l.waiting.text) <= mostWaiting/2 {
		l.mu.Unlock()
		return nil
	}
	if len(l.waiting.text) > mostWaiting/2 {
		l.mu.Unlock()
		return l.write(slog.LevelInfo)
	}
	l.soon = true
	if l.timer == nil {
		l.timer = time.AfterFunc(lateness, l.writeNow)
	} else {
		l.timer.Reset(lateness)
	}
	l.mu.Unlock()
	return nil
}

func (l *Log) writeNow() {
	l.mu.Lock()
	l.soon = false
	l.mu.Unlock()
	_ = l.write(slog.LevelInfo) // there is nobody to tell
}

// levels are those that the log tells apart.
var levels = [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// entrance takes the lines of one level.
type entrance struct {
	log   *Log
	level slog.Level
}

func (e *entrance) Write(line []byte) (int, error) {
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing && len(l.waiting.text) > mostWaiting {
		l.moved.Wait()
	}
	l.tail.add(time.Now(), e.level, line)
	l.waiting.text = append(l.waiting.text, line...)
	l.waiting.ends = append(l.waiting.ends, end{e.level, len(l.waiting.text)})
	return len(line), nil
}

// write has the lines written that wait.
func (l *Log) write(level slog.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing {
		for mine := l.written + uint64(len(l.waiting.ends)); level >= slog.LevelWarn && l.written < mine && l.writing; {
			l.moved.Wait()
		}
		return nil
	}
	if len(l.waiting.ends) == 0 { // somebody has just written them
		return nil
	}
	l.writing = true
	err := l.writeOnce()
	if len(l.waiting.ends) > 0 {
		go l.writeRest() // a request is not to write what others log; Reopen waits for it
		return err
	}
	l.writing = false
	l.moved.Broadcast()
	return err
}

// writeRest writes what waits until there is nothing more.
func (l *Log) writeRest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting.ends) > 0 {
		_ = l.writeOnce() // there is nobody to tell
	}
	l.writing = false
	l.moved.Broadcast()
}

// writeOnce writes what waits, without mu in between.
func (l *Log) writeOnce() error {
	b := l.waiting
	if l.waiting = l.spare; l.waiting == nil {
		l.waiting = &batch{}
	}
	l.spare = nil
	l.mu.Unlock()
	err := l.sink.write(b)
	l.mu.Lock()
	l.written += uint64(len(b.ends))
	if b.text, b.ends = b.text[:0], b.ends[:0]; cap(b.text) <= mostWaiting {
		l.spare = b
	}
	l.moved.Broadcast()
	return err
}

// handler formats each line by the handler of its level.
type handler struct {
	formats [len(levels)]slog.Handler
	log     *Log
	later   bool // its lines can wait
}

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.formats[0].Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	i := len(levels) - 1
	for i > 0 && r.Level < levels[i] {
		i--
	}
	if err := h.formats[i].Handle(ctx, r); err != nil {
		return err
	}
	if h.later && r.Level < slog.LevelWarn {
		return h.log.writeLater()
	}
	return h.log.write(r.Level)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for i := range h.formats {
		h.formats[i] = h.formats[i].WithAttrs(attrs)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	for i := range h.formats {
		h.formats[i] = h.formats[i].WithGroup(name)
	}
	return h
}
