package ranks

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/engine"
)

// shelf is a database of documents at their sequences, without an engine.
type shelf struct {
	docs   map[string]uint64 // the sequence of each
	live   map[string]bool
	newest uint64
	marker bool
	before func() // what happens just before the next snapshot
	during func() // and when its scan has begun
}

func (s *shelf) View(_ context.Context, fn func(engine.Reader) error) error {
	once(&s.before)
	return fn(nil)
}

func once(fn *func()) {
	if do := *fn; do != nil {
		*fn = nil
		do()
	}
}

func (s *shelf) Newest(engine.Reader) (uint64, bool, error) { return s.newest, s.marker, nil }

// seqs are those of entries, in order.
func (s *shelf) seqs() (out []uint64) {
	for _, seq := range s.docs {
		out = append(out, seq)
	}
	if s.marker {
		out = append(out, s.newest)
	}
	slices.Sort(out)
	return out
}

func (s *shelf) Entries(_ engine.Reader, from, to uint64, fn func(uint64) error) error {
	there := s.seqs()
	once(&s.during)
	for _, seq := range there {
		if seq >= from && (to == 0 || seq < to) {
			if err := fn(seq); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shelf) Living(_ engine.Reader, from, to []byte, fn func([]byte)) error {
	var there []string
	for id, live := range s.live {
		if live && id >= string(from) && (to == nil || id < string(to)) {
			there = append(there, id)
		}
	}
	slices.Sort(there)
	once(&s.during)
	for _, id := range there {
		fn([]byte(id))
	}
	return nil
}

// write writes some documents in one transaction, and returns what moved.
func (s *shelf) write(t *rapid.T) (moves []Move) {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	for range rapid.SampledFrom([]int{1, 20, 900}).Draw(t, "documents") {
		id := idOf(r.IntN(2500))
		s.newest += 1 + r.Uint64N(3)
		s.marker = false
		m := Move{ID: id, Was: s.docs[id], Now: s.newest, At: s.newest}
		was := s.live[id]
		s.live[id] = r.IntN(4) > 0
		m.Live = cmp.Compare(boolInt(s.live[id]), boolInt(was))
		s.docs[id] = s.newest
		moves = append(moves, m)
	}
	return moves
}

func idOf(n int) string { return fmt.Sprintf("%04d", n) }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Whatever is written, also while all of it is being counted, the ranks are what counting
// everything gives.
func TestRanksAreWhatCountingGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &shelf{docs: map[string]uint64{}, live: map[string]bool{}}
		var seqs Seqs
		var ids IDs
		write := func() {
			moves := s.write(t)
			seqs.Committed(moves)
			ids.Committed(moves)
		}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for range rapid.IntRange(0, 3).Draw(t, "writes") {
				write()
			}
			if rapid.IntRange(0, 4).Draw(t, "marks") == 0 {
				s.newest, s.marker = s.newest+1, true
			}
			at := idOf(rapid.IntRange(0, 2500).Draw(t, "at"))
			disturb := func() {
				s.before, s.during = nil, nil
				if rapid.Bool().Draw(t, "just before") {
					s.before = write
				}
				if rapid.Bool().Draw(t, "meanwhile") {
					s.during = write
				}
			}
			disturb()
			if err := seqs.Ready(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			disturb()
			if err := ids.Ready(t.Context(), s, at); err != nil {
				t.Fatal(err)
			}
			s.before, s.during = nil, nil
			from := rapid.Uint64Range(0, s.newest+1).Draw(t, "after")
			got, err := seqs.After(nil, s, from)
			want, _ := CountAfter(nil, s, from)
			if err != nil || got != want {
				t.Fatalf("%d changes after %d of %d, want %d, %v", got, from, s.newest, want, err)
			}
			got, err = ids.Before(nil, s, at)
			want = 0
			for id, live := range s.live {
				want += boolInt(live && id < at)
			}
			if err != nil || got != want {
				t.Fatalf("%d documents before %q, want %d, %v", got, at, want, err)
			}
		}
	})
}
