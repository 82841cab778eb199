package pg_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// The synchronous standby is away. A commit that waits for it in vain is given up, and then is on the primary, for all to see.
// That it is there is no proof that it would outlive the primary: whoever asks for it is not told so before the standby has it.
func TestStandbyAway(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	primary := pgtest.Start(t, pgtest.Options{Durable: true})
	standby := primary.Standby(t)
	to := primary.Schema(t)
	if err := pg.Init(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	db := create(t, pgtest.Open(t, pg.Options{URL: to}), "db")
	standby.Stop()
	write := func(tx engine.Tx) error { return tx.Put(sequence, []byte("k"), []byte("v")) }
	if err := db.Update(t.Context(), write); !errors.Is(err, engine.ErrUnknown) {
		t.Fatalf("the write: %v", err)
	}
	there := false
	ask := func(tx engine.Tx) error {
		v, err := tx.Get(sequence, []byte("k"))
		there = string(v) == "v"
		return err
	}
	if err := db.Update(t.Context(), ask); !there || !errors.Is(err, engine.ErrUnknown) {
		t.Fatalf("asked without the standby: %v, %v", there, err)
	}
	if err := standby.Run(); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), ask); !there || err != nil {
		t.Fatalf("asked with the standby: %v, %v", there, err)
	}
	primary.Kill(t)
	standby.Promote(t)
	db = open(t, pgtest.Open(t, pg.Options{URL: strings.Replace(to, fmt.Sprint(primary.Port), fmt.Sprint(standby.Port), 1)}), "db")
	if v := get(t, db, "k"); v != "v" {
		t.Errorf("what was acknowledged is %q", v)
	}
}
