package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/journal"
)

// The raw floor: one record is written behind the other and synced, by one caller.
func BenchmarkRawAppend(b *testing.B) {
	for _, size := range []int{300, 4096, 32768} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			rec := make([]byte, size)
			off := int64(0)
			for b.Loop() {
				if _, err := f.WriteAt(rec, off); err != nil {
					b.Fatal(err)
				}
				if err := journal.SyncData(f); err != nil {
					b.Fatal(err)
				}
				off += int64(size)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		for _, size := range []int{300, 4096, 32768} {
			b.Run(fmt.Sprintf("callers=%d/%d", callers, size), func(b *testing.B) {
				l, _ := open(b, b.TempDir(), journal.Options{})
				rec := make([]byte, size)
				var left, slowest atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							began := time.Now()
							at, err := l.Append(b.Context(), rec)
							if err != nil {
								b.Error(err)
								return
							}
							for took := int64(time.Since(began)); ; {
								if was := slowest.Load(); took <= was || slowest.CompareAndSwap(was, took) {
									break
								}
							}
							if at%(8<<20) < journal.Pos(size) {
								if err := l.Release(at); err != nil {
									b.Error(err)
								}
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
				b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
			})
		}
	}
}
