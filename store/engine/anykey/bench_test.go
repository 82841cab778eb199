package anykey

import (
	"fmt"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// BenchmarkShortKeys shows what the wrapped engine costs more than the bare one where no key is
// long, and what long ones cost.
func BenchmarkShortKeys(b *testing.B) {
	bare, err := bolt.Open(b.TempDir(), bolt.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { bare.Close() })
	const n = 10_000
	for _, c := range []struct {
		name, begin string
		eng         engine.Engine
	}{{"bare", "", bare}, {"wrapped", "", New(bare)}, {"long", fmt.Sprintf("%07000d", 0), New(bare)}} {
		db, err := c.eng.Create(b.Context(), c.name)
		if err != nil {
			b.Fatal(err)
		}
		key := func(i int) []byte { return fmt.Appendf(nil, "%s%08d", c.begin, i) }
		update(b, db, func(tx engine.Tx) error {
			for i := range n {
				if err := tx.Put(space, key(i), []byte("value")); err != nil {
					return err
				}
			}
			return nil
		})
		view := func(b *testing.B, fn func(r engine.Reader) error) {
			b.ReportAllocs()
			for b.Loop() {
				if err := db.View(b.Context(), fn); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.Run(c.name+"/get", func(b *testing.B) {
			k := key(n / 2)
			view(b, func(r engine.Reader) error { _, err := r.Get(space, k); return err })
		})
		b.Run(c.name+"/scan", func(b *testing.B) {
			view(b, func(r engine.Reader) error {
				return r.Scan(space, engine.Range{}, func(_, _ []byte) (bool, error) { return true, nil })
			})
		})
		b.Run(c.name+"/part", func(b *testing.B) {
			rg := engine.Range{From: key(n / 2), Limit: 10}
			view(b, func(r engine.Reader) error {
				return r.Scan(space, rg, func(_, _ []byte) (bool, error) { return true, nil })
			})
		})
		b.Run(c.name+"/put", func(b *testing.B) {
			b.ReportAllocs()
			i := n
			for b.Loop() {
				i++
				update(b, db, func(tx engine.Tx) error { return tx.Put(space, key(i%n), []byte("other")) })
			}
		})
		db.Close()
	}
}
