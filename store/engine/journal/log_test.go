package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

// records reads everything in a journal while opening it.
type records struct {
	at  []journal.Pos
	rec [][]byte
}

func (r *records) replay(at journal.Pos, rec []byte) error {
	r.at = append(r.at, at)
	r.rec = append(r.rec, bytes.Clone(rec))
	return nil
}

func open(t testing.TB, dir string, opt journal.Options) (*journal.Log, *records) {
	t.Helper()
	r := &records{}
	l, err := journal.Open(dir, opt, r.replay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, r
}

// What many callers append at the same time comes back, in the order of its positions, over all
// segments.
func TestAppendedComesBack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	opt := journal.Options{SegmentBytes: 8000}
	l, r := open(t, dir, opt)
	if len(r.rec) != 0 {
		t.Fatalf("a new journal has %d records", len(r.rec))
	}
	id := l.ID()
	var mu sync.Mutex
	want := map[journal.Pos]string{}
	for round := range 3 {
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				for i := range 30 {
					rec := fmt.Sprintf("%d %d %d %s", round, n, i, bytes.Repeat([]byte("x"), i*n))
					at, err := l.Append(t.Context(), []byte(rec[:3]), nil, []byte(rec[3:]))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if want[at] != "" || at == 0 {
						t.Errorf("position %d has been there", at)
					}
					want[at] = rec
					mu.Unlock()
					if end := l.End(); end <= at {
						t.Errorf("the end is %d, after a record at %d", end, at)
					}
				}
			})
		}
		wg.Wait()
		end := l.End()
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), nil); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		check(t, dir)
		l, r = open(t, dir, opt)
		if l.ID() != id || l.End() != end {
			t.Errorf("opened again, journal %s ends at %d; it was %s and %d", l.ID(), l.End(), id, end)
		}
		if len(r.rec) != len(want) {
			t.Fatalf("%d records came back of %d", len(r.rec), len(want))
		}
		for i, at := range r.at {
			if string(r.rec[i]) != want[at] || i > 0 && at <= r.at[i-1] {
				t.Fatalf("at %d: %.20q, want %.20q", at, r.rec[i], want[at])
			}
		}
	}
	if sealed, err := l.Sealed(); err != nil || len(sealed) < 3 {
		t.Errorf("%d sealed segments, %v", len(sealed), err)
	}
}

func check(t *testing.T, dir string) {
	t.Helper()
	l, err := journal.Open(dir, journal.Options{}, func(journal.Pos, []byte) error { return nil })
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

// Release removes what nobody needs, and nothing else.
func TestRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := journal.Options{SegmentBytes: 4000}
	l, _ := open(t, dir, opt)
	var at []journal.Pos
	for range 100 {
		p, err := l.Append(t.Context(), make([]byte, 500))
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, p)
	}
	size := l.Size()
	for n := 0; n < len(at); n += 13 {
		if err := l.Release(at[n]); err != nil {
			t.Fatal(err)
		}
		if l.Size() > size-int64(at[n]-at[0])+4000+600 {
			t.Errorf("%d bytes are left of %d after a release of %d", l.Size(), size, at[n])
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		check(t, dir)
		var r *records
		l, r = open(t, dir, opt)
		if got, want := r.at[len(r.at)-1], at[len(at)-1]; got != want || r.at[0] > at[n] {
			t.Errorf("after a release before %d, positions %d to %d are there, want up to %d", at[n], r.at[0], got, want)
		}
		if l.Start() > at[n] || l.Start() >= r.at[0] {
			t.Errorf("the journal begins at %d; released before %d; first record at %d", l.Start(), at[n], r.at[0])
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 4 {
		t.Errorf("%d files are left: %v", len(files), err)
	}
}

// Read gives what Open would give, from a position on, while others append and release.
func TestRead(t *testing.T) {
	t.Parallel()
	l, _ := open(t, t.TempDir(), journal.Options{SegmentBytes: 4000, NoSync: true})
	var at []journal.Pos
	for n := range 100 {
		p, err := l.Append(t.Context(), fmt.Appendf(nil, "%d%0500d", n, n))
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, p)
		if n%10 == 9 {
			from := n / 2
			if err := l.Release(at[from/2]); err != nil {
				t.Fatal(err)
			}
			got := from
			err := l.Read(at[from], func(p journal.Pos, rec []byte) error {
				if p != at[got] || string(rec) != fmt.Sprintf("%d%0500d", got, got) {
					return fmt.Errorf("at %d there is %.20q, want record %d at %d", p, rec, got, at[got])
				}
				got++
				return nil
			})
			if err != nil || got != n+1 {
				t.Fatalf("of %d records %d were read: %v", n+1-from, got-from, err)
			}
		}
	}
}

// If nothing is needed any more, the active segment does not keep the disk.
func TestReleaseOfAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := journal.Options{SegmentBytes: 10_000}
	l, _ := open(t, dir, opt)
	for turn := range 5 {
		for range 8 {
			if _, err := l.Append(t.Context(), make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		end := l.End()
		if err := l.Release(end); err != nil {
			t.Fatal(err)
		}
		if l.Size() > 100 || l.Start() < end {
			t.Errorf("turn %d: %d bytes are left", turn, l.Size())
		}
		at, err := l.Append(t.Context(), []byte("after"))
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		check(t, dir)
		var r *records
		if l, r = open(t, dir, opt); len(r.at) != 1 || r.at[0] != at || string(r.rec[0]) != "after" {
			t.Errorf("turn %d: %d records come back", turn, len(r.at))
		}
	}
}

// What is appended while all before it is released stays.
func TestReleaseBesideAppends(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := journal.Options{SegmentBytes: 4000, NoSync: true}
	l, _ := open(t, dir, opt)
	var at []journal.Pos
	done := make(chan error)
	go func() {
		for range 3000 {
			p, err := l.Append(t.Context(), make([]byte, 100))
			if err != nil {
				done <- err
				return
			}
			at = append(at, p)
		}
		done <- nil
	}()
	var released journal.Pos
	for ended := false; !ended; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		default:
			released = l.End()
			if err := l.Release(released); err != nil || l.Start() > released {
				t.Fatalf("released before %d, and it begins at %d: %v", released, l.Start(), err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, r := open(t, dir, opt)
	there := map[journal.Pos]bool{}
	for _, p := range r.at {
		there[p] = true
	}
	for _, p := range at {
		if p >= released && !there[p] {
			t.Fatalf("the record at %d is lost, and only those before %d were released", p, released)
		}
	}
}
