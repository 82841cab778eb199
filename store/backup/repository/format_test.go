package repository_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

// movingSink restores databases that go on as the same ones.
type movingSink struct{ folderSink }

func (f movingSink) Restore(ctx context.Context, name string, streams io.Reader, opt backup.RestoreOptions) error {
	_, err := backup.Restore(ctx, f.s, name, streams, backup.RestoreOptions{Move: true})
	return err
}

// earlier opens a copy of a repository that a program of format 1 has made: two backups of a server
// with the databases herbs and trees.
func earlier(t *testing.T) (dir string, repo *repository.Repository, all []*repository.Backup) {
	t.Helper()
	dir = t.TempDir()
	lines, err := os.ReadFile("testdata/format1.txt") // names of objects, and their bytes in base64
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(lines)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		content, err := base64.StdEncoding.DecodeString(text)
		path := filepath.Join(dir, name)
		if err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	repo, err = repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = repo.Latest(t.Context(), 0, 10, func(b *repository.Backup) error {
		all = append([]*repository.Backup{b}, all...)
		return nil
	})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d backups, %v", len(all), err)
	}
	return dir, repo, all
}

// read is a document of a database, or why it cannot be read.
func (w *world) read(name, id string) (s string) {
	w.in(name, func(db store.Bare) {
		d, err := db.Get(w.t.Context(), id, store.ReadOptions{})
		if err != nil {
			s = err.Error()
			return
		}
		s = fmt.Sprintf("%s %s", d.Rev, d.Body)
		for _, a := range d.Attachments {
			in := db.ReadAttachment(w.t.Context(), a.Digest, 0, a.Length)
			b, err := io.ReadAll(in)
			in.Close()
			w.must(err)
			s += fmt.Sprintf(" %s=%s", a.Name, b)
		}
	})
	return s
}

// A repository of the format before is read as it was written. The next backup goes on from it, moves
// only what is new, and raises the format, so that programs of that time do not touch it any more.
func TestEarlierFormatIsContinued(t *testing.T) {
	dir, repo, all := earlier(t)
	w := newWorld(t, 1)
	if _, err := repo.Verify(t.Context(), nil, func(problem string) { t.Error(problem) }, nil); err != nil {
		t.Fatal(err)
	}
	before := newWorld(t, 2)
	w.must(repo.Restore(t.Context(), folderSink{before.s}, all[0], repository.Restoring{}))
	w.must(repo.Restore(t.Context(), movingSink{folderSink{w.s}}, all[1], repository.Restoring{}))
	if got := before.read("herbs", "d2") + before.read("herbs", "d7"); !strings.Contains(got, `{"n":2,"text":"2 3 4`) || !strings.Contains(got, "a=an attachment of a herb") {
		t.Errorf("of the first backup came back: %s", got)
	}
	if got := w.read("herbs", "d2") + w.read("herbs", "d8"); !strings.Contains(got, "not found") && !strings.Contains(got, "deleted") || !strings.Contains(got, `{"late":true}`) {
		t.Errorf("of the second backup came back: %s", got)
	}

	w.put("herbs", "d3", `{"edited":true}`)
	w.put("trees", "d9", `{"tree":"beech"}`, strings.Repeat("leaves ", 100))
	repo, err := repository.Create(t.Context(), repository.NewFolder(dir), repository.Keys{})
	w.must(err)
	b, err := repo.Make(t.Context(), backup.Local{Store: w.s}, repository.Making{Server: all[1].UUID})
	w.must(err)
	for i, d := range b.Databases {
		was, err := all[1].Find(d.Name)
		w.must(err)
		if had := all[1].Chains[was].Segments; !slices.Equal(b.Chains[i].Segments[:len(had)], had) {
			t.Errorf("%s does not go on from what was there", d.Name)
		}
	}
	compare(t, "the continued backup", w.restored(repo, b), state(t, w.s, w.eng))
	for _, name := range []string{"tododb-repository.json", "tododb-repository.spare.json"} {
		if head, err := os.ReadFile(dir + "/" + name); err != nil || !strings.Contains(string(head), `"format":2,`) {
			t.Errorf("%s: %s, %v", name, head, err)
		}
	}
}

// So it is with what prune merges: segments of both formats become one.
func TestEarlierFormatIsPruned(t *testing.T) {
	dir, repo, all := earlier(t)
	want := newWorld(t, 1)
	want.must(repo.Restore(t.Context(), folderSink{want.s}, all[1], repository.Restoring{}))
	_, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
	want.must(err)
	done, err := repo.Prune(t.Context(), repository.Pruning{})
	want.must(err)
	if done.Merged == 0 {
		t.Errorf("nothing was merged: %+v", done)
	}
	repo, err = repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{})
	want.must(err)
	now, err := repo.Find(t.Context(), repository.Wanted{ID: all[1].ID})
	want.must(err)
	compare(t, "what was merged", want.restored(repo, now), state(t, want.s, want.eng))
	if head, err := os.ReadFile(dir + "/tododb-repository.json"); err != nil || !strings.Contains(string(head), `"format":2,`) {
		t.Errorf("%s, %v", head, err)
	}
}
