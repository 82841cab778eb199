package bolt_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// BenchmarkRead reads from one space of several, as the lookup of a document or a row does.
func BenchmarkRead(b *testing.B) {
	const entries = 20_000
	ctx := context.Background()
	db, err := open(b, b.TempDir(), bolt.Options{NoSync: true}).Create(ctx, "db")
	if err != nil {
		b.Fatal(err)
	}
	key := func(i int) []byte { return binary.BigEndian.AppendUint32([]byte("document"), uint32(i)) }
	err = db.Update(ctx, func(t engine.Tx) error {
		for s := engine.Space(1); s <= 8; s++ {
			if err := t.Put(s, []byte("few"), []byte("entries")); err != nil {
				return err
			}
		}
		for i := range entries {
			if err := t.Put(3, key(i*7919%entries), make([]byte, 60)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	view := func(b *testing.B, fn func(r engine.Reader, i int) error) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i = (i + 7919) % entries {
			if err := db.View(ctx, func(r engine.Reader) error { return fn(r, i) }); err != nil {
				b.Fatal(err)
			}
		}
	}
	rows := func(r engine.Reader, rg engine.Range) error {
		return r.Scan(3, rg, func(k, v []byte) (bool, error) { return true, nil })
	}
	b.Run("nothing", func(b *testing.B) {
		view(b, func(engine.Reader, int) error { return nil })
	})
	b.Run("get", func(b *testing.B) {
		view(b, func(r engine.Reader, i int) error {
			_, err := r.Get(3, key(i))
			return err
		})
	})
	b.Run("few", func(b *testing.B) {
		view(b, func(r engine.Reader, i int) error {
			_, err := r.Get(1, []byte("few"))
			return err
		})
	})
	b.Run("get-100", func(b *testing.B) {
		view(b, func(r engine.Reader, i int) error {
			for j := range 100 {
				if _, err := r.Get(3, key((i+j*101)%entries)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("rows-20", func(b *testing.B) {
		view(b, func(r engine.Reader, i int) error {
			return rows(r, engine.Range{From: key(i), Limit: 20})
		})
	})
	b.Run("back-20", func(b *testing.B) {
		view(b, func(r engine.Reader, i int) error {
			return rows(r, engine.Range{To: key(i), Reverse: true, Limit: 20})
		})
	})
	b.Run("all", func(b *testing.B) {
		view(b, func(r engine.Reader, _ int) error { return rows(r, engine.Range{}) })
	})
	// A few entries are not in the file yet.
	for i := range 100 {
		if err := db.Update(ctx, func(t engine.Tx) error { return t.Put(3, key(i*199), make([]byte, 60)) }); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("get-above", func(b *testing.B) {
		view(b, func(r engine.Reader, i int) error {
			_, err := r.Get(3, key(i))
			return err
		})
	})
	b.Run("rows-20-above", func(b *testing.B) {
		view(b, func(r engine.Reader, i int) error {
			return rows(r, engine.Range{From: key(i), Limit: 20})
		})
	})
	b.Run("all-above", func(b *testing.B) {
		view(b, func(r engine.Reader, _ int) error { return rows(r, engine.Range{}) })
	})
}

// BenchmarkRecovery opens a folder whose journal is as long as it gets, after a crash.
func BenchmarkRecovery(b *testing.B) {
	ctx := context.Background()
	dir := b.TempDir()
	e, err := bolt.Open(dir, bolt.Options{NoSync: true, FlushAfter: time.Hour, FlushBytes: 1 << 30, JournalBytes: 1 << 30, UnflushedBytes: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	var dbs []engine.DB
	for i := range 200 {
		db, err := e.Create(ctx, fmt.Sprintf("db%03d", i))
		if err != nil {
			b.Fatal(err)
		}
		dbs = append(dbs, db)
	}
	for i := 0; e.Figures().Journal < 64<<20; i++ {
		err := dbs[i%len(dbs)].Update(ctx, func(t engine.Tx) error {
			for s := engine.Space(1); s <= 6; s++ {
				if err := t.Put(s, binary.BigEndian.AppendUint64(nil, uint64(i)), make([]byte, 60)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	killed := killedCopy(b, dir)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := bolt.Open(killed, bolt.Options{NoSync: true, AsItIs: true})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(e.Figures().Unflushed)/(1<<20), "MiB")
		b.StopTimer()
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
