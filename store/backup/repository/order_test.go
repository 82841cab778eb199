package repository_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/backup/repository"
)

// A backup that was made while the clock was ahead is not the newest one for ever: backups of a server
// come in the order in which they were made.
func TestClockThatWasAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	dir := t.TempDir()
	repo := create(t, repository.NewFolder(dir), repository.Keys{})
	var ids []string
	var last *repository.Backup
	for i, id := range []string{"a", "b", "c"} {
		w.put("db", id, `{}`)
		last = w.backup(repo)
		ids = append(ids, last.ID)
		if i == 0 {
			year := last.Time.UTC().Format("2006")
			ahead := strings.Replace(last.Name, "backups/"+year, "backups/2"+year[1:2]+"99", 1)
			w.must(os.Rename(filepath.Join(dir, last.Name), filepath.Join(dir, ahead)))
		}
	}
	if last.Number != 3 {
		t.Errorf("the third backup has the number %d", last.Number)
	}
	var listed []string
	w.must(repo.List(t.Context(), func(b *repository.Backup) error { listed = append(listed, b.ID); return nil }))
	if !slices.Equal(listed, ids) {
		t.Errorf("listed are %v, want %v", listed, ids)
	}
	for _, want := range []repository.Wanted{{}, {At: time.Now().Add(time.Minute)}} {
		if b, err := repo.Find(t.Context(), want); err != nil || b.ID != last.ID {
			t.Errorf("%+v finds %v, %v", want, b, err)
		}
	}
	if at, err := repo.Newest(t.Context(), "a server"); err != nil || at.Sub(last.Time).Abs() > time.Second {
		t.Errorf("the newest is of %v, %v; want %v", at, err, last.Time)
	}
	gone, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
	w.must(err)
	if len(gone) != 2 || slices.ContainsFunc(gone, func(f repository.Forgotten) bool { return f.ID == last.ID }) {
		t.Errorf("forgotten are %v of %v", gone, ids)
	}
}
