package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// Whatever happens to the file of sorted rows before the merge, the merge gives the rows that went
// in, or ErrCorrupt.
func TestDamagedRunsMakeNoRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	written := func() (*runs, map[string]string) {
		r, rows := &runs{dir: t.TempDir()}, map[string]string{}
		for n := range 5 {
			var batch []entry
			for i := range 200 + n {
				value := make([]byte, random.IntN(400))
				if i == 7 {
					value = make([]byte, 3*runBlock)
				}
				for k := range value {
					value[k] = byte(random.Uint32())
				}
				key := fmt.Sprintf("key %d %d", random.Uint32(), n)
				rows[key] = string(value)
				batch = append(batch, entry{spaceRows, []byte(key), value})
			}
			if err := r.add(batch, false, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.w.w.Flush(); err != nil {
			t.Fatal(err)
		}
		return r, rows
	}
	merged := func(r *runs, rows map[string]string) (n int, err error) {
		last := ""
		err = r.merge(context.Background(), func(rec *entry) error {
			key := string(rec.key)
			if rows[key] != string(rec.value) || key < last || rec.space != spaceRows {
				t.Errorf("a row that nobody has made, or out of order: %q", key)
			}
			last = key
			n++
			return nil
		})
		return n, err
	}
	r, rows := written()
	defer r.close(false)
	if n, err := merged(r, rows); err != nil || n != len(rows) {
		t.Fatalf("%d rows of %d, %v", n, len(rows), err)
	}
	size := r.ends[len(r.ends)-1]
	other := make([]byte, runBlock)
	for name, damage := range map[string]func(f *os.File) error{
		"zeros": func(f *os.File) error {
			_, err := f.WriteAt(make([]byte, 512), random.Int64N(size-512))
			return err
		},
		"one bit": func(f *os.File) error {
			at, b := random.Int64N(size), make([]byte, 1)
			if _, err := f.ReadAt(b, at); err != nil {
				return err
			}
			b[0] ^= 1 << random.IntN(8)
			_, err := f.WriteAt(b, at)
			return err
		},
		"a block in the place of another": func(f *os.File) error {
			if _, err := f.ReadAt(other, 0); err != nil {
				return err
			}
			_, err := f.WriteAt(other, runBlock)
			return err
		},
		"cut off": func(f *os.File) error { return f.Truncate(random.Int64N(size)) },
	} {
		for range 30 {
			r, rows := written()
			size = r.ends[len(r.ends)-1]
			if err := damage(r.file); err != nil {
				t.Fatal(err)
			}
			if n, err := merged(r, rows); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %d rows of %d, %v", name, n, len(rows), err)
			}
			if err := r.close(false); err != nil {
				t.Fatal(err)
			}
		}
	}
}
