package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/journal"
)

// raw writes records one behind the other and syncs each: the floor.
type raw struct {
	f   *os.File
	off int64
}

func (r *raw) append(b *testing.B, rec []byte) {
	if _, err := r.f.WriteAt(rec, r.off); err != nil {
		b.Fatal(err)
	}
	if err := journal.SyncData(r.f); err != nil {
		b.Fatal(err)
	}
	r.off += int64(len(rec))
}

// Appends of so many callers at once, beside the raw floor: turns of both, in one run. A disk that others use too is
// slower at one time than at another, so the medians of the turns are what to look at.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		for _, size := range []int{300, 4096, 32768} {
			b.Run(fmt.Sprintf("callers=%d/bytes=%d", callers, size), func(b *testing.B) { benchmarkAppend(b, callers, size) })
		}
	}
}

func benchmarkAppend(b *testing.B, callers, size int) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	floor := &raw{f: f}
	l, _ := open(b, b.TempDir(), journal.Options{})
	rec := make([]byte, size)
	for i := range rec {
		rec[i] = byte(i)
	}
	var raws, rates, ratios []float64
	var took []time.Duration
	const turn = 20 // appends of each caller
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		for range turn {
			floor.append(b, rec)
		}
		rawRate := turn / time.Since(began).Seconds()
		var mu sync.Mutex
		var wg sync.WaitGroup
		began = time.Now()
		for range callers {
			wg.Go(func() {
				var own [turn]time.Duration
				for i := range own {
					began := time.Now()
					if _, err := l.Append(b.Context(), rec); err != nil {
						b.Error(err)
						return
					}
					own[i] = time.Since(began)
				}
				mu.Lock()
				took = append(took, own[:]...)
				mu.Unlock()
			})
		}
		wg.Wait()
		rate := turn * float64(callers) / time.Since(began).Seconds()
		raws, rates, ratios = append(raws, rawRate), append(rates, rate), append(ratios, rate/rawRate)
		if err := l.Release(l.End()); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(median(raws), "raw/s")
	b.ReportMetric(median(rates), "appends/s")
	b.ReportMetric(median(ratios), "of-raw")
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
	b.ReportMetric(0, "ns/op") // of a turn of both: says nothing
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// What gathering costs beside the disk: time and memory of an append that is not synced.
func BenchmarkAppendUnsynced(b *testing.B) {
	for _, callers := range []int{1, 128} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l, _ := open(b, b.TempDir(), journal.Options{NoSync: true})
			rec := make([]byte, 300)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := l.Append(b.Context(), rec); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// Reading a full journal: 64 MiB of records of 300 bytes, in batches of 16.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	l, _ := open(b, dir, journal.Options{NoSync: true})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for l.Size() < 64<<20 {
				if _, err := l.Append(b.Context(), make([]byte, 300)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	size := l.Size()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		l, err := journal.Open(dir, journal.Options{NoSync: true}, func(journal.Pos, []byte) error { n++; return nil })
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
