package logging

import (
	"context"
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

	mu    sync.Mutex // guards what follows; held while a line is written
	to    Destination
	sink  sink
	level slog.Level // of the line that is being written
	time  time.Time  // of that line
	tail  tail
}

// sink takes lines. It is called by one goroutine at a time.
type sink interface {
	write(level slog.Level, line []byte) error
	close() error
}

// Open makes a log. stderr is what the writers stderr and journald write to.
func Open(to Destination, stderr io.Writer) (*Log, error) {
	l := &Log{stderr: stderr, sink: plain{stderr}}
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

// Write takes a line from a handler of package slog, which writes each with one call. Only
// handlers that went through Handler may write.
func (l *Log) Write(line []byte) (int, error) {
	l.tail.add(l.time, l.level, line)
	return len(line), l.sink.write(l.level, line)
}

// Handler returns a handler that formats lines with another one, which must write to the Log.
func (l *Log) Handler(format slog.Handler) slog.Handler { return handler{format, l} }

// handler tells the Log the level of each line.
type handler struct {
	slog.Handler
	log *Log
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	h.log.level, h.log.time = r.Level, r.Time
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.log}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.log}
}
