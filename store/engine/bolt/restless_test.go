package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// restlessDir tells the test binary that it is a child with restless writers, who note what was acknowledged in a file.
const (
	restlessDir  = "BOLT_TEST_RESTLESS_DIR"
	restlessAcks = "BOLT_TEST_RESTLESS_ACKS"
)

const (
	restlessWriters = 12
	lifetime        = 37 // operations from one drop of a database to the next
)

// restless has everything happen often: flushes, new segments, their removal, transactions that go to the file.
var restless = bolt.Options{
	DirectBytes: 3000, FlushBytes: 6000, JournalBytes: 60_000, SegmentBytes: 20_000,
	FlushAfter: 30 * time.Millisecond, LockTimeout: time.Minute,
	Scattered: space, GatherFrom: 1, GatherBytes: 3000, GatherAfter: 30 * time.Millisecond,
}

// stateAfter is what a database has after a writer's operation: nothing if it is not there then. Operation 0 has
// made nothing.
func stateAfter(op int) map[string]string {
	if op%lifetime == 0 {
		return nil
	}
	state := map[string]string{}
	for i := op - op%lifetime + 1; i <= op; i++ {
		for k, v := range entriesOf(i) {
			state[k] = v
		}
		if i%5 == 0 {
			delete(state, fmt.Sprint("k", i%7))
		}
	}
	return state
}

// entriesOf are what an operation writes. Some is too much for the journal.
func entriesOf(op int) map[string]string {
	entries := map[string]string{"op": fmt.Sprint(op)}
	if op%lifetime != 1 {
		entries[fmt.Sprint("k", (op+3)%7)] = strings.Repeat(fmt.Sprint(op, " "), op%40)
	}
	if op%11 == 3 {
		entries["large"] = strings.Repeat(fmt.Sprint(op, " "), 1500)
	}
	return entries
}

// operate does one.
func operate(ctx context.Context, e engine.Engine, db engine.DB, name string, op int) (engine.DB, error) {
	switch op % lifetime {
	case 0:
		return nil, errors.Join(db.Close(), e.Drop(ctx, name))
	case 1:
		var first []engine.Entry
		for k, v := range entriesOf(op) {
			first = append(first, engine.Entry{SpaceKey: engine.SpaceKey{Space: space, Key: []byte(k)}, Value: []byte(v)})
		}
		return e.Create(ctx, name, first...)
	}
	return db, db.Update(ctx, func(tx engine.Tx) error {
		for k, v := range entriesOf(op) {
			if err := tx.Put(space, []byte(k), []byte(v)); err != nil {
				return err
			}
		}
		if op%5 == 0 {
			return tx.Delete(space, fmt.Append(nil, "k", op%7))
		}
		return nil
	})
}

// beRestless has writers with a database each. Each operation that is done is a line in the file acks.
func beRestless(dir, acks string) error {
	ctx := context.Background()
	out, err := os.OpenFile(acks, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	e, err := bolt.Open(dir, restless)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() {
		for n := 0; ; n++ {
			db, err := e.Open(ctx, fmt.Sprint("w", n%restlessWriters))
			if err == nil {
				err = errors.Join(db.(engine.Compacter).Compact(ctx), db.Close())
			}
			if err != nil && !errors.Is(err, engine.ErrNoDB) {
				failed <- fmt.Errorf("compact: %w", err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for w := range restlessWriters {
		go func() {
			name := fmt.Sprint("w", w)
			db, op, err := reachedBy(ctx, e, name)
			if err == nil && db == nil { // which number comes next is not known: begin a new life
				op = (int(time.Now().UnixNano()/1000)%1_000_000 + w) * lifetime
			}
			if err == nil { // what is found is there for good
				_, err = fmt.Fprintf(out, "%d %d\n", w, op)
			}
			for err == nil {
				op++
				if db, err = operate(ctx, e, db, name, op); err == nil {
					_, err = fmt.Fprintf(out, "%d %d\n", w, op)
				}
				if w%4 == 1 {
					time.Sleep(time.Duration(op%9) * time.Millisecond) // some are flushed by age
				}
			}
			failed <- fmt.Errorf("writer %d, operation %d: %w", w, op, err)
		}()
	}
	return <-failed
}

// reachedBy finds out which operation was the last one, by what there is; db is nil if there is nothing.
func reachedBy(ctx context.Context, e engine.Engine, name string) (db engine.DB, op int, err error) {
	db, err = e.Open(ctx, name)
	if errors.Is(err, engine.ErrNoDB) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	state := map[string]string{}
	err = db.View(ctx, func(r engine.Reader) error {
		return r.Scan(space, engine.Range{}, func(k, v []byte) (bool, error) {
			state[string(k)] = string(v)
			return true, nil
		})
	})
	if err == nil {
		_, err = fmt.Sscan(state["op"], &op)
	}
	if err == nil && fmt.Sprint(state) != fmt.Sprint(stateAfter(op)) {
		err = fmt.Errorf("%s is in no state: operation %d, %d entries", name, op, len(state))
	}
	return db, op, err
}

// restlessChild is a process with restless writers.
type restlessChild struct {
	*exec.Cmd
	acks    string
	trouble bytes.Buffer
}

func startRestless(t *testing.T, dir, acks string) *restlessChild {
	t.Helper()
	c := &restlessChild{Cmd: exec.Command(os.Args[0], "-test.run=^$"), acks: acks}
	c.Env = append(os.Environ(), restlessDir+"="+dir, restlessAcks+"="+acks)
	c.Stderr = &c.trouble
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// kill kills it. It must not have stopped by itself.
func (c *restlessChild) kill(t *testing.T) {
	t.Helper()
	c.Process.Kill()
	c.Wait()
	if c.trouble.Len() > 0 {
		t.Fatalf("the writers have stopped: %s", &c.trouble)
	}
}

// await waits until it has done some operations.
func (c *restlessChild) await(t *testing.T, operations int) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); len(ackLines(t, c.acks)) < operations; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.kill(t)
			t.Fatalf("the writers have not done %d operations", operations)
		}
	}
}

// reached notes the last operation of each writer that was acknowledged.
func (c *restlessChild) reached(t *testing.T, of map[string]int) {
	t.Helper()
	for _, line := range ackLines(t, c.acks) {
		w, op, _ := strings.Cut(line, " ")
		var n int
		if _, err := fmt.Sscan(op, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		of[w] = n
	}
}

func ackLines(t *testing.T, path string) []string {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	return lines[:len(lines)-1]
}

// afterCrash looks at what a cut has left.
func afterCrash(t *testing.T, dir, what string, reached map[string]int) {
	t.Helper()
	for again := range 2 { // recovery, and then what it has left
		opt := restless
		opt.NoSync = true
		opt.Damaged = func(path string, why error) { t.Errorf("%s: %s: %v", what, path, why) }
		e, err := bolt.Open(dir, opt)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		for w, acked := range reached {
			db, op, err := reachedBy(t.Context(), e, "w"+w)
			switch {
			case err != nil:
				t.Errorf("%s, opened %d times: %v; operation %d was acknowledged", what, again+1, err, acked)
			case db == nil && acked%lifetime != 0 && (acked+1)%lifetime != 0:
				t.Errorf("%s: w%s is gone; operation %d was acknowledged (%d of its life)", what, w, acked, acked%lifetime)
			case db != nil && op != acked && op != acked+1:
				t.Errorf("%s: w%s has reached operation %d; %d was acknowledged", what, w, op, acked)
			}
			if db == nil {
				continue
			}
			if err := db.(engine.Checker).CheckStorage(t.Context(), func(p string) { t.Errorf("%s: w%s: %s", what, w, p) }); err != nil {
				t.Errorf("%s: w%s: %v", what, w, err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// However often the process is killed, while databases are written, flushed, compacted, dropped and made anew, segments of the
// journal come and go, or what the last kill has left is read: what was acknowledged is there, or one operation more.
func TestManyKilled(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 4
	}
	base := t.TempDir()
	dir := filepath.Join(base, "data")
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	reached := map[string]int{}
	for round := range rounds {
		c := startRestless(t, dir, filepath.Join(base, fmt.Sprint("acks", round)))
		if round%3 == 2 { // most likely while it is starting
			time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		} else {
			c.await(t, 20+random.IntN(600))
		}
		c.kill(t)
		c.reached(t, reached)
		if round%4 == 3 {
			continue // the next one finds what this one has left of what the one before it has left
		}
		afterCrash(t, dir, fmt.Sprintf("seed %d, round %d", seed, round), reached)
		if t.Failed() {
			return
		}
	}
}
