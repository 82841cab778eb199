package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/widetest"
)

// The list of free pages may take thousands of pages itself: a file of which gigabytes are
// free, or, as here, of small pages.
func TestManyFreePages(t *testing.T) {
	widetest.Only(t)
	for _, pages := range []int{0xFFF0, 0xFFFF + 3, 200_000} {
		dir := t.TempDir()
		small, err := bbolt.Open(filepath.Join(dir, "db.bolt"), 0o600, &bbolt.Options{PageSize: 1024, NoSync: true, NoGrowSync: true, FreelistType: bbolt.FreelistMapType})
		if err != nil {
			t.Fatal(err)
		}
		large := bytes.Repeat([]byte("v"), 1024*1000)
		for _, fn := range []func(*bbolt.Tx) error{
			func(tx *bbolt.Tx) error {
				id, err := tx.CreateBucketIfNotExists([]byte("id"))
				if err != nil {
					return err
				}
				b, err := tx.CreateBucketIfNotExists([]byte{byte(space)})
				for i := range pages / 1000 {
					err = errors.Join(err, b.Put(fmt.Appendf(nil, "%d", i), large))
				}
				return errors.Join(err, id.Put([]byte("format"), []byte("tododb 1")), id.Put([]byte("id"), []byte("x")))
			},
			func(tx *bbolt.Tx) error {
				b := tx.Bucket([]byte{byte(space)})
				for i := range pages / 1000 {
					if err := b.Delete(fmt.Appendf(nil, "%d", i)); err != nil {
						return err
					}
				}
				return nil
			},
			func(tx *bbolt.Tx) error { return nil },
		} {
			if err := small.Update(fn); err != nil {
				t.Fatal(err)
			}
		}
		if err := small.Close(); err != nil {
			t.Fatal(err)
		}
		e := open(t, dir, bolt.Options{NoSync: true})
		db, err := e.Open(t.Context(), "db")
		if err != nil {
			t.Fatalf("%d pages: %v", pages, err)
		}
		for i := range 3 {
			err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, fmt.Append(nil, i), []byte("new")) })
			if err != nil {
				t.Fatalf("%d pages, transaction %d: %v", pages, i, err)
			}
		}
		if err := db.(engine.Checker).CheckStorage(t.Context(), func(p string) { t.Errorf("%d pages: %s", pages, p) }); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
