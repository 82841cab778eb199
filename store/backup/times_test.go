package backup_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/storetest"
)

// Times that a compaction has merged since the last backup take the place of those that this one has, so
// that the two can be restored together.
func TestTimesMergedBetweenTwoBackups(t *testing.T) {
	w := newWorld(t, storetest.Engine(t), 1, store.Properties{})
	const week = 8 * 24 * time.Hour
	w.clock.ahead.Store(int64(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))) // a minute begins
	write := func(n int) {
		for range n {
			w.write(store.WriteOptions{Replicated: true}, "d0", revtree.Rev{}, `{}`, []revtree.Rev{{Gen: 1, ID: time.Now().String()}})
			w.clock.ahead.Add(int64(5 * time.Second))
		}
	}
	take := func(since store.Point) ([]byte, store.Point) {
		var b bytes.Buffer
		end, err := backup.Capture(t.Context(), w.db, &b, backup.Options{Since: since})
		w.must(err)
		return b.Bytes(), end.Point
	}
	write(4)
	first, point := take(store.Point{})
	write(4)
	w.clock.ahead.Add(int64(week))
	write(1)
	w.must(w.db.Compact(t.Context()))
	second, _ := take(point)
	to := storetest.Engine(t)
	dst := storetest.On(t, to, store.Options{Clock: w.clock.now})
	if _, err := backup.Restore(t.Context(), dst, "copy", bytes.NewReader(append(first, second...)), backup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
}
