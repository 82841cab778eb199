package bolt

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// A writer reads what it has written and what it has not, wherever the keys lie: some reads are answered from
// the pages, some by what was written.
func TestAWriterReadsBetweenItsWrites(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		e, err := Open(t.TempDir(), Options{NoSync: true, Direct: true})
		if err != nil {
			t.Fatal(err)
		}
		db, err := e.Create(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]string{}
		for n := range 6 {
			err := db.Update(t.Context(), func(tx engine.Tx) error {
				at := 0
				for i := range 300 {
					if at += r.IntN(40); r.IntN(30) == 0 { // mostly in order, as writers come
						at = r.IntN(3000)
					}
					k := fmt.Sprintf("key %06d", at)
					got, err := tx.Get(2, []byte(k))
					if err != nil {
						return err
					}
					if want, there := model[k]; (got != nil) != there || string(got) != want {
						return fmt.Errorf("transaction %d, step %d: %s is %q, want %q", n, i, k, got, want)
					}
					switch r.IntN(4) {
					case 0:
						if err := tx.Delete(2, []byte(k)); err != nil {
							return err
						}
						delete(model, k)
					case 1, 2:
						v := fmt.Sprintf("%d of %d, as long as a record is, or longer than that", i, n)
						if err := tx.Put(2, []byte(k), []byte(v)); err != nil {
							return err
						}
						model[k] = v
					}
				}
				return nil
			})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
