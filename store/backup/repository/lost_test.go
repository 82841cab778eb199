package repository_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

// Whoever follows a server goes on from a backup that he has made. Meanwhile others may forget and prune:
// then its segments have other names, or it is no longer there.
func TestFollowingAfterPrune(t *testing.T) {
	for _, what := range []string{"merged", "merged without a key", "forgotten"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.must(w.s.Create(t.Context(), "db"))
			w.must(w.s.Create(t.Context(), "quiet"))
			w.put("quiet", "a", `{"n":1}`, "an attachment")
			dir := t.TempDir()
			keys := repository.Keys{}
			if what == "merged without a key" {
				keys = newKeys(t)
			}
			repo := create(t, repository.NewFolder(dir), keys)
			follower, err := repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{Recipients: keys.Recipients})
			w.must(err)
			follow := func(m repository.Making) *repository.Backup {
				m.Server, m.Unchanged = "a server", repository.KeepNone
				b, err := follower.Make(t.Context(), backup.Local{Store: w.s}, m)
				w.must(err)
				return b
			}
			var base *repository.Backup
			for i := range 10 {
				w.put("db", fmt.Sprint("d", i), `{"n":1}`)
				base = follow(repository.Making{})
			}
			w.put("db", "d", `{"n":1}`)
			changed := map[string]bool{"db": true}
			last := follow(repository.Making{Base: base, Changed: changed})
			forgetting := repository.Forgetting{Keep: repository.Keep{Last: 2}}
			if what == "forgotten" {
				forgetting = repository.Forgetting{IDs: []string{base.ID}, Keep: repository.Keep{Last: 1}}
			}
			_, err = repo.Forget(t.Context(), forgetting)
			w.must(err)
			done, err := repo.Prune(t.Context(), repository.Pruning{})
			if err != nil || done.Merged == 0 {
				t.Errorf("prune: %+v, %v", done, err)
			}
			w.put("db", "e", `{"n":1}`)
			b := follow(repository.Making{Base: base, Changed: changed, Replaces: last})
			compare(t, "the next one", w.restored(repo, b), state(t, w.s, w.eng))
			w.must(repo.List(t.Context(), func(found *repository.Backup) error {
				if found.ID == last.ID {
					t.Error("what was replaced is still there")
				}
				return nil
			}))
			_, err = repo.Verify(t.Context(), nil, func(problem string) { t.Error(problem) }, nil)
			w.must(err)
		})
	}
}

// A part of earlier backups that has gone or is too short is no ground to stand on: the next backup stores
// the databases that need it anew, and has all that it needs.
func TestLostPartsAreStoredAnew(t *testing.T) {
	for _, kind := range []string{"segments", "packs", "index"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			dir := t.TempDir()
			repo := create(t, repository.NewFolder(dir), repository.Keys{})
			for _, name := range []string{"one", "two"} {
				w.must(w.s.Create(t.Context(), name))
				w.put(name, "a", `{"n":1}`, strings.Repeat(name, 10_000))
				w.backup(repo)
			}
			lose := func(how func(path string) error) {
				t.Helper()
				found, err := filepath.Glob(filepath.Join(dir, kind, "*", "*"))
				w.must(err)
				w.must(how(found[0]))
			}
			for i, how := range []func(string) error{os.Remove, func(path string) error { return os.Truncate(path, 50) }} {
				lose(how)
				b := w.backup(repo)
				if b.Anew == 0 {
					t.Errorf("loss %d: nothing is stored anew", i)
				}
				compare(t, fmt.Sprint("loss ", i), w.restored(repo, b), state(t, w.s, w.eng))
				if again := w.backup(repo); again.Anew != 0 || again.Stored != 0 {
					t.Errorf("loss %d: and once more: %d databases, %d bytes", i, again.Anew, again.Stored)
				}
			}
		})
	}
}

// Segments that are lost are not merged with others, and everything else of prune is done.
func TestPruneWithLostSegments(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	w.must(w.s.Create(t.Context(), "dropped"))
	w.put("dropped", "a", `{"n":1}`)
	dir := t.TempDir()
	repo := create(t, repository.NewFolder(dir), repository.Keys{})
	var b *repository.Backup
	var garbage string
	for i := range 3 {
		w.put("db", fmt.Sprint("d", i), `{"n":1}`)
		b = w.backup(repo)
		if i == 0 {
			garbage = b.Chains[1].Segments[0].Name
			w.must(w.s.Drop(t.Context(), "dropped"))
		}
	}
	lost := b.Chains[0].Segments[1].Name
	w.must(os.Remove(filepath.Join(dir, lost)))
	_, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
	w.must(err)
	done, err := repo.Prune(t.Context(), repository.Pruning{})
	if err == nil || !strings.Contains(err.Error(), lost) || done.Merged != 0 {
		t.Errorf("prune: %+v, %v", done, err)
	}
	if _, err := os.Stat(filepath.Join(dir, garbage)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what nothing needs is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, b.Chains[0].Segments[0].Name)); err != nil {
		t.Error(err)
	}
}

// A repository has always the same recipients: a backup for others would rest on what they can't read.
func TestOtherRecipients(t *testing.T) {
	mine, theirs := newKeys(t), newKeys(t)
	storage := repository.NewFolder(t.TempDir())
	create(t, storage, mine)
	for what, keys := range map[string]repository.Keys{
		"others": {Recipients: theirs.Recipients},
		"more":   {Recipients: append(theirs.Recipients, mine.Recipients...)},
	} {
		if _, err := repository.Create(t.Context(), storage, keys); !errors.Is(err, repository.ErrOthers) {
			t.Errorf("%s: %v", what, err)
		}
	}
	create(t, storage, repository.Keys{Recipients: append(mine.Recipients, mine.Recipients...)})
}

// The head of a repository is there twice. Either is enough, and the next backup mends the other one.
func TestLostHead(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	w.put("db", "a", `{"n":1}`, "an attachment")
	dir := t.TempDir()
	storage := repository.NewFolder(dir)
	b := w.backup(create(t, storage, repository.Keys{}))
	heads := []string{filepath.Join(dir, "tododb-repository.json"), filepath.Join(dir, "tododb-repository.spare.json")}
	whole, err := os.ReadFile(heads[0])
	w.must(err)
	for _, path := range heads {
		for what, lose := range map[string]func() error{
			"gone": func() error { return os.Remove(path) },
			"cut":  func() error { return os.Truncate(path, 30) },
			"other salt": func() error {
				return os.WriteFile(path, bytes.Replace(whole, whole[60:66], []byte("123456"), 1), 0o600)
			},
		} {
			w.must(lose())
			repo, err := repository.Open(t.Context(), storage, repository.Keys{})
			if err != nil {
				t.Fatalf("%s is %s: %v", path, what, err)
			}
			compare(t, what, w.restored(repo, b), state(t, w.s, w.eng))
			create(t, storage, repository.Keys{})
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, whole) {
				t.Errorf("%s was %s, and is %s, %v", path, what, now, err)
			}
		}
	}
	for _, path := range heads {
		w.must(os.Remove(path))
	}
	if _, err := repository.Create(t.Context(), storage, repository.Keys{}); !errors.Is(err, repository.ErrForeign) {
		t.Errorf("without both: %v", err)
	}
}

// A machine that sleeps while it makes a backup comes back to what others have pruned meanwhile: they have taken its lock for one
// that was left behind. That is no backup.
func TestSleptDuringBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	w.put("db", "a", `{"n":1}`, "an attachment")
	dir := t.TempDir()
	repo := create(t, repository.NewFolder(dir), repository.Keys{})
	slept := false
	b, err := repo.Make(t.Context(), backup.Local{Store: w.s}, repository.Making{Server: "a server", Progress: func(p repository.Progress) {
		if p.Database != "" || slept || p.Done == 0 {
			return
		}
		slept = true // before it is known as a backup
		locks, err := filepath.Glob(filepath.Join(dir, "locks", "*"))
		w.must(err)
		for _, one := range locks {
			long := time.Now().Add(-time.Hour)
			w.must(os.Chtimes(one, long, long))
		}
		other, err := repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{})
		w.must(err)
		done, err := other.Prune(t.Context(), repository.Pruning{})
		if err != nil || done.Objects == 0 {
			t.Errorf("prune: %+v, %v", done, err)
		}
	}})
	if b != nil || !errors.Is(err, repository.ErrLost) || !slept {
		t.Errorf("a backup without its parts: %v, %v", b != nil, err)
	}
	_, err = repo.Make(t.Context(), backup.Local{Store: w.s}, repository.Making{Server: "a server"})
	w.must(err)
	_, err = repo.Verify(t.Context(), nil, func(problem string) { t.Error(problem) }, nil)
	w.must(err)
}
