package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// childDir tells the test binary that it is the child: it writes to the database in this
// folder until it is killed.
const childDir = "BOLT_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	if dir := os.Getenv(restlessDir); dir != "" {
		fmt.Fprintln(os.Stderr, beRestless(dir, os.Getenv(restlessAcks)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled prints the number of each entry once it is acknowledged. Entries that
// are written together must be there together.
func writeUntilKilled(dir string) error {
	ctx := context.Background()
	e, err := bolt.Open(dir, bolt.Options{LockTimeout: time.Minute})
	if err != nil {
		return err
	}
	db, err := e.Open(ctx, "db")
	if err != nil {
		return err
	}
	next := 0
	err = db.View(ctx, func(r engine.Reader) error {
		k, _, err := r.Last(space)
		if k != nil {
			_, err = fmt.Sscanf(string(k), "%d", &next)
		}
		return err
	})
	if err != nil {
		return err
	}
	go func() {
		for { // the killer may come in the middle of this, too
			if err := db.(engine.Compacter).Compact(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "compact:", err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for n := next + 1; ; n++ {
		err := db.Update(ctx, func(tx engine.Tx) error {
			k := fmt.Appendf(nil, "%08d", n)
			return errors.Join(tx.Put(space, k, k), tx.Put(space+1, k, []byte(strings.Repeat("v", n%2000))), tx.Delete(space+1, fmt.Appendf(nil, "%08d", n-50)))
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// startChild starts a child and returns its acknowledgements.
func startChild(t *testing.T, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

// However often the process is killed, what it acknowledged is there.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	acknowledged := 0
	for round := range 10 {
		cmd, out := startChild(t, dir)
		kill := time.Duration(20+random.IntN(150)) * time.Millisecond
		var timer *time.Timer
		for {
			line, err := out.ReadString('\n') // a line that was cut off does not count
			if err != nil {
				break
			}
			if timer == nil { // it is writing by now
				timer = time.AfterFunc(kill, func() { cmd.Process.Kill() })
			}
			if _, err := fmt.Sscanf(line, "%d", &acknowledged); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		err := cmd.Wait()
		if timer == nil {
			t.Fatalf("the child wrote nothing: %v", err)
		}
		verifyKilled(t, dir, round, acknowledged)
	}
	if acknowledged < 20 {
		t.Errorf("only %d writes", acknowledged)
	}
}

func verifyKilled(t *testing.T, dir string, round, acknowledged int) {
	t.Helper()
	e, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer e.Close()
	db, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer db.Close()
	last := 0
	err = db.View(t.Context(), func(r engine.Reader) error {
		err := r.Scan(space, engine.Range{}, func(k, v []byte) (bool, error) {
			last++
			if want := fmt.Sprintf("%08d", last); string(k) != want || string(v) != want {
				t.Errorf("round %d: %q reads %q, want %s", round, k, v, want)
				return false, nil
			}
			return true, nil
		})
		n := max(last-49, 1)
		return errors.Join(err, r.Scan(space+1, engine.Range{}, func(k, v []byte) (bool, error) {
			if string(k) != fmt.Sprintf("%08d", n) || len(v) != n%2000 {
				t.Errorf("round %d: %q has %d bytes, want %d", round, k, len(v), n)
			}
			n++
			return true, nil
		}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if last < acknowledged || last > acknowledged+1 {
		t.Errorf("round %d: %d entries, %d acknowledged", round, last, acknowledged)
	}
	err = db.(engine.Checker).CheckStorage(t.Context(), func(problem string) { t.Errorf("round %d: %s", round, problem) })
	if err != nil {
		t.Fatal(err)
	}
}

// A folder of databases is one process's at a time.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(when string) {
		t.Helper()
		other, err := bolt.Open(dir, bolt.Options{LockTimeout: 10 * time.Millisecond})
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: %v", when, err)
		}
		if err == nil {
			other.Close()
		}
	}
	refused("a second owner")
	if err := errors.Join(db.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	cmd, out := startChild(t, dir)
	defer func() {
		cmd.Process.Kill()
		io.Copy(io.Discard, out)
		cmd.Wait()
	}()
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	refused("while another process has it")
}

// Who waited for the lock of a file does not get the one that its last owner has replaced.
func TestReplacedWhileWaiting(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{LockTimeout: time.Minute})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", "first")
	flush(t, e)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path, other := filepath.Join(dir, "db.bolt"), filepath.Join(t.TempDir(), "other")
	image, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(other, image, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	owner, err := bbolt.Open(path, 0o600, nil) // another program
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	go func() {
		db, err := e.Open(t.Context(), "db")
		if err == nil {
			put(t, db, "k", "waiter")
			err = db.Close()
		}
		opened <- err
	}()
	time.Sleep(100 * time.Millisecond) // it has most likely opened the file by then; the test holds anyway
	if err := errors.Join(os.Rename(other, path), owner.Close()); err != nil {
		t.Fatal(err)
	}
	want := "waiter"
	if err := <-opened; errors.Is(err, engine.ErrUnavailable) {
		want = "first"
	} else if err != nil {
		t.Fatal(err)
	}
	flush(t, e)
	if db, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, db)["k"]; got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
}
