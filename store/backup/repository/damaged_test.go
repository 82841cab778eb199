package repository_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

// A backup whose own object is damaged does not end backups: the next one goes on without it. The
// others are listed, and prune deletes nothing until it is forgotten.
func TestDamagedBackupIsPassedBy(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	dir := t.TempDir()
	repo := create(t, repository.NewFolder(dir), repository.Keys{})
	w.put("db", "a", `{"n":1}`)
	first := w.backup(repo)
	w.put("db", "b", `{"n":1}`)
	lost := w.backup(repo)
	w.must(os.Truncate(filepath.Join(dir, lost.Name), 100))
	w.put("db", "c", `{"n":1}`)
	b, err := repo.Make(t.Context(), backup.Local{Store: w.s}, repository.Making{Server: "a server"})
	w.must(err)
	compare(t, "the next one", w.restored(repo, b), state(t, w.s, w.eng))
	var ids []string
	err = repo.List(t.Context(), func(b *repository.Backup) error { ids = append(ids, b.ID); return nil })
	if _, damaged := errors.AsType[*repository.DamagedError](err); !damaged || strings.Join(ids, " ") != first.ID+" "+b.ID {
		t.Errorf("listed are %v, %v", ids, err)
	}
	if done, err := repo.Prune(t.Context(), repository.Pruning{}); err == nil || !strings.Contains(err.Error(), "--id "+lost.ID) || done.Objects > 0 {
		t.Errorf("prune: %+v, %v", done, err)
	}
	_, err = repo.Forget(t.Context(), repository.Forgetting{IDs: []string{lost.ID}})
	w.must(err)
	_, err = repo.Prune(t.Context(), repository.Pruning{})
	w.must(err)
}

// An object that several backups name is told of once.
func TestDamagedObjectCountsOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	dir := t.TempDir()
	repo := create(t, repository.NewFolder(dir), repository.Keys{})
	w.put("db", "a", `{"n":1}`)
	first := w.backup(repo)
	w.put("db", "b", `{"n":1}`)
	w.backup(repo)
	shared := filepath.Join(dir, first.Chains[0].Segments[0].Name)
	b, err := os.ReadFile(shared)
	w.must(err)
	b[len(b)/2] ^= 1
	w.must(os.Chmod(shared, 0o600))
	w.must(os.WriteFile(shared, b, 0o600))
	var problems []string
	v, err := repo.Verify(t.Context(), nil, func(problem string) { problems = append(problems, problem) }, nil)
	w.must(err)
	if len(problems) != 1 || v.Problems != 1 || v.Backups != 2 || v.Objects != 4 {
		t.Errorf("%+v: %q", v, problems)
	}
}

// full has no room for packs: the first object is a lock, then comes a segment before each pack.
type full struct {
	repository.Storage
	objects int
}

func (f *full) Stage() (*os.File, error) {
	if f.objects++; f.objects > 1 && f.objects%2 == 1 {
		return nil, &os.PathError{Op: "write", Err: syscall.ENOSPC}
	}
	return f.Storage.Stage()
}

// A backup to a storage that is full fails at once, and says why, also if some of it had room.
func TestFullStorage(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	w.put("db", "a", `{"n":1}`, strings.Repeat("a", 100_000))
	dir := t.TempDir()
	create(t, repository.NewFolder(dir), repository.Keys{})
	repo, err := repository.Open(t.Context(), &full{Storage: repository.NewFolder(dir)}, repository.Keys{})
	w.must(err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = repo.Make(ctx, backup.Local{Store: w.s}, repository.Making{Server: "a server"})
	if ctx.Err() != nil || err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the backup ends with %v", err)
	}
}
