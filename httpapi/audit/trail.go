package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Stdout is the file name that stands for standard output.
const Stdout = "stdout"

// Trail is where changes are recorded. The zero Trail records nothing. It is safe for use
// by several goroutines.
type Trail struct {
	now atomic.Pointer[sink]

	mu sync.Mutex // held while the file is changed
}

type sink struct {
	path string
	out  *file
	log  *slog.Logger
}

// file is written line by line, each line in one write.
type file struct {
	mu   sync.Mutex
	f    io.WriteCloser
	std  bool
	torn bool // the last line is not whole: the disk was full, or a process was cut short
}

// Write begins a new line behind one that is torn, so that this one is not lost with it.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.torn {
		if _, err := f.f.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		f.torn = false
	}
	n, err := f.f.Write(line)
	f.torn = n > 0 && n < len(line)
	return n, err
}

// torn tells whether a file that is open for writing ends in the middle of a line, as far as this can be read.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	in, err := os.Open(f.Name())
	if err != nil {
		return false
	}
	defer in.Close()
	var last [1]byte
	_, err = in.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

func (f *file) close() error {
	if f.std {
		return nil
	}
	f.mu.Lock() // wait for a line that is being written
	defer f.mu.Unlock()
	return f.f.Close()
}

// Open records changes in a file from now on, after what it already has; "" ends the trail.
// The same file is opened again, because it may have been renamed. On an error the trail is as
// before.
func (t *Trail) Open(path string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var next *sink
	switch path {
	case "":
	case Stdout:
		next = &sink{path: path, out: &file{f: os.Stdout, std: true}}
	default:
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the audit trail: %w", err)
		}
		next = &sink{path: path, out: &file{f: f, torn: torn(f)}}
	}
	if next != nil {
		next.log = slog.New(slog.NewJSONHandler(next.out, nil))
	}
	if old := t.now.Swap(next); old != nil {
		return old.out.close()
	}
	return nil
}

// Path returns the file of the trail, "" if there is none.
func (t *Trail) Path() string {
	if s := t.now.Load(); s != nil {
		return s.path
	}
	return ""
}

// On tells whether changes are recorded.
func (t *Trail) On() bool { return t.now.Load() != nil }

// Close ends the trail.
func (t *Trail) Close() error { return t.Open("") }

// Event is one change, or the refusal of one.
type Event struct {
	Action  string // what was done: "write", "login", "configuration" ...
	User    string // who asked; "" if unknown
	Address string // where the request came from
	Request string // its id, as in the log
	Method  string
	Path    string // escaped, without the query
	Status  int    // how it was answered
	More    []slog.Attr
}

// Record adds an event. It returns an error if it cannot write it; the change itself stands.
func (t *Trail) Record(ctx context.Context, at time.Time, e Event) error {
	for s := t.now.Load(); s != nil; {
		err := s.write(ctx, at, e)
		next := t.now.Load()
		if !errors.Is(err, os.ErrClosed) || next == s {
			return err
		}
		s = next // it has been opened again, perhaps more than once
	}
	return nil
}

func (s *sink) write(ctx context.Context, at time.Time, e Event) error {
	r := slog.NewRecord(at, slog.LevelInfo, e.Action, 0)
	attrs := [6]slog.Attr{
		slog.String("user", e.User), slog.String("address", e.Address), slog.String("request", e.Request),
		slog.String("method", e.Method), slog.String("path", e.Path), slog.Int("status", e.Status),
	}
	r.AddAttrs(attrs[:]...)
	r.AddAttrs(e.More...)
	return s.log.Handler().Handle(ctx, r)
}
