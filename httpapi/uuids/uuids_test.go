package uuids

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

func TestAlgorithms(t *testing.T) {
	for algorithm, c := range map[string]struct {
		form   string
		sorted bool
	}{
		Plain:      {"^[0-9a-f]{32}$", false},
		Sequential: {"^[0-7][0-9a-f]{31}$", true},
		UTCRandom:  {"^0[0-9a-f]{31}$", true},
		UTCID:      {"^0[0-9a-f]{13}-here$", true},
		V7:         {"^0[0-9a-f]{11}7[0-9a-f]{3}[89ab][0-9a-f]{15}$", true},
		"":         {"^[0-7][0-9a-f]{31}$", true},
	} {
		set := &Settings{Algorithm: algorithm, Suffix: "-here"}
		u := New(func() *Settings { return set })
		form := regexp.MustCompile(c.form)
		var ids []string
		for range 1000 { // so few that a sequence does not begin anew but once in a while
			ids = append(ids, u.ID())
		}
		for _, id := range ids {
			if !form.MatchString(id) {
				t.Fatalf("%s made %q", algorithm, id)
			}
		}
		if c.sorted && !slices.IsSorted(ids[:10]) {
			t.Errorf("%s: %q do not rise", algorithm, ids[:10])
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 1000 {
			t.Errorf("%s made an id twice", algorithm)
		}
	}
}

func TestTimesOfIds(t *testing.T) {
	set := &Settings{Algorithm: UTCID}
	u := New(func() *Settings { return set })
	u.now = func() time.Time { return time.UnixMicro(0x0123456789abcd) }
	if id := u.ID(); id != "0123456789abcd" {
		t.Errorf("%q", id)
	}
	u.now = func() time.Time { return time.UnixMicro(0x0123456789ab00) } // the clock was set back
	if id := u.ID(); id != "0123456789abce" {
		t.Errorf("%q", id)
	}
}

// A long run of sequential ids changes its beginning now and then, and repeats nothing.
func TestALongSequence(t *testing.T) {
	u := New(func() *Settings { return &Settings{} })
	seen, beginnings := map[string]bool{}, map[string]bool{}
	for range 50_000 {
		id := u.ID()
		seen[id], beginnings[id[:26]] = true, true
	}
	if len(seen) != 50_000 || len(beginnings) < 3 {
		t.Errorf("%d ids, %d beginnings", len(seen), len(beginnings))
	}
}
