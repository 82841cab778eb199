package logging

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// plain writes lines as they are.
type plain struct{ w io.Writer }

func (p plain) write(b *batch) error {
	_, err := p.w.Write(b.text)
	return err
}

func (plain) close() error { return nil }

// journal writes lines with their severity in front, in the form of sd-daemon(3): systemd reads
// them from standard error.
type journal struct{ w io.Writer }

func (j journal) write(b *batch) error {
	var text []byte
	err := b.each(func(level slog.Level, line []byte) error {
		text = append(fmt.Appendf(text, "<%d>", severity(level)), line...)
		return nil
	})
	_, failed := j.w.Write(text)
	return errors.Join(err, failed)
}

func (journal) close() error { return nil }

// severity is syslog's number of a level.
func severity(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}

// file appends lines to a file, through a buffer if there is to be one.
type file struct {
	delay time.Duration

	mu     sync.Mutex // guards what follows: lines, and the timer, write
	f      *os.File
	buffer *bufio.Writer // nil: each line is written at once
	timer  *time.Timer   // set while the buffer holds something
	failed error         // of the timer; the next line reports it
}

func openFile(to Destination) (*file, error) {
	if to.File == "" {
		return nil, errors.New("[log] file is not set")
	}
	f, err := os.OpenFile(to.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	one := &file{f: f, delay: to.Delay}
	if to.Buffer > 0 && to.Delay > 0 { // as in Erlang, a delay needs both
		one.buffer = bufio.NewWriterSize(f, to.Buffer)
	}
	return one, nil
}

func (f *file) write(b *batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.buffer == nil {
		_, err := f.f.Write(b.text)
		return err
	}
	return b.each(f.keep)
}

// keep writes a line to the buffer. The caller holds mu.
func (f *file) keep(_ slog.Level, line []byte) error {
	err := f.failed
	f.failed = nil
	if f.buffer.Available() < len(line) { // lines stay whole
		err = errors.Join(err, f.buffer.Flush())
	}
	if _, failed := f.buffer.Write(line); failed != nil {
		f.buffer.Reset(f.f) // or it would refuse all lines that are to come
		return errors.Join(err, failed)
	}
	if f.buffer.Buffered() > 0 && f.timer == nil {
		f.timer = time.AfterFunc(f.delay, f.flush)
	}
	return err
}

// flush is called when the first line in the buffer has waited long enough.
func (f *file) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer == nil { // closed
		return
	}
	f.timer = nil
	if f.failed = f.buffer.Flush(); f.failed != nil {
		f.buffer.Reset(f.f)
	}
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	var err error
	if f.buffer != nil {
		err = f.buffer.Flush()
	}
	return errors.Join(f.failed, err, f.f.Close())
}

// facilities are syslog's, by number.
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp", "audit", "alert", "cron",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// syslog sends each line as a datagram in the form of RFC 5424. What is lost on the way is lost.
type syslog struct {
	conn     net.Conn
	facility int
	head     string // what all lines have between their time and their text
}

func openSyslog(to Destination) (*syslog, error) {
	s := &syslog{facility: slices.Index(facilities, to.Facility)}
	if s.facility < 0 {
		return nil, fmt.Errorf("there is no facility %s", to.Facility)
	}
	conn, err := net.Dial("udp", to.Host)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "-"
	}
	s.conn, s.head = conn, fmt.Sprintf("%s %s %d - - ", host, to.AppID, os.Getpid())
	return s, nil
}

func (s *syslog) write(b *batch) error { return b.each(s.send) }

func (s *syslog) send(level slog.Level, line []byte) error {
	b := fmt.Appendf(nil, "<%d>1 %s %s", s.facility*8+severity(level), time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), s.head)
	_, err := s.conn.Write(append(b, bytes.TrimSuffix(line, []byte{'\n'})...))
	return err
}

func (s *syslog) close() error { return s.conn.Close() }
