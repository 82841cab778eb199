package logging

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// opened is a log of bare messages, and what it writes to standard error.
func opened(t *testing.T, to Destination) (*Log, *slog.Logger, *bytes.Buffer) {
	t.Helper()
	stderr := &bytes.Buffer{}
	l, err := Open(to, stderr)
	if err != nil {
		t.Fatal(err)
	}
	return l, logger(t, l), stderr
}

// logger writes bare messages to a log.
func logger(tb testing.TB, l *Log) *slog.Logger {
	tb.Helper()
	h, err := l.Handler(func(w io.Writer) (slog.Handler, error) {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}}), nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return slog.New(h)
}

// held is a writer that a test holds up.
type held struct {
	mu    sync.Mutex
	began chan struct{} // told of each write
	onto  chan struct{} // lets it go on
	text  bytes.Buffer
}

func (h *held) Write(b []byte) (int, error) {
	h.began <- struct{}{}
	<-h.onto
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(b)
}

func (h *held) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// While a line is on its way to a slow disk, other lines wait for it and those who log them do not, unless they
// are important or many.
func TestLinesWaitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &held{began: make(chan struct{}), onto: make(chan struct{})}
		l, err := Open(Destination{Writer: "stderr"}, slow)
		if err != nil {
			t.Fatal(err)
		}
		log := logger(t, l)
		done := map[string]bool{}
		var mu sync.Mutex
		say := func(what string, do func(string, ...any)) {
			go func() {
				do(what)
				mu.Lock()
				defer mu.Unlock()
				done[what] = true
			}()
			synctest.Wait()
		}
		want := func(of string, is bool) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if done[of] != is {
				t.Errorf("%.20s is logged: %v, want %v", of, done[of], is)
			}
		}
		say("first", log.Info)
		<-slow.began
		say("second", log.Info)
		want("second", true)
		say("bad", log.Error)
		say("long "+strings.Repeat("x", mostWaiting), log.Info)
		say("last", log.Info)
		want("first", false)
		want("bad", false)
		want("last", false)
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		slow.onto <- struct{}{} // first
		want("first", true)
		<-slow.began // second, bad and long together
		want("bad", false)
		slow.onto <- struct{}{}
		want("bad", true)
		<-slow.began
		slow.onto <- struct{}{}
		want("last", true)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if text := strings.ReplaceAll(slow.String(), "x", ""); text != "msg=first\nmsg=second\nmsg=bad\nmsg=\"long \"\nmsg=last\n" {
			t.Errorf("%q", text)
		}
	})
}

// writes is a writer that keeps what each call brings.
type writes struct {
	mu    sync.Mutex
	calls []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, string(b))
	return len(b), nil
}

// Lines that can wait are written together, in order with all others, and before the log moves or is closed.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &writes{}
		l, err := Open(Destination{Writer: "stderr"}, to)
		if err != nil {
			t.Fatal(err)
		}
		log := logger(t, l)
		later := Later(log)
		want := func(what string, calls ...string) {
			t.Helper()
			synctest.Wait()
			to.mu.Lock()
			defer to.mu.Unlock()
			if !slices.Equal(to.calls, calls) {
				t.Errorf("%s: %q, want %q", what, to.calls, calls)
			}
			to.calls = nil
		}
		later.Info("1")
		later.Info("2")
		want("at first")
		time.Sleep(lateness)
		want("in time", "msg=1\nmsg=2\n")
		time.Sleep(time.Second)
		later.Info("3")
		log.Info("4")
		want("with a line that cannot wait", "msg=3\nmsg=4\n")
		time.Sleep(lateness)
		want("after that")
		later.Error("5")
		want("an error", "msg=5\n")
		long := strings.Repeat("x", mostWaiting/4)
		later.Info(long)
		later.Info(long)
		want("many bytes", "msg="+long+"\nmsg="+long+"\n")
		later.Info("6")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		want("closed", "msg=6\n")
		later.Info("7")
		time.Sleep(lateness)
		want("after its end", "msg=7\n")
	})
	if other := slog.New(slog.DiscardHandler); Later(other) != other {
		t.Error("another logger is changed")
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestJournal(t *testing.T) {
	_, log, stderr := opened(t, Destination{Writer: "journald"})
	log.Debug("d")
	log.Info("i")
	log.With("a", 1).Warn("w")
	log.WithGroup("g").Error("e", "b", 2)
	if want := "<7>msg=d\n<6>msg=i\n<4>msg=w a=1\n<3>msg=e g.b=2\n"; stderr.String() != want {
		t.Errorf("%q, want %q", stderr, want)
	}
}

// A file that is renamed away gets no more lines after Reopen, and none is lost or torn.
func TestFileIsRenamed(t *testing.T) {
	dir := t.TempDir()
	to := Destination{Writer: "file", File: filepath.Join(dir, "a.log")}
	l, log, stderr := opened(t, to)
	const writers, each = 4, 200
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := range each {
				log.Info("line", "n", i)
			}
		})
	}
	for i := range 3 {
		if err := os.Rename(to.File, fmt.Sprintf("%s.%d", to.File, i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(to); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if err := l.Change(Destination{Writer: "file", File: filepath.Join(dir, "missing", "x")}); err == nil {
		t.Error("a folder that is not there")
	}
	log.Info("last", "n", 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	log.Info("after")
	if stderr.String() != "msg=after\n" {
		t.Errorf("standard error has %q", stderr)
	}
	files, err := filepath.Glob(filepath.Join(dir, "a.log*"))
	if err != nil || len(files) != 4 {
		t.Errorf("%q, %v", files, err)
	}
	lines := 0
	for _, file := range files {
		for line := range strings.Lines(content(t, file)) {
			if !regexp.MustCompile(`^msg=(line|last) n=\d+\n$`).MatchString(line) {
				t.Errorf("%s has %q", file, line)
			}
			lines++
		}
	}
	if lines != writers*each+1 || !strings.HasSuffix(content(t, to.File), "msg=last n=0\n") {
		t.Errorf("%d lines, want %d", lines, writers*each+1)
	}
}

// Lines wait until they fill the buffer or have waited long enough, and leave it whole.
func TestFileIsBuffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := Destination{Writer: "file", File: filepath.Join(t.TempDir(), "a.log"), Buffer: 20, Delay: time.Second}
		l, log, _ := opened(t, to)
		has := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := content(t, to.File); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		log.Info("1234")
		log.Info("5678")
		has("")
		log.Info("9012") // 27 bytes
		has("msg=1234\nmsg=5678\n")
		time.Sleep(time.Second)
		has("msg=1234\nmsg=5678\nmsg=9012\n")
		log.Info(strings.Repeat("x", 30))
		log.Info("last")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		has("msg=1234\nmsg=5678\nmsg=9012\nmsg=" + strings.Repeat("x", 30) + "\nmsg=last\n")
	})
}

func TestSyslog(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l, log, _ := opened(t, Destination{Writer: "syslog", Host: conn.LocalAddr().String(), AppID: "db", Facility: "local2"})
	defer l.Close()
	log.Warn("hello")
	b := make([]byte, 1000)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, _, err := conn.ReadFrom(b)
	if want := `^<148>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ db \d+ - - msg=hello$`; err != nil || !regexp.MustCompile(want).Match(b[:n]) {
		t.Errorf("%v, %q, want %s", err, b[:n], want)
	}
	if _, err := Open(Destination{Writer: "syslog", Host: "127.0.0.1:1", Facility: "none"}, nil); err == nil {
		t.Error("a facility that is not there")
	}
}
