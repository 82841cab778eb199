package bolt_test

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// If the journal is on a disk of its own, and that is full, databases can be written all the same: what does not fit into the
// journal goes to the files.
func TestFullDiskOfTheJournal(t *testing.T) {
	t.Parallel()
	disk, dir := smallDisk(t, "2m"), t.TempDir()
	opt := neverFlush
	opt.Journal = filepath.Join(disk, "journal")
	e := open(t, dir, opt)
	db := made(t, e, "db")
	other := made(t, e, "other")
	put(t, db, "first", "1")
	put(t, other, "first", "1")
	fillUp(t, filepath.Join(disk, "ballast"))
	if err := e.UseReserve(); !errors.Is(err, engine.ErrFull) {
		t.Fatal(err)
	}
	want := map[string]string{"first": "1"}
	for i := range 40 {
		k, v := fmt.Sprint(i), strings.Repeat("v", 1000)
		put(t, db, k, v)
		want[k] = v
	}
	if got := contents(t, db); !maps.Equal(got, want) {
		t.Errorf("it has %d entries of %d", len(got), len(want))
	}
}
