package chaos_test

import (
	"errors"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/engine/enginetest"
)

func TestConformance(t *testing.T) {
	for name, opt := range map[string]chaos.Options{"calm": {}, "reruns": {Rerun: 1}} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(testing.TB) engine.Engine { return chaos.New(opt) })
		})
	}
}

// Of the commits whose outcome is not known some have taken place.
func TestUnknownIsUnknown(t *testing.T) {
	e := chaos.New(chaos.Options{Unknown: 1, Seed: 7})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	for i := range 50 {
		key := []byte{byte(i + 1)}
		err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(1, key, nil) })
		if !errors.Is(err, engine.ErrUnknown) {
			t.Fatal(err)
		}
		err = db.View(t.Context(), func(r engine.Reader) error {
			v, err := r.Get(1, key)
			if v != nil {
				there++
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if there == 0 || there == 50 {
		t.Errorf("%d of 50 took place", there)
	}
}

func TestTheCallFails(t *testing.T) {
	for n := 1; ; n++ {
		e := chaos.New(chaos.Options{FailCall: n})
		err := func() error {
			db, err := e.Create(t.Context(), "db")
			if err != nil {
				return err
			}
			err = db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(1, []byte("k"), nil) })
			if err != nil {
				return err
			}
			return db.View(t.Context(), func(r engine.Reader) error {
				_, err := r.Get(1, []byte("k"))
				return err
			})
		}()
		if err == nil {
			if n < 5 {
				t.Errorf("call %d did not fail", n)
			}
			return
		}
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Fatalf("call %d: %v", n, err)
		}
	}
}
