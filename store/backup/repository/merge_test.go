package repository_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/document"
)

// What many backups have brought becomes one segment when nobody needs the steps between, and takes
// no more room than what is left of it. It needs a key to read it.
func TestPruneMerges(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		w := newWorld(t, 1)
		w.must(w.s.Create(t.Context(), "db"))
		dir := t.TempDir()
		keys := repository.Keys{}
		if encrypted {
			keys = newKeys(t)
		}
		repo := create(t, repository.NewFolder(dir), keys)
		var last *repository.Backup
		for round := range 10 {
			for i := range 20 {
				w.put("db", fmt.Sprintf("doc%d", i), fmt.Sprintf(`{"round":%d,"text":%q}`, round, randomText(w.r, 1000)))
			}
			last = w.backup(repo)
		}
		if n := len(last.Chains[0].Segments); n != 10 {
			t.Errorf("ten backups are in %d segments", n)
		}
		_, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
		w.must(err)
		if encrypted {
			blind, err := repository.Open(t.Context(), repository.NewFolder(dir), repository.Keys{Recipients: keys.Recipients})
			w.must(err)
			if done, err := blind.Prune(t.Context(), repository.Pruning{}); err != nil || done.Merged != 0 {
				t.Errorf("without a key: %+v, %v", done, err)
			}
		}
		done, err := repo.Prune(t.Context(), repository.Pruning{})
		w.must(err)
		now, err := repo.Find(t.Context(), repository.Wanted{ID: last.ID})
		w.must(err)
		if n := len(now.Chains[0].Segments); n != 1 || done.Merged != 9 || now.Bytes() > last.Bytes() {
			t.Errorf("pruned to %d segments of %d bytes, from %d; %+v", n, now.Bytes(), last.Bytes(), done)
		}
		compare(t, "what was merged", w.restored(repo, now), state(t, w.s, w.eng))
		// Also for who had looked before.
		compare(t, "what was to be restored", w.restored(repo, last), state(t, w.s, w.eng))
		// And it goes on from there.
		w.put("db", "doc3", `{"later":true}`)
		next, err := repo.Make(t.Context(), backup.Local{Store: w.s}, repository.Making{Server: "a server"})
		w.must(err)
		if n := len(next.Chains[0].Segments); n != 2 {
			t.Errorf("the next backup has %d segments", n)
		}
		compare(t, "the next one", w.restored(repo, next), state(t, w.s, w.eng))
	}
}

// An attachment comes once, with the first document that has it. Others rest on it, also in later
// backups, when that document has lost it.
func TestPruneKeepsSharedAttachments(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	repo := create(t, repository.NewFolder(t.TempDir()), repository.Keys{})
	w.put("db", "first", `{"n":1}`, "early", "late")
	w.put("db", "second", `{"n":1}`, "early")
	w.backup(repo)
	w.put("db", "first", `{"n":2}`)
	w.in("db", func(db store.Bare) { w.must(db.Compact(t.Context())) })
	w.put("db", "keeps", `{"n":1}`, "late")
	w.backup(repo)
	for range 3 {
		_, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
		w.must(err)
		done, err := repo.Prune(t.Context(), repository.Pruning{})
		w.must(err)
		if done.Merged == 0 {
			t.Errorf("nothing was merged: %+v", done)
		}
		b, err := repo.Find(t.Context(), repository.Wanted{})
		w.must(err)
		compare(t, "what was merged", w.restored(repo, b), state(t, w.s, w.eng))
		w.put("db", "third", `{"n":1}`, "early", "late")
		b = w.backup(repo)
		compare(t, "the next one", w.restored(repo, b), state(t, w.s, w.eng))
		_, err = repo.Verify(t.Context(), nil, func(problem string) { t.Error(problem) }, nil)
		w.must(err)
	}
}

// A merge leaves bodies that a later capture of their document needs where they came, in front of
// another document. The next merge may drop that one's capture, and not the bodies.
func TestPruneKeepsBodiesAfterMerges(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.s.Create(t.Context(), "db"))
	repo := create(t, repository.NewFolder(t.TempDir()), repository.Keys{})
	put := func(id string, path ...revtree.Rev) {
		doc, err := document.Parse(fmt.Appendf(nil, `{"leaf":%q}`, id), document.Options{})
		w.must(err)
		doc.ID, doc.Rev, doc.HasRev, doc.Path = "conflicted", path[0], true, path
		w.in("db", func(db store.Bare) {
			_, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{Replicated: true})
			w.must(err)
		})
	}
	leaf := func(id string) { put(id, revtree.Rev{Gen: 1, ID: strings.Repeat(id, 32)}) }
	leaf("a")
	w.put("db", "next", `{"n":1}`)
	w.backup(repo)
	for round := range 5 {
		switch round {
		case 0, 3:
			leaf(fmt.Sprint(round))
		case 1: // what stands in front of the other document is not needed any longer
			put("b", revtree.Rev{Gen: 2, ID: strings.Repeat("b", 32)}, revtree.Rev{Gen: 1, ID: strings.Repeat("a", 32)})
			w.in("db", func(db store.Bare) { w.must(db.Compact(t.Context())) })
		default:
			w.put("db", "next", fmt.Sprintf(`{"round":%d}`, round))
		}
		b := w.backup(repo)
		_, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
		w.must(err)
		_, err = repo.Prune(t.Context(), repository.Pruning{})
		w.must(err)
		b, err = repo.Find(t.Context(), repository.Wanted{ID: b.ID})
		w.must(err)
		compare(t, "what was merged", w.restored(repo, b), state(t, w.s, w.eng))
		_, err = repo.Verify(t.Context(), nil, func(problem string) { t.Error(problem) }, nil)
		w.must(err)
	}
}
