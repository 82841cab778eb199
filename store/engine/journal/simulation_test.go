package journal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// story is what is known of a journal from outside.
type story struct {
	acked    map[Pos]string  // what Append has acknowledged, by its position
	released Pos             // records before it may be gone
	maybe    map[string]bool // what is being written, or has an unknown outcome: it may be there
	batch    []string        // of these, what is written as one: all or none
}

func (s *story) clone() story {
	c := *s
	c.acked, c.maybe, c.batch = maps.Clone(s.acked), maps.Clone(s.maybe), slices.Clone(s.batch)
	return c
}

// told is what a journal has replayed.
type told struct {
	at  []Pos
	rec []string
}

func (r *told) replay(at Pos, rec []byte) error {
	r.at = append(r.at, at)
	r.rec = append(r.rec, string(rec))
	return nil
}

// holds says how what a journal has replayed contradicts its story.
func (s *story) holds(r *told) error {
	there := map[string]bool{}
	for i, at := range r.at {
		if i > 0 && at <= r.at[i-1] {
			return fmt.Errorf("the record at %d comes after that at %d", at, r.at[i-1])
		}
		switch was, ok := s.acked[at]; {
		case ok && was != r.rec[i]:
			return fmt.Errorf("at %d there is %.30q, not %.30q", at, r.rec[i], was)
		case !ok && !s.maybe[r.rec[i]]:
			return fmt.Errorf("at %d there is %.30q, which nobody acknowledged", at, r.rec[i])
		}
		there[r.rec[i]] = true
	}
	for at, rec := range s.acked {
		if !there[rec] && (at >= s.released || len(r.at) > 0 && at > r.at[0]) {
			return fmt.Errorf("the record at %d is lost: %.30q", at, rec)
		}
	}
	n := 0
	for _, rec := range s.batch {
		if there[rec] {
			n++
		}
	}
	if n != 0 && n != len(s.batch) {
		return fmt.Errorf("%d records of a batch of %d are there", n, len(s.batch))
	}
	return nil
}

// teller writes a story.
type teller struct {
	story
	d   *disk
	opt Options
	l   *Log
	n   int // records ever
}

// text makes records that are like no other.
func (w *teller) text(sizes ...int) (recs []string) {
	for _, size := range sizes {
		w.n++
		b := fmt.Appendf(nil, "record %d ", w.n)
		for len(b) < size {
			b = append(b, byte(len(b)*w.n))
		}
		recs = append(recs, string(b))
	}
	return recs
}

// append appends records in one batch.
func (w *teller) append(sizes ...int) error {
	recs := w.text(sizes...)
	w.batch = recs
	w.maybe = maps.Clone(w.maybe)
	for _, rec := range recs {
		w.maybe[rec] = true
	}
	taken := make([]*request, len(recs))
	for i, rec := range recs {
		half := len(rec) / 2
		taken[i] = &request{kind: batchKind, rec: [][]byte{[]byte(rec[:half]), []byte(rec[half:])}, size: lengthSize + len(rec), told: make(chan struct{}, 1)}
	}
	w.l.mu.Lock()
	w.l.queue, w.l.led = slices.Clone(taken), true
	w.l.mu.Unlock()
	w.l.lead(taken[0])
	err := taken[0].err
	for i, r := range taken {
		if (r.err == nil) != (err == nil) {
			return fmt.Errorf("of one batch, one record has %v and another %v", err, r.err)
		}
		if err == nil {
			w.acked[r.at] = recs[i]
		}
	}
	return err
}

func (w *teller) open() error {
	r := &told{}
	l, err := openIn(w.d, w.opt, r.replay)
	if err != nil {
		return err
	}
	w.l = l
	if err := w.holds(r); err != nil {
		return fmt.Errorf("%w: %w", errFalse, err)
	}
	// Whoever has opened it has seen what there is, so from now on it is there.
	w.acked, w.batch = maps.Clone(w.acked), nil
	for i, at := range r.at {
		w.acked[at] = r.rec[i]
	}
	w.maybe = map[string]bool{}
	return nil
}

// errFalse says that a journal contradicts its story.
var errFalse = errors.New("what was replayed is wrong")

func newTeller(opt Options) *teller {
	opt.inline = true
	return &teller{story: story{acked: map[Pos]string{}, maybe: map[string]bool{}}, d: newDisk(), opt: opt}
}

// moment is a disk at which the power may be cut, and what is known then.
type moment struct {
	d     *disk
	story story
}

// cuts calls try with what the disk may be after a power cut: all there is if that is little, else some.
func cuts(random *rand.Rand, d *disk, most int, try func(what string, d *disk)) {
	try("killed", d.killed())
	n := d.unsynced()
	mask := func(bit func(i int) bool) func() bool {
		i := -1
		return func() bool { i++; return bit(i) }
	}
	if n < 12 && 1<<n <= most {
		for set := range 1 << n {
			try(fmt.Sprintf("%b of %d", set, n), d.cut(mask(func(i int) bool { return set>>i&1 == 1 })))
		}
		return
	}
	try("none", d.cut(func() bool { return false }))
	try("all", d.cut(func() bool { return true }))
	for range most - 2 {
		switch kind, one := random.IntN(3), random.IntN(n); kind {
		case 0:
			try(fmt.Sprintf("all but %d of %d", one, n), d.cut(mask(func(i int) bool { return i != one })))
		case 1:
			try(fmt.Sprintf("only %d of %d", one, n), d.cut(mask(func(i int) bool { return i == one })))
		default:
			try(fmt.Sprintf("some of %d", n), d.cut(func() bool { return random.IntN(2) == 0 }))
		}
	}
}

// live opens what a crash has left, goes on with it, and opens it again.
func live(d *disk, s story, opt Options) error {
	s = s.clone()
	w := teller{story: s, d: d, opt: opt, n: 1000}
	if err := w.open(); err != nil {
		return fmt.Errorf("opened: %w", err)
	}
	for name := range d.live {
		if strings.HasSuffix(name, tempSuffix) {
			return fmt.Errorf("%s is left", name)
		}
	}
	// Nothing but a note and zeros is behind the end.
	file := d.live[segmentName(w.l.w.head.number)].live
	rest := file[min(int64(len(file)), w.l.w.offset(w.l.End())):]
	if f, ok := decodeFrame(rest, w.l.w.head.mark, w.l.End()); ok && f.kind == syncedKind {
		rest = rest[frameSize:]
	}
	if len(bytes.Trim(rest, "\x00")) != 0 {
		return fmt.Errorf("behind the end there is still %.40q", rest)
	}
	for range 2 {
		if err := w.append(700, 20); err != nil {
			return err
		}
		// Whatever was there is there for good, and the power may be cut once more.
		for _, next := range []*disk{d.killed(), d.cut(func() bool { return false })} {
			r := &told{}
			l, err := openIn(next, opt, r.replay)
			if err == nil {
				err = errors.Join(w.holds(r), l.Close())
			}
			if err != nil {
				return fmt.Errorf("opened again: %w", err)
			}
		}
	}
	return w.l.Close()
}

// failures are failures of one Append: which of its calls fail, the first one being bit 0.
var failures = []struct {
	calls map[string]int
	err   error
	want  error
	ends  bool // nothing can be written any more
}{
	{map[string]int{"write": 1}, syscall.ENOSPC, engine.ErrFull, false},
	{map[string]int{"sync": 1}, syscall.ENOSPC, engine.ErrFull, false},
	{map[string]int{"sync": 1}, syscall.EIO, engine.ErrUnavailable, false},
	{map[string]int{"sync": 3}, syscall.EIO, engine.ErrUnavailable, false},              // the cut fails, a new segment does not
	{map[string]int{"sync": 1, "create": 1}, syscall.EIO, engine.ErrUnavailable, false}, // the other way round
	{map[string]int{"sync": 1, "names": 1}, syscall.EIO, engine.ErrUnavailable, false},
	{map[string]int{"sync": 1, "names": 3}, syscall.EIO, engine.ErrUnavailable, false}, // nobody knows whether a power cut leaves the new one
	{map[string]int{"sync": 3, "create": 1}, syscall.EIO, engine.ErrUnknown, true},
	{map[string]int{"sync": 7}, syscall.EIO, engine.ErrUnknown, true},
	{map[string]int{"sync": 3, "names": 3}, syscall.EIO, engine.ErrUnknown, true},
}

// Wherever the power is cut, and whatever had reached the disk by then: all that was acknowledged is
// there, at its position, a batch is there whole or not at all, and nothing else is there. The same if the
// power is cut again while what the first cut left is being opened.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	most, again := 64, 12
	if testing.Short() {
		most, again = 4, 1
	}
	w := newTeller(Options{SegmentBytes: 3000})
	var moments []moment
	w.d.before = func() { moments = append(moments, moment{w.d.copied(), w.story.clone()}) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.open())
	for _, f := range failures {
		must(w.append(60, 20))
		counts := map[string]int{}
		w.d.fails = func(call, _ string) error {
			n := counts[call]
			counts[call]++
			if f.calls[call]>>n&1 == 1 {
				return f.err
			}
			return nil
		}
		err := w.append(30, 200)
		must(w.outcome(err))
		if w.d.fails = nil; !errors.Is(err, f.want) {
			t.Errorf("%v: %v, want %v", f, err, f.want)
		}
		if err := w.append(7); err != nil { // it does not go on by itself
			if !errors.Is(err, engine.ErrUnavailable) || !f.ends {
				t.Errorf("after %v: %v", f, err)
			}
			must(w.outcome(err))
			must(w.l.Close())
			must(w.open())
		}
	}
	for round := range 3 {
		must(w.append(10))
		must(w.append(500, 30, 700))
		must(w.append(1200))
		must(w.append(5))
		if round == 1 {
			w.released = w.l.End()
			must(w.l.Release(w.l.End()))
		}
		must(w.append(900, 1))
		must(w.append(2900, 1500)) // longer than a segment
		if round == 1 {
			must(w.l.Close())
			must(w.open())
		}
	}
	must(w.l.Close())
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	images := 0
	for i, m := range moments {
		if testing.Short() && random.IntN(3) > 0 {
			continue // others are looked at another time
		}
		cuts(random, m.d, most, func(what string, d *disk) {
			if images++; t.Failed() {
				return
			}
			var second []*disk
			if err := live(d.copied(), m.story, w.opt); err != nil {
				t.Errorf("call %d, %s: %v", i, what, err)
				return
			}
			d.before = func() { second = append(second, d.copied()) }
			l, err := openIn(d, w.opt, (&told{}).replay)
			if err != nil {
				t.Errorf("call %d, %s: %v", i, what, err)
				return
			}
			d.before = nil
			l.Close()
			for range again {
				from := second[random.IntN(len(second))]
				images++
				if err := live(from.cut(func() bool { return random.IntN(2) == 0 }), m.story, w.opt); err != nil {
					t.Errorf("call %d, %s, cut again: %v", i, what, err)
					return
				}
			}
		})
	}
	t.Logf("seed %d: %d moments, %d images", seed, len(moments), images)
}
