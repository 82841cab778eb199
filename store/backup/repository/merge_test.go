package repository_test

import (
	"fmt"
	"testing"

	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
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
