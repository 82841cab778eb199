package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// The file of a dropped database is kept if the options say so, each under a name of its own, and
// is the database again under its old name. Its sub-databases are not kept.
func TestDroppedIsKept(t *testing.T) {
	dir, keep := t.TempDir(), true
	e, err := Open(dir, Options{NoSync: true, Journal: t.TempDir(), Kept: func() bool { return keep }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx := t.Context()
	var first engine.DBID
	for i := range 3 {
		db, err := e.Create(ctx, "a/b", engine.Entry{SpaceKey: engine.SpaceKey{Space: 1, Key: []byte("k")}, Value: []byte{byte(i)}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = db.ID()
		}
		sub, err := db.Sub(ctx, "index")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(sub.Close(), db.DropSub(ctx, "index")); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			keep = false
		}
		if err := errors.Join(e.Drop(ctx, "a/b"), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := e.List(ctx, "", -1); err != nil || len(names) > 0 {
		t.Errorf("%q, %v", names, err)
	}
	all, err := filepath.Glob(filepath.Join(dir, "a*"))
	if err != nil || len(all) != 2 {
		t.Fatalf("%q, %v", all, err)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "a.b.20*"+KeptSuffix)); err != nil || len(kept) != 2 {
		t.Fatalf("%q, %v", all, err)
	}
	if err := os.Rename(all[0], filepath.Join(dir, "a.b.bolt")); err != nil {
		t.Fatal(err)
	}
	db, err := e.Open(ctx, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(ctx, func(r engine.Reader) error {
		if v, err := r.Get(1, []byte("k")); err != nil || len(v) != 1 || v[0] != 0 || db.ID() != first {
			t.Errorf("%v, %v of %s, want %s", v, err, db.ID(), first)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
