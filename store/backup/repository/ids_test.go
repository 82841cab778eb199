package repository_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup/repository"
)

// counting is a storage that counts the bytes that are read of segments.
type counting struct {
	repository.Storage
	segments int64
	refuses  bool // to keep anything
}

func (c *counting) Fetch(ctx context.Context, name string) (repository.Object, error) {
	o, err := c.Storage.Fetch(ctx, name)
	if err == nil && strings.HasPrefix(name, "segments/") {
		c.segments += o.Size()
	}
	return o, err
}

func (c *counting) Keep(ctx context.Context, f *os.File, name string) error {
	if c.refuses {
		f.Close()
		os.Remove(f.Name())
		return os.ErrPermission
	}
	return c.Storage.Keep(ctx, f, name)
}

// documentsOf are the documents of a database, as a backup should list them.
func (w *world) documentsOf(name string) (docs []string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.in(name, func(db store.Bare) {
		for i := range 12 {
			id := fmt.Sprintf("d%d", i)
			d, err := db.Get(ctx, id, store.ReadOptions{Deleted: true})
			if err != nil {
				continue
			}
			leaves, err := db.OpenRevs(ctx, id, nil, store.ReadOptions{Deleted: true})
			w.must(err)
			docs = append(docs, fmt.Sprintf("%s %v %v %d", id, d.Deleted, d.Rev, len(leaves)))
		}
	})
	slices.Sort(docs)
	return docs
}

// What a backup lists is what the database had, whatever was purged, merged and stored anew; also in
// pages, and if its lists are missing, damaged, or cannot be stored.
func TestBackupsListWhatTheDatabaseHad(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 100+seed)
			keys := repository.Keys{}
			if seed%3 == 2 {
				keys = newKeys(t)
			}
			dir := t.TempDir()
			storage := &counting{Storage: repository.NewFolder(dir)}
			repo := create(t, storage, keys)
			w.must(w.s.Create(t.Context(), "db"))
			had := map[string][]string{}
			for range 8 {
				for range w.r.IntN(15) {
					w.step("db")
				}
				b := w.backup(repo)
				had[b.ID] = w.documentsOf("db")
				switch w.r.IntN(6) {
				case 0:
					gone, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 3}})
					w.must(err)
					for _, g := range gone {
						delete(had, g.ID)
					}
					_, err = repo.Prune(t.Context(), repository.Pruning{})
					w.must(err)
				case 1:
					w.must(os.RemoveAll(filepath.Join(dir, "ids")))
				case 2:
					w.must(filepath.Walk(filepath.Join(dir, "ids"), func(path string, info os.FileInfo, err error) error {
						if err != nil || info.IsDir() {
							return nil
						}
						return os.Truncate(path, info.Size()/2)
					}))
				}
				storage.refuses = w.r.IntN(3) == 0
				if got := listed(t, repo, b); !slices.Equal(got, had[b.ID]) {
					t.Errorf("the newest backup lists\n%q, the database has\n%q", got, had[b.ID])
				}
				storage.refuses = false
			}
			for id, want := range had {
				b, err := repo.Find(t.Context(), repository.Wanted{ID: id})
				w.must(err)
				if got := listed(t, repo, b); !slices.Equal(got, want) {
					t.Errorf("backup %s lists\n%q, the database had\n%q", id, got, want)
				}
			}
		})
	}
}

// listed lists a backup in pages of five, and reads one of its documents.
func listed(t *testing.T, repo *repository.Repository, b *repository.Backup) (docs []string) {
	t.Helper()
	for start := ""; ; {
		page, next, err := repo.Page(t.Context(), b, "db", repository.Range{Start: start, Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range page {
			docs = append(docs, fmt.Sprintf("%s %v %v %d", d.ID, d.Deleted, d.Leaves[0].Rev, len(d.Leaves)))
			if i > 0 || start == "" {
				continue
			}
			whole, err := repo.Documents(t.Context(), b, "db", []string{d.ID})
			if err != nil || whole[0].Leaves[0].Path[0] != d.Leaves[0].Rev {
				t.Errorf("document %s: %+v, %v", d.ID, whole, err)
			}
		}
		if start = next; start == "" {
			return docs
		}
	}
}

// A page of a large database in a backup reads no segment, and a document only those that it is in. A
// database that an earlier program has backed up is read once.
func TestPagesReadNoSegments(t *testing.T) {
	w := newWorld(t, 5)
	dir := t.TempDir()
	storage := &counting{Storage: repository.NewFolder(dir)}
	repo := create(t, storage, repository.Keys{})
	w.must(w.s.Create(t.Context(), "db"))
	for i := range 1000 {
		w.put("db", fmt.Sprintf("doc%04d", i), fmt.Sprintf(`{"text":%q}`, randomText(w.r, 1000)))
	}
	w.backup(repo)
	for i := range 3 {
		w.put("db", fmt.Sprintf("doc%04d", 10*i), `{"again":true}`)
	}
	b := w.backup(repo)
	small := b.Chains[0].Segments[1].Size
	look := func(what string, most int64) {
		t.Helper()
		storage.segments = 0
		docs, next, err := repo.Page(t.Context(), b, "db", repository.Range{Start: "doc0009", Limit: 3})
		w.must(err)
		if len(docs) != 3 || docs[0].ID != "doc0009" || docs[1].ID != "doc0010" || docs[1].Revs != 2 || docs[2].Revs != 1 || next != "doc0012" {
			t.Errorf("%s: the page is %+v, then %s", what, docs, next)
		}
		if storage.segments > most {
			t.Errorf("%s: a page read %d bytes of segments", what, storage.segments)
		}
	}
	look("with a list", small)
	w.must(os.RemoveAll(filepath.Join(dir, "ids")))
	look("without one", 1<<40)
	look("after it was made", small)

	storage.segments = 0
	one, err := repo.Documents(t.Context(), b, "db", []string{"doc0020"})
	w.must(err)
	if string(one[0].Leaves[0].JSON) != `{"again":true}` || storage.segments > 5*small {
		t.Errorf("a document of the second backup: %s, with %d bytes of segments read", one[0].Leaves[0].JSON, storage.segments)
	}
	// Lists go with their segments.
	_, err = repo.Forget(t.Context(), repository.Forgetting{IDs: []string{w.backup(repo).ID, b.ID}})
	w.must(err)
	w.must(w.s.Drop(t.Context(), "db"))
	w.must(w.s.Create(t.Context(), "db"))
	w.backup(repo)
	_, err = repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
	w.must(err)
	_, err = repo.Prune(t.Context(), repository.Pruning{})
	w.must(err)
	left := 0
	w.must(storage.List(t.Context(), "ids/", func(repository.Entry) error { left++; return nil }))
	if left > 0 {
		t.Errorf("%d lists of segments that are gone", left)
	}
}
