package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// trouble makes calls of a disk fail.
type trouble struct {
	random *rand.Rand
	calls  []string // which ones
	left   int      // how many still succeed
	times  int      // then so many of them fail
	err    error
}

func (tr *trouble) fails(call, _ string) error {
	if tr.times == 0 || !slices.Contains(tr.calls, call) {
		return nil
	}
	if tr.left > 0 {
		tr.left--
		return nil
	}
	tr.times--
	return fmt.Errorf("%s: %w", call, tr.err)
}

// some draws trouble.
func (tr *trouble) some() {
	kinds := []struct {
		calls []string
		err   error
	}{
		{[]string{"write"}, syscall.ENOSPC},
		{[]string{"write", "create"}, syscall.ENOSPC},
		{[]string{"write"}, syscall.EIO},
		{[]string{"sync"}, syscall.EIO},
		{[]string{"sync"}, syscall.ENOSPC},
		{[]string{"sync", "create"}, syscall.EIO},
		{[]string{"names"}, syscall.EIO},
		{[]string{"rename"}, syscall.EIO},
		{[]string{"open"}, syscall.EMFILE},
		{[]string{"truncate"}, syscall.EIO},
		{[]string{"remove"}, syscall.EIO},
		{[]string{"write", "sync", "create", "names", "rename", "open", "truncate", "remove"}, syscall.EIO},
	}
	k := kinds[tr.random.IntN(len(kinds))]
	tr.calls, tr.err = k.calls, k.err
	tr.left, tr.times = tr.random.IntN(6), 1+tr.random.IntN(4)
}

// outcome notes what Append said of the last batch.
func (w *teller) outcome(err error) error {
	switch {
	case err == nil, errors.Is(err, engine.ErrUnknown): // it stays among what may be there
		return nil
	case errors.Is(err, engine.ErrFull), errors.Is(err, engine.ErrUnavailable), errors.Is(err, engine.ErrTooManyOpen):
		for _, rec := range w.batch {
			delete(w.maybe, rec)
		}
		w.batch = nil
		return nil
	}
	return err
}

// Random operations, beside failures of all kinds, kills and power cuts: what was acknowledged comes back, what was
// said not to be written does not, and the journal goes on.
func TestModel(t *testing.T) {
	t.Parallel()
	seeds := 4000
	if testing.Short() {
		seeds = 150
	}
	for seed := range uint64(seeds) {
		if err := modelRun(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func modelRun(seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 3))
	w := newTeller(Options{SegmentBytes: 2000 + int64(random.IntN(4000))})
	w.d.pins = random.IntN(2) == 0
	tr := &trouble{random: random}
	if err := w.open(); err != nil {
		return err
	}
	w.d.fails = tr.fails
	broken := false // the journal has said that it can't be written any more
	var log []string
	for op := range 60 {
		if random.IntN(8) == 0 {
			tr.some()
			log = append(log, fmt.Sprintf("trouble with %v after %d, %d times: %v", tr.calls, tr.left, tr.times, tr.err))
		}
		var err error
		reopen := false
		switch n := random.IntN(40); {
		case n < 26:
			var sizes []int
			for range 1 + random.IntN(4) {
				sizes = append(sizes, random.IntN(900))
			}
			if random.IntN(10) == 0 {
				sizes = append(sizes, random.IntN(9000))
			}
			err = w.append(sizes...)
			log = append(log, fmt.Sprintf("append %v: %v", sizes, err))
			if broken && err == nil {
				return fmt.Errorf("op %d: it was broken, and writes: %q", op, log)
			}
			broken = broken || errors.Is(err, engine.ErrUnknown)
			err = w.outcome(err)
		case n < 30:
			before := w.l.Start() + Pos(random.IntN(int(w.l.End()-w.l.Start())+1))
			w.released = max(w.released, before)
			rerr := w.l.Release(before)
			log = append(log, fmt.Sprintf("release %d: %v", before, rerr))
			broken = broken || errors.Is(rerr, engine.ErrUnknown)
		case n < 33:
			cerr := w.l.Close()
			log = append(log, fmt.Sprintf("close: %v", cerr))
			reopen = true
		case n < 36:
			log = append(log, "kill")
			w.d = w.d.killed()
			reopen = true
		case n < 40:
			log = append(log, "power cut")
			w.d = w.d.cut(func() bool { return random.IntN(2) == 0 })
			reopen = true
		}
		if reopen {
			tr.times = 0
			if random.IntN(3) == 0 {
				tr.some()
			}
			w.d.fails = tr.fails
			for {
				trouble := tr.times > 0
				var damage *DamageError
				if err = w.open(); err == nil || !trouble || errors.As(err, &damage) || errors.Is(err, errFalse) {
					break
				}
				log = append(log, fmt.Sprintf("open: %v", err))
				switch random.IntN(3) { // the trouble may have left something behind
				case 0:
					w.d = w.d.killed()
				case 1:
					w.d = w.d.cut(func() bool { return random.IntN(2) == 0 })
				}
				w.d.fails = tr.fails
				tr.left = 0
			}
			log = append(log, fmt.Sprintf("opened: %v", err))
			broken = false
		}
		if err != nil {
			return fmt.Errorf("op %d: %w: %q", op, err, log)
		}
	}
	return nil
}

// A frame may have reached the disk though its sync failed, and its cut may not. When Open does not find it in memory, it
// is not on the disk either from then on.
func TestUnknownStaysAway(t *testing.T) {
	t.Parallel()
	w := newTeller(Options{})
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	// Closed, the file has nothing behind its end that would be cut off.
	if err := errors.Join(w.append(100), w.l.Close(), w.open()); err != nil {
		t.Fatal(err)
	}
	syncs := 0
	w.d.fails = func(call, _ string) error {
		if call == "sync" {
			syncs++
			return syscall.EIO
		}
		return nil
	}
	w.d.keeps = func() bool { return syncs == 1 }
	if err := w.append(235); !errors.Is(err, engine.ErrUnknown) {
		t.Fatalf("%v, want ErrUnknown", err)
	}
	w.d.fails = nil
	if err := errors.Join(w.l.Close(), w.open()); err != nil {
		t.Fatal(err)
	}
	w.d = w.d.cut(func() bool { return false })
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
}

// Release needs no new segment, though the active one is full: it is what makes room for one.
func TestReleaseInFullSegment(t *testing.T) {
	t.Parallel()
	const each = frameSize + lengthSize + 100
	w := newTeller(Options{SegmentBytes: 5 * each})
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	full := func(call, _ string) error {
		if call == "create" {
			return syscall.ENOSPC
		}
		return nil
	}
	for i := range 10 { // two segments, filled to the last byte
		if i == 6 { // the third one cannot be made
			w.d.fails = full
		}
		if err := w.append(100); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.outcome(w.append(100)); err != nil || w.batch != nil {
		t.Fatalf("there is room for one more: %v", err)
	}
	w.released = w.l.End()
	if err := w.l.Release(w.released); err != nil {
		t.Error(err)
	}
	if sealed, err := w.l.Sealed(); len(sealed) != 0 || err != nil {
		t.Errorf("%d segments are left, %v", len(sealed), err)
	}
	w.d = w.d.cut(func() bool { return false })
	if err := w.open(); err != nil {
		t.Error(err)
	}
}

// Whoever fills a segment does not wait for the file of the next one: that is there by then, also where a file that is open cannot
// be renamed.
func TestNextSegmentIsThere(t *testing.T) {
	t.Parallel()
	const each = frameSize + lengthSize + 100
	for _, pins := range []bool{false, true} {
		w := newTeller(Options{SegmentBytes: 6 * each})
		w.d.pins = pins
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			before := w.l.w.head.number
			for w.l.w.head.number == before {
				made := map[string]int{}
				w.d.fails = func(call, name string) error { made[call+" "+name]++; return nil }
				if err := w.append(100); err != nil {
					t.Fatal(err)
				}
				if next := w.l.w.name(); w.l.w.head.number != before && (made["names "] > 0 || made["rename "+next] > 0 || made["sync "+next] != 1) {
					t.Errorf("pins %v: the first record of %s made the calls %v", pins, next, made)
				}
			}
		}
		if err := w.l.Close(); err != nil {
			t.Fatal(err)
		}
		for name, i := range w.d.live {
			if unbegun(i.live) {
				t.Errorf("%s is left after an orderly end", name)
			}
		}
	}
}
