package schedule

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/storetest"
)

// A backup from the future, by a clock that was wrong, does not keep the next one away.
func TestBackupFromTheFuture(t *testing.T) {
	t.Parallel()
	repo, err := repository.Create(t.Context(), repository.NewFolder(t.TempDir()), repository.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	source := backup.Local{Store: storetest.Open(t, store.Options{})}
	if _, err := repo.Make(t.Context(), source, repository.Making{Server: "a server"}); err != nil {
		t.Fatal(err)
	}
	plan, err := Parse("1h")
	if err != nil {
		t.Fatal(err)
	}
	setup := Setup{Target: "somewhere", Plan: plan, Open: func(context.Context) (*repository.Repository, error) { return repo, nil }}
	for ahead, want := range map[time.Duration]time.Duration{time.Minute: 59 * time.Minute, -24 * time.Hour: 0} {
		now := time.Now().Add(ahead)
		k := New(Options{Server: func() string { return "a server" }, Now: func() time.Time { return now }})
		at, planned := k.next(setup, k.newest(t.Context(), setup), time.Time{})
		if wait := at.Sub(now); !planned || (wait-want).Abs() > 30*time.Second {
			t.Errorf("with a clock that is %v ahead of the backup the next one is in %v, want %v", ahead, wait, want)
		}
	}
}

// A clock that has been ahead, and is set right after a backup, does not keep the next ones away.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	for text, most := range map[string]time.Duration{"02:00": 26 * time.Hour, "1d": 24 * time.Hour} {
		repo, err := repository.Create(t.Context(), repository.NewFolder(t.TempDir()), repository.Keys{})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		open := func(context.Context) (*repository.Repository, error) { return repo, nil }
		var ahead atomic.Int64 // years
		ahead.Store(10)
		k := New(Options{
			Source: backup.Local{Store: storetest.Open(t, store.Options{})}, Server: func() string { return "a server" },
			Settings: func() map[string]map[string]string { return nil }, Log: slog.New(slog.DiscardHandler),
			Setup: func() Setup { return Setup{Target: "somewhere", Text: text, Plan: plan, Open: open} },
			// A clock that is set knows nothing of what has passed.
			Now: func() time.Time { return time.Now().Round(0).AddDate(int(ahead.Load()), 0, 0) },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		k.startHere()
		go func() {
			k.Run(ctx)
			close(ended)
		}()
		planned := func() bool {
			s := k.State()
			return s.Made == 1 && s.Next != nil && s.Next.After(k.opt.Now()) && s.Next.Sub(k.opt.Now()) <= most
		}
		for _, years := range []int64{10, 0} {
			ahead.Store(years)
			k.Changed() // as after an hour
			for end := time.Now().Add(10 * time.Second); !planned(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: at %v, the next backup is to be made %v", text, k.opt.Now(), k.State().Next)
				}
			}
		}
		stop()
		<-ended
	}
}

// Somebody who has set another target and wants a backup gets one there, also while the keeper is still looking at the old one.
func TestWishBehindAnotherTarget(t *testing.T) {
	t.Parallel()
	repo, err := repository.Create(t.Context(), repository.NewFolder(t.TempDir()), repository.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	open := func(context.Context) (*repository.Repository, error) { return repo, nil }
	setup := atomic.Pointer[Setup]{}
	k := New(Options{
		Source: backup.Local{Store: storetest.Open(t, store.Options{})}, Server: func() string { return "a server" },
		Settings: func() map[string]map[string]string { return nil }, Log: slog.New(slog.DiscardHandler),
		Setup: func() Setup { return *setup.Load() },
	})
	setup.Store(&Setup{Target: "slow", Open: func(context.Context) (*repository.Repository, error) {
		setup.Store(&Setup{Target: "other", Open: open})
		k.Changed()
		if err := k.Start(t.Context()); err != nil {
			t.Error(err)
		}
		return repo, nil
	}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		k.Run(ctx)
		close(ended)
	}()
	for end := time.Now().Add(10 * time.Second); k.State().Made == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Error("the backup is not made")
			break
		}
	}
	stop()
	<-ended
}

// watchFunc is a Watch.
type watchFunc func(context.Context) ([]string, error)

func (f watchFunc) Next(ctx context.Context, _ time.Duration) ([]string, error) { return f(ctx) }

// A server that follows changes and is stopped ships what was written until then.
func TestStopShipsWhatHasChanged(t *testing.T) {
	t.Parallel()
	repo, err := repository.Create(t.Context(), repository.NewFolder(t.TempDir()), repository.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, store.Options{})
	if err := s.Create(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	k := New(Options{
		Source: backup.Local{Store: s}, Log: slog.New(slog.DiscardHandler),
		Server: func() string { return "a server" }, Settings: func() map[string]map[string]string { return nil },
		Watch: func() repository.Watch {
			return watchFunc(func(ctx context.Context) ([]string, error) {
				if err := s.Create(t.Context(), "last"); err != nil {
					t.Error(err)
				}
				stop()
				return nil, ctx.Err()
			})
		},
	})
	setup := Setup{Open: func(context.Context) (*repository.Repository, error) { return repo, nil }}
	k.opt.Setup = func() Setup { return setup }
	k.follow(ctx, setup)
	if state := k.State(); state.Made != 2 || state.Failed != 0 || state.Running != nil || state.Last[0].Databases != 2 {
		t.Errorf("after the stop: %+v", state)
	}
}
