package backup_test

import (
	"bytes"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/storetest"
)

// A restored database is known as every database that it came of: those that were restored themselves, and one that was
// empty. Otherwise its synchronizations would be taken for those of a database that is gone.
func TestRestoredAgainIsWhatItWas(t *testing.T) {
	s := storetest.On(t, storetest.Engine(t), store.Options{})
	db := storetest.Bare(t, s, "db")
	former := []string{db.Instance()}
	for round := range 4 {
		if round == 2 {
			fillWith(t, db, 2)
		}
		var b bytes.Buffer
		if _, err := backup.Capture(t.Context(), db, &b, backup.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Restore(t.Context(), s, "db", &b, backup.RestoreOptions{Replace: true}); err != nil {
			t.Fatal(err)
		}
		var err error
		if db, err = s.Bare(t.Context(), "db", store.ForBackups); err != nil {
			t.Fatal(err)
		}
		defer db.Release()
		for i, was := range former {
			if !db.Was(was) {
				t.Errorf("restored %d times, it is not known as what it was after %d", round+1, i)
			}
		}
		former = append(former, db.Instance())
	}
}
