package main

import "testing"

// A server that rests gives its memory back once, and again after it has been busy; one that is busy does not.
func TestResting(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	allocated, given := uint64(0), 0
	r := resting{allocated: func() uint64 { return allocated }, giveBack: func() { given++ }}
	for i, step := range []struct {
		allocates uint64
		looks     int
		given     int
	}{
		{20 * mib, 1, 0},
		{100 << 10, restLooks - 1, 0}, // it may go on at once
		{100 << 10, 1, 1},
		{10 << 10, 300, 1}, // there is nothing to give back
		{2 * mib, 50, 1},   // it is busy
		{0, restLooks, 2},
		{mib, 1, 2},
		{0, 300, 2}, // that was too little
	} {
		for range step.looks {
			allocated += step.allocates
			r.look()
		}
		if given != step.given {
			t.Errorf("after step %d memory was given back %d times, not %d", i, given, step.given)
		}
	}
}
