package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

func sizes(t *testing.T, db engine.DB) (size, free, packed int64) {
	t.Helper()
	size, err := db.(engine.Sizer).Size(t.Context())
	if err == nil {
		free, err = db.(engine.Measurer).Free(t.Context())
	}
	if err == nil {
		var parts []engine.Packed
		parts, err = db.(engine.Measurer).Packed(t.Context())
		for _, part := range parts {
			packed += part.Size
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return size, free, packed
}

// What is free and what a compaction would leave is known before it runs.
func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 { // keys come in no order, some values are long
		err := db.Update(t.Context(), func(tx engine.Tx) error {
			for range 400 {
				k := fmt.Sprintf("%08d", random.IntN(1e8))
				if err := tx.Put(space, []byte(k), bytes.Repeat([]byte("v"), random.IntN(300))); err != nil {
					return err
				}
				if random.IntN(40) == 0 {
					if err := tx.Put(space+1, []byte(k), make([]byte, 64<<10)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	size, free, packed := sizes(t, db)
	if free < 0 || free > size/2 || packed < size/2 || packed > size {
		t.Errorf("of %d bytes %d are free, %d would stay", size, free, packed)
	}
	if err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.DeleteRange(space, []byte("5"), nil) }); err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", "v") // the figure is one commit old
	flush(t, e)
	_, more, _ := sizes(t, db)
	if more < free+(1<<20) {
		t.Errorf("%d bytes are free after half of the keys went, before %d", more, free)
	}
	if err := errors.Join(db.Close(), func() (err error) { db, err = e.Open(t.Context(), "db"); return err }()); err != nil {
		t.Fatal(err)
	}
	if _, again, _ := sizes(t, db); again < more*9/10 || again > more*11/10 {
		t.Errorf("%d bytes are free when it is opened again, before %d", again, more)
	}
	_, _, packed = sizes(t, db)
	stat, err := e.Stat(t.Context(), "db")
	if now, _, _ := sizes(t, db); err != nil || stat.Size != now {
		t.Errorf("from outside it has %d bytes, %v; in truth %d", stat.Size, err, now)
	}
	if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	size, free, again := sizes(t, db)
	if diff := size - packed; diff < -size/20 || diff > size/20 {
		t.Errorf("after the compaction there are %d bytes, foretold were %d", size, packed)
	}
	if free > size/20 || again != packed {
		t.Errorf("after the compaction %d of %d bytes are free, and %d needed; before %d", free, size, again, packed)
	}
	if _, err := e.Stat(t.Context(), "none"); !errors.Is(err, engine.ErrNoDB) {
		t.Error(err)
	}
}

// counter is a throttle that ends the work after some bytes.
type counter struct{ bytes, most int }

var errEnough = errors.New("enough")

func (c *counter) Wait(_ context.Context, bytes int) error {
	if c.bytes += bytes; c.bytes > c.most {
		return errEnough
	}
	return nil
}

// A throttle hears of all that is copied, in parts, and may end it: then the old file stays.
func TestCompactHeedsItsThrottle(t *testing.T) {
	db, err := open(t, t.TempDir(), bolt.Options{NoSync: true}).Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 96 {
		put(t, db, fmt.Sprintf("%03d", i), string(make([]byte, 64<<10)))
	}
	c := &counter{most: 1 << 20}
	if err := db.(engine.Compacter).Compact(engine.WithThrottle(t.Context(), c)); !errors.Is(err, errEnough) {
		t.Errorf("%v after %d bytes", err, c.bytes)
	}
	if c.bytes > 5<<20 {
		t.Errorf("it heard of %d bytes at once", c.bytes)
	}
	c = &counter{most: 1 << 30}
	if err := db.(engine.Compacter).Compact(engine.WithThrottle(t.Context(), c)); err != nil || c.bytes < 6<<20 {
		t.Errorf("%v after %d bytes", err, c.bytes)
	}
	if n := len(contents(t, db)); n != 96 {
		t.Errorf("%d entries", n)
	}
}
