package repository_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/widetest"
)

// told is a Watch that a test tells what has changed.
type told chan string

func (w told) Next(ctx context.Context, _ time.Duration) ([]string, error) {
	select {
	case name := <-w:
		return []string{name}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// follow follows the changes of a server until the test ends or calls stop.
func (w *world) follow(repo *repository.Repository, every, ending time.Duration) (changes told, made <-chan *repository.Backup, stop func()) {
	w.t.Helper()
	changes = make(told)
	all, ended := make(chan *repository.Backup, 100), make(chan struct{})
	ctx, cancel := context.WithCancel(w.t.Context())
	f := repository.Following{Making: repository.Making{Server: "server"}, Watch: changes, Every: every, Ending: ending}
	f.Made = func(b *repository.Backup, err error) {
		if err != nil {
			w.t.Error(err)
		}
		all <- b
	}
	go func() {
		defer close(ended)
		if err := repo.Follow(ctx, backup.Local{Store: w.s}, f); err != nil {
			w.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	w.t.Cleanup(stop)
	return changes, all, stop
}

// A shipment brings what has changed since the one before it, and not what has changed in an hour. The one that
// stays then is in one piece, and each is a whole backup.
func TestShipmentsBringWhatIsNew(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	w := newWorld(t, 1)
	repo := create(t, repository.NewFolder(t.TempDir()), repository.Keys{})
	for _, name := range []string{"notes", "still"} {
		w.must(w.s.Create(t.Context(), name))
		w.put(name, "first", `{}`)
	}
	changes, made, stop := w.follow(repo, time.Hour, 0)
	base := <-made
	shipped := func(text string) *repository.Backup {
		t.Helper()
		w.put("notes", fmt.Sprintf("%d of %d", w.r.Uint32(), len(text)), fmt.Sprintf(`{"text":%q}`, text))
		changes <- "notes"
		b := <-made
		compare(t, "a shipment", w.restored(repo, b), state(t, w.s, w.eng))
		return b
	}
	shipped("small")
	if b := shipped(randomText(w.r, 300_000)); len(b.Chains[0].Segments) != len(base.Chains[0].Segments)+1 {
		t.Errorf("a small shipment stays a piece of its own: %v", b.Chains[0].Segments)
	}
	if b := shipped("small again"); b.Stored > 50_000 {
		t.Errorf("a small change after a large one brings %d bytes", b.Stored)
	}
	base.Time = base.Time.Add(-2 * time.Hour) // so the next one stays
	b := shipped("the last one")
	if n := len(b.Chains[0].Segments); n != len(base.Chains[0].Segments)+1 {
		t.Errorf("the one that stays has %d segments", n)
	}
	stop()
	left := 0
	w.must(repo.List(t.Context(), func(*repository.Backup) error { left++; return nil }))
	if left != 2 {
		t.Errorf("%d backups are left", left)
	}
	if _, err := repo.Prune(t.Context(), repository.Pruning{}); err != nil {
		t.Error(err)
	}
	if _, err := repo.Verify(t.Context(), nil, func(problem string) { t.Error(problem) }, nil); err != nil {
		t.Error(err)
	}
}

// held is a storage that keeps nothing until it may.
type held struct {
	repository.Storage
	asked chan string
	may   chan struct{}
}

func (h *held) Keep(ctx context.Context, f *os.File, name string) error {
	if strings.HasPrefix(name, "segments/") {
		select {
		case h.asked <- name:
		default:
		}
		select {
		case <-h.may:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h.Storage.Keep(ctx, f, name)
}

// A shipment that is under way when somebody ends the following still arrives, and so does what was
// written in the meantime.
func TestFollowingEndsWithAllThatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	h := &held{repository.NewFolder(t.TempDir()), make(chan string, 1), make(chan struct{}, 10)}
	repo := create(t, h, repository.Keys{})
	w.must(w.s.Create(t.Context(), "notes"))
	w.put("notes", "first", `{}`)
	h.may <- struct{}{}
	changes, made, stop := w.follow(repo, time.Hour, time.Minute)
	<-made
	<-h.asked
	w.put("notes", "second", `{}`)
	changes <- "notes"
	<-h.asked // it is being stored
	ended := make(chan struct{})
	go func() { defer close(ended); stop() }()
	w.put("notes", "third", `{}`)
	close(h.may)
	<-ended
	var last *repository.Backup
	for len(made) > 0 {
		last = <-made
	}
	if last == nil {
		t.Fatal("the shipment was cut")
	}
	compare(t, "the last shipment", w.restored(repo, last), state(t, w.s, w.eng))
}
