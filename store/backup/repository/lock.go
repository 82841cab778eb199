package repository

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"sync"
	"syscall"
	"time"
)

// What a lock is for, and whom it keeps out. Readers and backups keep prune out, and prune
// everybody. Two backups of one server keep each other out.
type work string

const (
	reading  work = "reading"
	backing  work = "a backup"
	deleting work = "prune"
)

// A lock is renewed every renewEvery, and counts as left behind after staleAfter by the clock of
// the storage. Whoever cannot renew his for lostAfter stops working, before others may go on.
const (
	renewEvery = 30 * time.Second
	lostAfter  = 3 * time.Minute
	staleAfter = 5 * time.Minute
)

// lock is an object in locks/.
type lock struct {
	Work    work      `json:"work"`
	Server  string    `json:"server,omitempty"` // whose backup it is
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Process string    `json:"process"`
	Since   time.Time `json:"since"`

	name      string
	unwritten bool // a reader found no room for it, or may not write
}

// process tells this process from another one that had its number before.
var process = rand.Text()

func (l *lock) excludes(other *lock) bool {
	return l.Work == deleting || other.Work == deleting || l.Work == backing && other.Work == backing && l.Server == other.Server
}

func (l *lock) String() string {
	return fmt.Sprintf("%s of process %d on %s, since %s", l.Work, l.PID, l.Host, l.Since.Local().Format(time.DateTime))
}

// gone tells whether the process of a lock has certainly ended, which only its own machine knows.
func (l *lock) gone() bool {
	if l.Host != host() {
		return false
	}
	if l.PID == os.Getpid() {
		return l.Process != process
	}
	p, err := os.FindProcess(l.PID)
	if err != nil {
		return true
	}
	defer p.Release()
	err = p.Signal(syscall.Signal(0))
	return errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH)
}

// host names this machine, and on Linux also the name space of process numbers: containers may
// share the one and not the other.
var host = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil {
		name = process // nobody else's
	}
	if space, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		name += " " + space
	}
	return name
})

// lock takes a lock, and waits for others as long as wait says. The context that it returns ends
// when the lock is lost. The caller releases the lock.
func (r *Repository) lock(ctx context.Context, w work, server string, wait time.Duration) (context.Context, func() error, error) {
	return newLock(w, server).take(ctx, r.storage, wait)
}

func newLock(w work, server string) *lock {
	return &lock{Work: w, Server: server, Host: host(), PID: os.Getpid(), Process: process, Since: time.Now().UTC(), name: "locks/" + rand.Text()}
}

// again returns a backup that was found before the lock was there, as prune has left it.
func (r *Repository) again(ctx context.Context, b *Backup) (*Backup, error) {
	l, err := r.find(ctx, Wanted{ID: b.ID})
	if err != nil || l.Name == b.Name {
		return b, err
	}
	return r.readBackup(ctx, l)
}

func (l *lock) take(ctx context.Context, s Storage, wait time.Duration) (context.Context, func() error, error) {
	for end := time.Now().Add(wait); ; {
		other, err := l.try(ctx, s)
		if err == nil && other == nil {
			if l.unwritten {
				return ctx, func() error { return nil }, nil
			}
			break
		}
		if !l.unwritten {
			err = errors.Join(err, l.remove(ctx, s))
		}
		if err != nil {
			return nil, nil, err
		}
		if time.Now().After(end) {
			return nil, nil, &BusyError{other.String()}
		}
		// At random, because two may have seen each other.
		n, _ := rand.Int(rand.Reader, big.NewInt(400))
		if err := pause(ctx, 100*time.Millisecond+time.Duration(n.Int64())*time.Millisecond); err != nil {
			return nil, nil, err
		}
	}
	held, cancel := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { l.renew(held, s, cancel) })
	return held, func() error {
		lost := context.Cause(held) == ErrLost
		cancel(context.Canceled)
		renewing.Wait()
		if lost {
			return ErrLost
		}
		return l.remove(ctx, s)
	}, nil
}

// try writes the lock and looks for one that excludes it.
func (l *lock) try(ctx context.Context, s Storage) (other *lock, err error) {
	if err := l.write(ctx, s); err != nil {
		if l.unwritten = l.Work == reading && unwritable(err); !l.unwritten {
			return nil, err
		}
	}
	var all []Entry
	var now time.Time
	err = s.List(ctx, "locks/", func(e Entry) error {
		if e.Name == l.name {
			now = e.Since
		} else {
			all = append(all, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		b, err := readObject(ctx, s, e.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		found := &lock{name: e.Name}
		if err := json.Unmarshal(b, found); err != nil {
			found.Work = deleting // who knows
		}
		if found.gone() || !now.IsZero() && now.Sub(e.Since) > staleAfter {
			if err := s.Remove(ctx, e.Name); err != nil && !l.unwritten {
				return nil, err
			}
			continue
		}
		if l.excludes(found) {
			other = found
		}
	}
	return other, nil
}

// unwritable tells errors of a storage that takes nothing. Whoever only reads need not write: nobody can
// begin to prune there, or only from elsewhere.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func (l *lock) write(ctx context.Context, s Storage) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return writeObject(ctx, s, l.name, b)
}

func (l *lock) remove(ctx context.Context, s Storage) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return s.Remove(ctx, l.name)
}

// renew keeps a lock fresh until the context ends, and says when it is lost.
func (l *lock) renew(ctx context.Context, s Storage, lost context.CancelCauseFunc) {
	for last := time.Now(); ; {
		if pause(ctx, renewEvery) != nil {
			return
		}
		try, cancel := context.WithTimeout(ctx, lostAfter-time.Since(last))
		err := l.still(try, s)
		cancel()
		if err == nil {
			last = time.Now()
		} else if errors.Is(err, ErrLost) || time.Since(last) >= lostAfter {
			lost(ErrLost)
		}
	}
}

// still keeps a lock fresh. The error is ErrLost if others have taken it for one that was left behind: who has slept, with
// the machine or by himself, does not know it yet.
func (l *lock) still(ctx context.Context, s Storage) error {
	o, err := s.Fetch(ctx, l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrLost
	}
	if err == nil {
		err = errors.Join(o.Close(), l.write(ctx, s))
	}
	return err
}

// pause waits, and returns early with the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
