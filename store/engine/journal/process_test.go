package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

// childDir tells the test binary that it is the child: it writes to the journal in this folder until it
// is killed.
const childDir = "JOURNAL_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var small = journal.Options{SegmentBytes: 32 << 10, LockTimeout: time.Minute}

// writeUntilKilled appends "CALLER NUMBER ..." and prints "POSITION CALLER NUMBER" for each record that was
// acknowledged. Before it releases something it prints "released POSITION".
func writeUntilKilled(dir string) error {
	l, err := journal.Open(dir, small, func(journal.Pos, []byte) error { return nil })
	if err != nil {
		return err
	}
	failed := make(chan error)
	for caller := range 6 {
		go func() {
			for n := 1; ; n++ {
				at, err := l.Append(context.Background(), fmt.Appendf(nil, "%d %d ", caller, n), []byte(strings.Repeat("x", n*caller*13%3000)))
				if err != nil {
					failed <- err
				}
				fmt.Printf("%d %d %d\n", at, caller, n)
				if caller == 0 && n%20 == 0 {
					before := max(l.Start(), at-min(at, 60_000))
					fmt.Printf("released %d\n", before)
					if err := l.Release(before); err != nil {
						failed <- err
					}
				}
			}
		}()
	}
	return <-failed
}

// However often the process is killed, what it acknowledged is there, at its position.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 3
	}
	dir := filepath.Join(t.TempDir(), "journal")
	random := rand.New(rand.NewPCG(uint64(rounds), 6))
	acked := map[journal.Pos]string{}
	var released, end journal.Pos
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, kill := 0, 1+random.IntN(400)
		for out := bufio.NewReader(pipe); ; lines++ {
			line, err := out.ReadString('\n') // one that was cut off does not count
			if err != nil {
				break
			}
			var at journal.Pos
			var rec string
			if _, err := fmt.Sscanf(line, "released %d", &at); err == nil {
				released = max(released, at)
			} else if at, rec, err = ack(line); err != nil {
				t.Fatalf("%q: %v", line, err)
			} else if acked[at] != "" || at < end {
				t.Fatalf("position %d is not new; the journal ended at %d", at, end)
			} else {
				acked[at] = rec
			}
			if lines == kill {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); lines < kill {
			t.Fatalf("the child stopped by itself: %v", err)
		}
		check(t, dir)
		l, r := open(t, dir, small)
		there := map[journal.Pos]bool{}
		for i, at := range r.at {
			there[at] = true
			if rec := acked[at]; rec == "" { // it was not told any more
				acked[at] = head(r.rec[i])
			} else if rec != head(r.rec[i]) {
				t.Fatalf("round %d: at %d there is %.20q, not %q", round, at, r.rec[i], rec)
			}
		}
		for at, rec := range acked {
			if !there[at] && (at >= released || at > r.at[0]) {
				t.Fatalf("round %d: %q at %d is lost", round, rec, at)
			}
		}
		end = l.End()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// ack reads "POSITION CALLER NUMBER".
func ack(line string) (at journal.Pos, rec string, err error) {
	pos, rec, _ := strings.Cut(strings.TrimSpace(line), " ")
	_, err = fmt.Sscan(pos, &at)
	return at, rec, err
}

// head is "CALLER NUMBER" of a record.
func head(rec []byte) string {
	parts := strings.SplitN(string(rec), " ", 3)
	return parts[0] + " " + parts[1]
}

// A journal is one process's at a time.
func TestOneOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := open(t, dir, journal.Options{})
	replay := func(journal.Pos, []byte) error { return nil }
	if _, err := journal.Open(dir, journal.Options{LockTimeout: time.Millisecond}, replay); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a second owner: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, journal.Options{})
}

// Who does not want to wait any more has written nothing, unless the writing had begun.
func TestNoLongerWaiting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := open(t, dir, journal.Options{NoSync: true})
	var wg sync.WaitGroup
	var mu sync.Mutex
	outcome := map[string]error{}
	for caller := range 16 {
		wg.Go(func() {
			for n := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				if n%3 == 0 {
					go cancel()
				}
				rec := fmt.Sprint(caller, " ", n)
				_, err := l.Append(ctx, []byte(rec))
				cancel()
				mu.Lock()
				outcome[rec] = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if _, err := l.Append(t.Context(), []byte("end")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, r := open(t, dir, journal.Options{})
	there := map[string]bool{}
	for _, rec := range r.rec {
		there[string(rec)] = true
	}
	for rec, err := range outcome {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if there[rec] != (err == nil) {
			t.Errorf("%q is there: %v, and the answer was %v", rec, there[rec], err)
		}
	}
}

// A record much longer than a segment is written, and read.
func TestLongRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := journal.Options{NoSync: true, SegmentBytes: 64 << 10}
	l, _ := open(t, dir, opt)
	long := []byte(strings.Repeat("0123456789abcdef", 20<<20/16))
	for _, rec := range []string{"before", string(long), "after"} {
		if _, err := l.Append(t.Context(), []byte(rec)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Append(t.Context(), make([]byte, journal.MaxRecord), []byte{0}); !errors.Is(err, engine.ErrTooLarge) {
		t.Errorf("a record that is too long: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	l, err := journal.Open(dir, opt, func(_ journal.Pos, rec []byte) error {
		if n++; n == 2 && string(rec) != string(long) {
			t.Error("the long record is another one")
		}
		return nil
	})
	if err != nil || n != 3 {
		t.Fatalf("%d records, %v", n, err)
	}
	l.Close()
}
