package pg_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

func size(t testing.TB, db engine.DB) int64 {
	t.Helper()
	n, err := db.(engine.Sizer).Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fill puts n values into a database.
func fill(t testing.TB, db engine.DB, n, bytes int) {
	t.Helper()
	for from := 0; from < n; from += 5000 {
		err := db.Update(t.Context(), func(tx engine.Tx) error {
			for i := from; i < min(from+5000, n); i++ {
				if err := tx.Put(sequence, fmt.Appendf(nil, "%08d", i), value(bytes)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func value(n int) []byte { return bytes.Repeat([]byte("v"), n) }

// What a database takes is near what PostgreSQL says that the table takes, whose only one it is.
func TestSize(t *testing.T) {
	widetest.Only(t)
	for _, test := range []struct{ n, bytes int }{{10_000, 20}, {5_000, 500}, {100, 64 << 10}} {
		t.Run(fmt.Sprint(test.bytes), func(t *testing.T) {
			url := pgtest.URL(t)
			e := pgtest.Open(t, pg.Options{URL: url, Sequence: sequence})
			db := create(t, e, "db")
			fill(t, db, test.n, test.bytes)
			var table int64
			if err := e.TableSize(&table); err != nil {
				t.Fatal(err)
			}
			if got := size(t, db); got < table*6/10 || got > table*14/10 {
				t.Errorf("size %d, the table has %d", got, table)
			}
		})
	}
}

// A size follows what another process writes, deletes and compacts; a large one does so in the background.
func TestSizeFollows(t *testing.T) {
	widetest.Only(t)
	a, b := two(t)
	db := create(t, a, "db")
	other := open(t, b, "db")
	small := size(t, db)
	fill(t, other, 50_000, 10)
	eventually(t, "the new size", func() bool { return size(t, db) > small+50_000*60 })
	st, err := b.Stat(t.Context(), "db")
	if err != nil || st.Size < 50_000*60 || time.Since(st.Changed).Abs() > time.Hour {
		t.Errorf("%+v, %v", st, err)
	}
	err = db.Update(t.Context(), func(tx engine.Tx) error { return tx.DeleteRange(sequence, nil, []byte("00049990")) })
	if err == nil {
		err = db.(engine.Compacter).Compact(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := size(t, other); got > 10_000 {
		t.Errorf("size %d after all but ten values were deleted", got)
	}
	parts, err := db.(engine.Measurer).Packed(t.Context())
	if err != nil || len(parts) != 1 || parts[0].Space != sequence || parts[0].Bytes < 10*18 || parts[0].Bytes > 20*19 {
		t.Errorf("parts %v, %v", parts, err)
	}
}

// A count that ends late does not stand in the place of one that began after it.
func TestSizeOfTheLaterCount(t *testing.T) {
	url := pgtest.URL(t)
	e := pgtest.Open(t, pg.Options{URL: url, Sequence: sequence})
	db := create(t, e, "db")
	fill(t, db, 1000, 100)
	keep, err := e.Count(db)
	if err == nil {
		err = db.Update(t.Context(), func(tx engine.Tx) error { return tx.DeleteRange(sequence, nil, []byte("00000990")) })
	}
	if err == nil {
		err = db.(engine.Compacter).Compact(t.Context())
	}
	if err == nil {
		err = keep()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := size(t, db); got > 10_000 {
		t.Errorf("size %d, which is from before all but ten values were deleted", got)
	}
}

// What belongs to a database is counted beside it.
func TestStat(t *testing.T) {
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Sequence: sequence})
	db := create(t, e, "db")
	sub, err := db.Sub(t.Context(), "index")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sub.Close() })
	fill(t, db, 10, 10)
	fill(t, sub, 1000, 10)
	st, err := e.Stat(t.Context(), "db")
	if err != nil || st.Size == 0 || st.Subs < 10*st.Size {
		t.Errorf("%+v, %v", st, err)
	}
	again, err := e.Stat(t.Context(), "db")
	if err != nil || again.Changed.Before(st.Changed.Add(-time.Minute)) {
		t.Errorf("%+v, %v", again, err)
	}
	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Stat(t.Context(), "db"); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("after the drop: %v", err)
	}
}
