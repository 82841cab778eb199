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

// The address leads to the standby for a while. Writers wait until it leads to the primary again, and then nobody stays with the
// standby.
func TestLedToStandby(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	primary := pgtest.Start(t, pgtest.Options{})
	to := primary.Schema(t)
	if err := pg.Init(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, primary.Port)
	e := pgtest.Open(t, pg.Options{URL: p.through(t, to)})
	db := create(t, e, "db")
	standby := primary.Standby(t)
	p.lead(standby.Port)
	p.cut()
	eventually(t, "the standby has the database", func() bool {
		return db.View(t.Context(), func(r engine.Reader) error { _, err := r.Get(sequence, []byte("k")); return err }) == nil
	})
	standby.Exec(t, "select pg_wal_replay_pause()") // what it shows is old from now on
	done := make(chan error, 1)
	go func() {
		done <- db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(sequence, []byte("k"), []byte("v")) })
	}()
	tried := e.Figures().Retries
	eventually(t, "the writer tries again", func() bool { return e.Figures().Retries > tried+2 || len(done) > 0 })
	p.lead(primary.Port)
	if err := <-done; err != nil {
		t.Errorf("the write: %v", err)
	}
	put(t, db, "another", "v")
	if v := get(t, db, "k"); v != "v" {
		t.Errorf("what was acknowledged is read as %q", v)
	}
}
