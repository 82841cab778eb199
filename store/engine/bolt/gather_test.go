package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/widetest"
)

// scatter writes so many keys in no order in one transaction, also to the model.
func scatter(t *testing.T, db engine.DB, random *rand.Rand, n int, model map[string]string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx engine.Tx) error {
		for range n {
			k, v := fmt.Sprintf("%016x", random.Uint64()), fmt.Sprintf("%080x", random.Uint64())
			model[k] = v
			if err := tx.Put(space, []byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Keys in no order cost a transaction a fraction of the pages that they belong to.
func TestScatteredKeysWriteFewPages(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	changed := func(opt bolt.Options) (pages int) {
		opt.NoSync, opt.Direct = true, true
		dir := t.TempDir()
		e := open(t, dir, opt)
		db, err := e.Create(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		random, model := rand.New(rand.NewPCG(1, 2)), map[string]string{}
		scatter(t, db, random, 20_000, model)
		var before []byte
		for range 40 {
			scatter(t, db, random, 200, model)
			after, err := os.ReadFile(filepath.Join(dir, "db.bolt"))
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; before != nil && at < len(after); at += pageSize {
				if at >= len(before) || !bytes.Equal(before[at:at+pageSize], after[at:at+pageSize]) {
					pages++
				}
			}
			before = after
		}
		if got := contents(t, db); !maps.Equal(got, model) {
			t.Errorf("%d entries, want %d", len(got), len(model))
		}
		return pages
	}
	plain := changed(bolt.Options{})
	gathered := changed(bolt.Options{Scattered: space, GatherFrom: 100, GatherBytes: 600_000, GatherAfter: time.Hour})
	if gathered > plain/2 {
		t.Errorf("%d pages, and %d if they are not gathered", gathered, plain)
	}
}

// formatOf is what a file that is closed says of its format.
func formatOf(t *testing.T, path string) (format string) {
	t.Helper()
	b, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.View(func(tx *bbolt.Tx) error {
		format = string(tx.Bucket([]byte("id")).Get([]byte("format")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return format
}

// What is gathered stays when the database is closed, in a file that releases which do not know of it refuse. It goes to its
// place when nobody writes any more, and with a compaction. Then they may read the file again.
func TestGatheredComesToItsPlace(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"after a time", "by a compaction"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "db.bolt")
		opt := bolt.Options{NoSync: true, Direct: true, Scattered: space, GatherFrom: 10, GatherBytes: 200_000, GatherAfter: time.Hour}
		e := open(t, dir, opt)
		db, err := e.Create(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		random, model := rand.New(rand.NewPCG(1, 2)), map[string]string{}
		for range 20 {
			scatter(t, db, random, 300, model)
		}
		if err := errors.Join(db.Close(), e.Close()); err != nil {
			t.Fatal(err)
		}
		if got := formatOf(t, path); got != "tododb 2" {
			t.Errorf("with what is gathered, its format is %q", got)
		}
		if way == "after a time" {
			opt.GatherAfter = time.Millisecond
		}
		e = open(t, dir, opt)
		if db, err = e.Open(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); !maps.Equal(got, model) {
			t.Errorf("opened again, %d entries, want %d", len(got), len(model))
		}
		if way != "after a time" {
			if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for end := time.Now().Add(time.Minute); e.Figures().Gathered > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d bytes are still gathered", way, e.Figures().Gathered)
			}
		}
		if got := contents(t, db); !maps.Equal(got, model) {
			t.Errorf("%s: %d entries, want %d", way, len(got), len(model))
		}
		if err := errors.Join(db.Close(), e.Close()); err != nil {
			t.Fatal(err)
		}
		if got := formatOf(t, path); got != "tododb 1" {
			t.Errorf("%s: its format is %q", way, got)
		}
	}
}

// All databases together gather no more than they may.
func TestGatheredOfAllIsBounded(t *testing.T) {
	t.Parallel()
	const all = 300_000
	e := open(t, t.TempDir(), bolt.Options{NoSync: true, Direct: true, Scattered: space, GatherFrom: 10, GatherBytes: 200_000, GatherAll: all, GatherAfter: time.Hour})
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 6 {
		db, err := e.Create(t.Context(), fmt.Sprint("db", n))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for range 10 {
			scatter(t, db, random, 300, map[string]string{})
			if got := e.Figures().Gathered; got > all+200_000 {
				t.Fatalf("%d bytes are gathered of %d databases", got, n+1)
			}
		}
	}
}

// Whatever is wrong with what is gathered, the database is refused, and nothing of it is guessed.
func TestGatheredDamaged(t *testing.T) {
	t.Parallel()
	head := append(binary.BigEndian.AppendUint64(nil, 1), "m"...)
	for name, entries := range map[string][][2][]byte{
		"a part without a run":    {{[]byte("00000000\x00\x00\x00\x00"), []byte("x")}},
		"a head cut off":          {{[]byte("00000000"), head[:5]}},
		"a key of another length": {{[]byte("00000000"), head}, {[]byte("000000001"), head}},
		"a part is missing":       {{[]byte("00000000"), head}, {[]byte("00000000\x00\x00\x00\x01"), []byte("\x05\x01\x01kv")}},
		"an entry cut off":        {{[]byte("00000000"), head}, {[]byte("00000000\x00\x00\x00\x00"), []byte("\x05\x01\x07kv")}},
		"two spaces":              {{[]byte("00000000"), head}, {[]byte("00000000\x00\x00\x00\x00"), []byte("\x05\x01\x01kv\x06\x01\x01kv")}},
		"a sweep that goes back":  {{[]byte("00000000"), head}, {[]byte("00000001"), head[:8]}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			e := open(t, dir, bolt.Options{NoSync: true, Direct: true, Scattered: space})
			db, err := e.Create(t.Context(), "db")
			if err == nil {
				err = db.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := bbolt.Open(filepath.Join(dir, "db.bolt"), 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = b.Update(func(tx *bbolt.Tx) error {
				gathered, err := tx.CreateBucket([]byte("gathered"))
				for _, e := range entries {
					err = errors.Join(err, gathered.Put(e[0], e[1]))
				}
				return err
			})
			if err = errors.Join(err, b.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Open(t.Context(), "db"); !errors.Is(err, engine.ErrForeign) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

// When nobody knows whether a commit took place, readers and writers see what the file says.
func TestGatheredUnknown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true, Direct: true, Scattered: space, GatherFrom: 10, GatherBytes: 100_000, GatherAfter: time.Hour})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	random, model := rand.New(rand.NewPCG(1, 2)), map[string]string{}
	same := func(when string) {
		t.Helper()
		if got := contents(t, db); !maps.Equal(got, model) {
			t.Fatalf("%s: %d entries, want %d", when, len(got), len(model))
		}
	}
	for range 30 {
		scatter(t, db, random, 100, model)
	}
	for range 10 {
		if err := e.GatherUnknown("db", func() { scatter(t, db, random, 100, model) }); err != nil {
			t.Fatal(err)
		}
		same("it took place")
		scatter(t, db, random, 100, model)
		same("it took place, and another one")
		if err := e.GatherUnknown("db", nil); err != nil {
			t.Fatal(err)
		}
		same("it did not take place")
		scatter(t, db, random, 100, model)
		same("it did not take place, and another one")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	same("opened again")
}

// A page that leads from one key to two places does not keep a writer for ever.
func TestGatheredAboveDamagedPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "db.bolt")
	opt := bolt.Options{NoSync: true, Direct: true, Scattered: space, GatherFrom: 1, GatherBytes: 100_000, GatherAfter: time.Hour}
	e := open(t, dir, opt)
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	scatter(t, db, rand.New(rand.NewPCG(1, 2)), 2000, map[string]string{})
	if err := errors.Join(db.(engine.Compacter).Compact(t.Context()), db.Close()); err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var twice []string
	order := binary.NativeEndian
	for at := metaSize; at < len(disk); at += pageSize {
		page := disk[at:]
		n := int(order.Uint16(page[10:]))
		if order.Uint16(page[8:]) != 1 || n < 4 { // it does not lead to others
			continue
		}
		one, next := page[16+n/2*16:], page[16+(n/2+1)*16:]
		from, length := order.Uint32(one), order.Uint32(one[4:])
		twice = append(twice, string(one[from:from+length]))
		order.PutUint32(next, from-16)
		order.PutUint32(next[4:], length)
	}
	if len(twice) == 0 {
		t.Fatal("no page leads to others")
	}
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, k := range twice {
		err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte(k), []byte("v")) })
		if err != nil && !errors.Is(err, engine.ErrForeign) {
			t.Error(err)
		}
	}
}
