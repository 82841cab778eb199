package bolt_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/widetest"
)

const (
	pageSize   = 4096
	sectorSize = 512 // what a disk writes whole or not at all
	metaSize   = 2 * pageSize
)

// cut is how much of a commit has reached the disk. bbolt syncs its data pages before it
// writes a meta page, so there is no new meta page without all data pages.
type cut struct {
	data, meta int // none, some or all of what the commit has changed
	unit       int // what arrives whole: a page or a sector
}

const (
	none = iota
	some
	all
)

func (c cut) String() string { return fmt.Sprintf("data %d, meta %d, by %d", c.data, c.meta, c.unit) }

// image is what is on the disk when the commit that leads from before to after is cut.
func (c cut) image(random *rand.Rand, before, after []byte) []byte {
	size := len(before)
	if c.data != none {
		size = len(after) // the file grows, and that is synced, before anything else
	}
	disk := make([]byte, size)
	copy(disk, before)
	apply := func(how, from, to int) {
		for at := from; at < min(to, len(after)); at += c.unit {
			if how == all || how == some && random.IntN(2) == 0 {
				copy(disk[at:min(at+c.unit, len(disk))], after[at:]) // a file need not end with a page
			}
		}
	}
	apply(c.data, metaSize, len(after))
	apply(c.meta, 0, metaSize)
	return disk
}

// A power cut in mid-commit leaves the state of the last commit or of the one under way:
// the one under way if, and only if, its meta page is there.
func TestPowerCut(t *testing.T) { powerCuts(t, bolt.Options{}) }

// What is gathered is there or not with the rest of its transaction.
func TestPowerCutGathered(t *testing.T) {
	widetest.Only(t)
	powerCuts(t, bolt.Options{Scattered: space, GatherFrom: 1, GatherBytes: 6000, GatherAfter: time.Hour})
}

func powerCuts(t *testing.T, opt bolt.Options) {
	cuts := []cut{
		{none, none, pageSize}, {some, none, pageSize}, {some, none, sectorSize}, {all, none, pageSize},
		{all, some, sectorSize}, {all, all, pageSize},
	}
	dir := t.TempDir()
	e := open(t, dir, opt)
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	image := func() []byte {
		flush(t, e)
		b, err := os.ReadFile(filepath.Join(dir, "db.bolt"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	random := rand.New(rand.NewPCG(1, 2))
	was, before := map[string]string{}, image()
	for commit := range 60 {
		is := maps.Clone(was)
		err := db.Update(t.Context(), func(tx engine.Tx) error { return changeAtRandom(random, tx, is) })
		if err != nil {
			t.Fatal(err)
		}
		after := image()
		for _, c := range cuts {
			disk := c.image(random, before, after)
			want := was
			if bytes.Equal(disk[:metaSize], after[:metaSize]) {
				want = is
			}
			afterCut(t, fmt.Sprintf("commit %d, %s", commit, c), disk, want)
		}
		was, before = is, after
	}
}

// changeAtRandom writes to a transaction and to its model. Now and then it writes or
// removes much, so that the file grows and its pages are used again.
func changeAtRandom(random *rand.Rand, tx engine.Tx, model map[string]string) error {
	if random.IntN(10) == 0 {
		from, to := fmt.Sprintf("%03d", random.IntN(400)), fmt.Sprintf("%03d", random.IntN(400))
		maps.DeleteFunc(model, func(k, _ string) bool { return k >= from && k < to })
		if err := tx.DeleteRange(space, []byte(from), []byte(to)); err != nil {
			return err
		}
	}
	for range 1 + random.IntN(40) {
		k := fmt.Sprintf("%03d", random.IntN(400))
		if random.IntN(4) == 0 {
			delete(model, k)
			if err := tx.Delete(space, []byte(k)); err != nil {
				return err
			}
			continue
		}
		model[k] = string(bytes.Repeat([]byte{byte('a' + random.IntN(26))}, random.IntN(600)))
		if random.IntN(50) == 0 {
			model[k] += string(make([]byte, 20_000)) // a value of many pages
		}
		if err := tx.Put(space, []byte(k), []byte(model[k])); err != nil {
			return err
		}
	}
	return nil
}

// afterCut opens what a power cut has left, and goes on with it.
func afterCut(t *testing.T, what string, disk []byte, want map[string]string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "db.bolt"), disk, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := bolt.Open(dir, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	db, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	sound := func() {
		t.Helper()
		err := db.(engine.Checker).CheckStorage(t.Context(), func(problem string) { t.Errorf("%s: %s", what, problem) })
		if err != nil {
			t.Fatal(err)
		}
	}
	sound()
	if got := contents(t, db); !maps.Equal(got, want) {
		t.Errorf("%s: %d entries that are not the %d there should be", what, len(got), len(want))
	}
	put(t, db, "more", "v")
	want = maps.Clone(want)
	want["more"] = "v"
	if got := contents(t, db); !maps.Equal(got, want) {
		t.Errorf("%s: a write after it damages what is there", what)
	}
	sound()
}
