package repository

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func lockable(t testing.TB) *Repository {
	t.Helper()
	r, err := Create(t.Context(), NewFolder(t.TempDir()), Keys{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Who excludes whom.
func TestLocks(t *testing.T) {
	r := lockable(t)
	for _, c := range []struct {
		held, wanted   work
		heldOf, wantOf string
		together       bool
	}{
		{reading, reading, "", "", true}, {reading, backing, "", "a", true}, {backing, backing, "a", "b", true},
		{backing, backing, "a", "a", false}, {backing, deleting, "a", "", false}, {deleting, backing, "", "a", false},
		{deleting, reading, "", "", false}, {reading, deleting, "", "", false}, {deleting, deleting, "", "", false},
	} {
		_, release, err := r.lock(t.Context(), c.held, c.heldOf, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, also, err := r.lock(t.Context(), c.wanted, c.wantOf, 0)
		if busy := new(BusyError); (err == nil) != c.together || err != nil && !errors.As(err, &busy) {
			t.Errorf("%s of %q beside %s of %q: %v", c.wanted, c.wantOf, c.held, c.heldOf, err)
		}
		if err == nil {
			if err := also(); err != nil {
				t.Error(err)
			}
		}
		if err := release(); err != nil {
			t.Error(err)
		}
		if _, again, err := r.lock(t.Context(), c.wanted, c.wantOf, 0); err != nil {
			t.Errorf("%s after %s: %v", c.wanted, c.held, err)
		} else if err := again(); err != nil {
			t.Error(err)
		}
	}
}

// A lock whose process has been killed holds up nobody; one of another machine does until it is old.
func TestLocksOfTheDead(t *testing.T) {
	r := lockable(t)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Skip(err)
	}
	leave := func(l lock) {
		t.Helper()
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeObject(t.Context(), r.storage, "locks/left", b); err != nil {
			t.Fatal(err)
		}
	}
	take := func() error {
		_, release, err := r.lock(t.Context(), deleting, "", 0)
		if err == nil {
			err = release()
		}
		return err
	}
	leave(lock{Work: deleting, Host: host(), PID: dead.Process.Pid, Process: "other"})
	if err := take(); err != nil {
		t.Errorf("one of a process that has ended: %v", err)
	}
	leave(lock{Work: deleting, Host: host(), PID: os.Getpid(), Process: "other"})
	if err := take(); err != nil {
		t.Errorf("one of a process that had our number: %v", err)
	}
	leave(lock{Work: deleting, Host: "elsewhere", PID: dead.Process.Pid, Process: "other"})
	if busy := new(BusyError); !errors.As(take(), &busy) {
		t.Error("one of another machine does not count")
	}
	old := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(r.storage.(*Folder).path("locks/left"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := take(); err != nil {
		t.Errorf("one that nobody has renewed: %v", err)
	}
}

// Waiting ends when the other one is done.
func TestLocksWait(t *testing.T) {
	r := lockable(t)
	held, release, err := r.lock(t.Context(), backing, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, also, err := r.lock(t.Context(), deleting, "", time.Minute)
		if err == nil {
			err = also()
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := errors.Join(release(), <-done); err != nil {
		t.Error(err)
	}
	if !errors.Is(held.Err(), context.Canceled) {
		t.Error("the work of a lock can go on without it")
	}
}

// Who reads waits for prune as long as is said.
func TestReadersWait(t *testing.T) {
	r := lockable(t)
	_, release, err := r.lock(t.Context(), deleting, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	busy := new(BusyError)
	if _, err := r.Verify(t.Context(), nil, func(string) {}, nil); !errors.As(err, &busy) {
		t.Errorf("beside prune: %v", err)
	}
	r.Wait = time.Minute
	read := make(chan error)
	go func() {
		_, err := r.Verify(t.Context(), nil, func(string) {}, nil)
		read <- err
	}()
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// full is a storage without room.
type full struct{ Storage }

func (full) Stage() (*os.File, error) { return nil, &os.PathError{Op: "write", Err: syscall.ENOSPC} }

// A backup can be read where there is no room for a lock, but not while somebody prunes.
func TestReadWhatIsFull(t *testing.T) {
	r := lockable(t)
	_, release, err := r.lock(t.Context(), deleting, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	r.storage = full{r.storage}
	busy := new(BusyError)
	if _, err := r.Verify(t.Context(), nil, func(string) {}, nil); !errors.As(err, &busy) {
		t.Errorf("beside prune: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), nil, func(string) {}, nil); err != nil {
		t.Error(err)
	}
}
