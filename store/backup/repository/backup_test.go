package repository_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

func (w *world) backup(repo *repository.Repository) *repository.Backup {
	w.t.Helper()
	b, err := repo.Make(w.t.Context(), backup.Local{Store: w.s}, repository.Making{Server: "a server"})
	w.must(err)
	return b
}

func create(t testing.TB, s repository.Storage, keys repository.Keys) *repository.Repository {
	t.Helper()
	r, err := repository.Create(t.Context(), s, keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each backup restores to what the databases were when it was made, whatever has been forgotten,
// merged and deleted since.
func TestBackupsRestoreToTheirTimes(t *testing.T) {
	keys := newKeys(t)
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			storage := storages["folder"](t)
			if seed == 1 {
				storage = storages["s3"](t)
			}
			k := repository.Keys{}
			if seed%3 == 2 {
				k = keys
			}
			repo := create(t, storage, k)
			names := []string{"one", "two"}
			for _, name := range names {
				w.must(w.s.Create(t.Context(), name))
			}
			states := map[string]map[string][]string{}
			var kept []string
			for range 12 {
				for range w.r.IntN(15) {
					w.step(names[w.r.IntN(2)])
				}
				if w.r.IntN(8) == 0 {
					w.must(w.s.Drop(t.Context(), "two"))
					w.must(w.s.Create(t.Context(), "two"))
				}
				switch w.r.IntN(5) {
				default:
					b := w.backup(repo)
					states[b.ID] = state(t, w.s, w.eng)
					kept = append(kept, b.ID)
				case 0:
					if len(kept) > 1 {
						i := w.r.IntN(len(kept))
						_, err := repo.Forget(t.Context(), repository.Forgetting{IDs: kept[i : i+1]})
						w.must(err)
						kept = append(kept[:i], kept[i+1:]...)
					}
				case 1:
					_, err := repo.Prune(t.Context(), repository.Pruning{})
					w.must(err)
				}
			}
			_, err := repo.Prune(t.Context(), repository.Pruning{})
			w.must(err)
			v, err := repo.Verify(t.Context(), nil, func(problem string) { t.Error(problem) }, nil)
			if err != nil || v.Backups != len(kept) || !v.Deep {
				t.Errorf("verified %+v, %v; %d are kept", v, err, len(kept))
			}
			for _, id := range kept {
				b, err := repo.Find(t.Context(), repository.Wanted{ID: id})
				w.must(err)
				compare(t, "backup "+id, w.restored(repo, b), states[id])
			}
			// What nothing needs is gone.
			_, err = repo.Forget(t.Context(), repository.Forgetting{IDs: kept})
			w.must(err)
			_, err = repo.Prune(t.Context(), repository.Pruning{})
			w.must(err)
			w.must(storage.List(t.Context(), "", func(e repository.Entry) error {
				if !strings.HasPrefix(e.Name, "tododb-repository.") {
					t.Errorf("%s is left", e.Name)
				}
				return nil
			}))
		})
	}
}

func newKeys(t testing.TB) repository.Keys {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return repository.Keys{Recipients: []age.Recipient{id.Recipient()}, Identities: []age.Identity{id}}
}

// A backup of what has not changed stores next to nothing, and one of a small change little.
func TestBackupsAreIncremental(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	big := randomText(w.r, 300<<10)
	for i := range 200 {
		w.put("db", fmt.Sprintf("doc%d", i), fmt.Sprintf(`{"text":%q}`, randomText(w.r, 1000)))
	}
	w.put("db", "attached", `{}`, big)
	repo := create(t, repository.NewFolder(t.TempDir()), repository.Keys{})
	first := w.backup(repo)
	if first.Stored < 400<<10 || first.Chains[0].Documents != 201 {
		t.Errorf("the first one has %d documents in %d bytes", first.Chains[0].Documents, first.Stored)
	}
	if second := w.backup(repo); second.Stored != 0 || second.Chains[0].Documents != 201 {
		t.Errorf("one of nothing new has %d documents, and stores %d bytes", second.Chains[0].Documents, second.Stored)
	}
	w.put("db", "doc7", `{"changed":true}`)
	w.put("db", "attached", `{"again":true}`, big)
	w.put("db", "copied", `{}`, big)
	if third := w.backup(repo); third.Stored == 0 || third.Stored > 8<<10 {
		t.Errorf("one of three small changes stores %d bytes", third.Stored)
	}
	// The same content in another database is moved, and not stored again.
	w.must(w.s.Create(t.Context(), "other"))
	w.put("other", "attached", `{}`, big)
	if fourth := w.backup(repo); fourth.Stored > 8<<10 {
		t.Errorf("one of known content stores %d bytes", fourth.Stored)
	}
}

func randomText(r interface{ Uint64() uint64 }, n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%x", r.Uint64())
	}
	return b.String()[:n]
}

// Who has no key learns no names, and cannot restore; the next backup and what deletes need none.
func TestEncrypted(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "secretname"))
	w.put("secretname", "secretdoc", `{"secret":"body"}`, "a secret attachment")
	dir := t.TempDir()
	keys := newKeys(t)
	blind := repository.Keys{Recipients: keys.Recipients}
	w.backup(create(t, repository.NewFolder(dir), blind))
	w.put("secretname", "secretdoc", `{"secret":"other"}`)
	repo := create(t, repository.NewFolder(dir), blind)
	if b := w.backup(repo); b.Stored == 0 || b.Stored > 4<<10 {
		t.Errorf("the second one stores %d bytes", b.Stored)
	}
	w.must(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "secret") {
			t.Errorf("%s tells a secret", path)
		}
		return err
	}))
	if _, err := repo.Find(t.Context(), repository.Wanted{}); !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	other, err := repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{Identities: newKeys(t).Identities})
	w.must(err)
	if _, err := other.Find(t.Context(), repository.Wanted{}); !errors.Is(err, repository.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := repository.Create(t.Context(), repository.NewFolder(dir), repository.Keys{}); !errors.Is(err, repository.ErrRecipient) {
		t.Errorf("without recipients: %v", err)
	}
	if v, err := repo.Verify(t.Context(), nil, func(p string) { t.Error(p) }, nil); err != nil || v.Backups != 2 || v.Deep {
		t.Errorf("verified %+v, %v", v, err)
	}
	if gone, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}}); err != nil || len(gone) != 1 {
		t.Errorf("forgotten %v, %v", gone, err)
	}
	_, err = repo.Prune(t.Context(), repository.Pruning{})
	w.must(err)
	reader, err := repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{Identities: keys.Identities})
	w.must(err)
	b, err := reader.Find(t.Context(), repository.Wanted{})
	w.must(err)
	compare(t, "it", w.restored(reader, b), state(t, w.s, w.eng))
}

// Damage and loss are told, and nothing is restored.
func TestDamagedBackups(t *testing.T) {
	w := newWorld(t, 3)
	w.must(w.s.Create(t.Context(), "db"))
	for range 30 {
		w.step("db")
	}
	w.put("db", "attached", `{}`, "content")
	dir := t.TempDir()
	repo := create(t, repository.NewFolder(dir), repository.Keys{})
	w.backup(repo)
	var files []string
	w.must(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && !strings.HasPrefix(e.Name(), "tododb-repository.") { // TestLostHead
			files = append(files, path)
		}
		return err
	}))
	if len(files) != 4 {
		t.Errorf("a backup of one database with attachments has the files %q", files)
	}
	for _, file := range files {
		whole, err := os.ReadFile(file)
		w.must(err)
		for name, damage := range map[string]func() error{
			"a changed byte": func() error {
				b := append([]byte(nil), whole...)
				b[len(b)/2] ^= 4
				return os.WriteFile(file, b, 0o600)
			},
			"cut":  func() error { return os.WriteFile(file, whole[:len(whole)/2], 0o600) },
			"gone": func() error { return os.Remove(file) },
		} {
			w.must(damage())
			if err := tryRestore(t, dir); err == nil {
				t.Errorf("%s, %s: it was restored", filepath.Base(file), name)
			}
			w.must(os.WriteFile(file, whole, 0o600))
		}
	}
	if err := tryRestore(t, dir); err != nil {
		t.Errorf("all is whole again: %v", err)
	}
}

// tryRestore verifies and restores the newest backup. If that fails, it sees to it that nothing has
// changed.
func tryRestore(t *testing.T, dir string) error {
	t.Helper()
	repo, err := repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{})
	if err != nil {
		return err
	}
	problems := 0
	if _, err := repo.Verify(t.Context(), nil, func(string) { problems++ }, nil); err != nil {
		t.Errorf("verify: %v", err)
	}
	b, err := repo.Find(t.Context(), repository.Wanted{})
	if err == nil {
		into := newWorld(t, 1)
		err = repo.Restore(t.Context(), folderSink{into.s}, b, repository.Restoring{})
		if there, e := into.s.Exists(t.Context(), "db"); there != (err == nil) || e != nil {
			t.Errorf("after %v: the database is there: %v, %v", err, there, e)
		}
	}
	if (err == nil) != (problems == 0) && !errors.Is(err, repository.ErrNoBackup) {
		t.Errorf("verify found %d problems, and restore says %v", problems, err)
	}
	return err
}

// A database that is there is not replaced unless it is asked for.
func TestRestoreBesideWhatIsThere(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	w.put("db", "a", `{"old":true}`)
	repo := create(t, repository.NewFolder(t.TempDir()), repository.Keys{})
	b := w.backup(repo)
	w.put("db", "a", `{"new":true}`)
	sink := folderSink{w.s}
	exist := new(repository.ExistError)
	if err := repo.Restore(t.Context(), sink, b, repository.Restoring{}); !errors.As(err, &exist) || exist.Names[0] != "db" {
		t.Errorf("it is there: %v", err)
	}
	read := func(name string) string {
		var text string
		w.in(name, func(db store.Bare) {
			d, err := db.Get(t.Context(), "a", store.ReadOptions{})
			w.must(err)
			text = string(d.AppendJSON(nil, store.JSONOptions{}))
		})
		return text
	}
	w.must(repo.Restore(t.Context(), sink, b, repository.Restoring{Database: "db", As: "was"}))
	w.must(repo.Restore(t.Context(), sink, b, repository.Restoring{Dry: true, Replace: true}))
	if err := repo.Restore(t.Context(), refusingSink{}, b, repository.Restoring{Dry: true}); !errors.Is(err, errNotTaken) {
		t.Errorf("the dry run of a restore that is refused in the end: %v", err)
	}
	if now, was := read("db"), read("was"); !strings.Contains(now, "new") || !strings.Contains(was, "old") {
		t.Errorf("now %s, was %s", now, was)
	}
	w.must(repo.Restore(t.Context(), sink, b, repository.Restoring{Replace: true}))
	if now := read("db"); !strings.Contains(now, "old") {
		t.Errorf("replaced: %s", now)
	}
	if err := repo.Restore(t.Context(), sink, b, repository.Restoring{Database: "none"}); !errors.Is(err, repository.ErrNoDB) {
		t.Errorf("a database that it does not have: %v", err)
	}
}

// refusingSink takes all that comes, and refuses it in the end.
type refusingSink struct{}

var errNotTaken = errors.New("not taken")

func (refusingSink) There(context.Context, string) (int64, error) { return -1, nil }

func (refusingSink) Restore(_ context.Context, _ string, streams io.Reader, opt backup.RestoreOptions) error {
	if _, err := io.Copy(io.Discard, streams); err != nil || !opt.DryRun {
		return err
	}
	return errNotTaken
}
