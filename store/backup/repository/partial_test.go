package repository_test

import (
	"slices"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/storetest"
)

// A backup of some databases does not stand for one of all: no rule forgets the one for the other's sake,
// and whoever wants all databases, or another one, does not get it.
func TestBackupsOfSomeDatabases(t *testing.T) {
	w := newWorld(t, 1)
	for _, name := range []string{"one", "two"} {
		w.must(w.s.Create(t.Context(), name))
	}
	repo := create(t, repository.NewFolder(t.TempDir()), repository.Keys{})
	some := func(names ...string) string {
		b, err := repo.Make(t.Context(), backup.Local{Store: w.s}, repository.Making{Server: "a server", Databases: names})
		w.must(err)
		return b.ID
	}
	early, all, one, one2, two := some("one"), some(), some("one"), some("one"), some("two")
	for what, want := range map[repository.Content]string{
		{}:                two,
		{All: true}:       all,
		{Database: "one"}: one2,
		{Database: "two"}: two,
		{Database: "no"}:  all,
	} {
		b, err := repo.Find(t.Context(), repository.Wanted{What: what})
		if err != nil || b.ID != want {
			t.Errorf("who wants %+v finds %+v, %v", what, b, err)
		}
	}
	whole, err := repo.Find(t.Context(), repository.Wanted{ID: all})
	w.must(err)
	if b, err := repo.Find(t.Context(), repository.Wanted{ID: two, What: repository.Content{All: true}}); err != nil || b.ID != two {
		t.Errorf("by its id: %v, %v", b, err)
	}
	if at, err := repo.Newest(t.Context(), "a server"); err != nil || at.UnixMilli() != whole.Time.UnixMilli() {
		t.Errorf("the newest one of all is of %v, %v; not of %v", at, err, whole.Time)
	}
	gone, err := repo.Forget(t.Context(), repository.Forgetting{Keep: repository.Keep{Last: 1}})
	w.must(err)
	var ids []string
	for _, g := range gone {
		ids = append(ids, g.ID)
	}
	if !slices.Equal(ids, []string{early, one}) {
		t.Errorf("forgotten are %v of %v", ids, []string{early, all, one, one2, two})
	}
	for _, id := range []string{all, one2} {
		_, err := repo.Forget(t.Context(), repository.Forgetting{IDs: []string{id}})
		w.must(err)
	}
	if b, err := repo.Find(t.Context(), repository.Wanted{What: repository.Content{All: true}}); err != nil || b.ID != two {
		t.Errorf("with nothing else: %v, %v", b, err)
	}
}

// Users and jobs come last: a server that has them may make databases for them.
func TestRestoreOrder(t *testing.T) {
	w := newWorld(t, 1)
	for _, name := range []string{"_replicator", "_users", "a", "userdb-61"} {
		w.must(w.s.Create(t.Context(), name))
	}
	repo := create(t, repository.NewFolder(t.TempDir()), repository.Keys{})
	b := w.backup(repo)
	var order []string
	into := storetest.On(t, storetest.Engine(t), store.Options{})
	w.must(repo.Restore(t.Context(), folderSink{into}, b, repository.Restoring{Done: func(name string, _ *repository.Chain) { order = append(order, name) }}))
	if !slices.Equal(order, []string{"a", "userdb-61", "_users", "_replicator"}) {
		t.Errorf("restored in the order %v", order)
	}
}
