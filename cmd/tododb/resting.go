package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// resting gives memory back to the system when the server rests after it has been busy. The Go runtime does so by and by, over
// several collections, but where nothing is allocated they are two minutes apart, and each keeps about as much as was in use at
// the one before. So a small server would go on taking two or three times what it needs.
type resting struct {
	allocated func() uint64 // bytes so far
	giveBack  func()
	last      uint64 // what was allocated at the last look
	given     uint64 // what was allocated when memory was last given back
	quiet     int    // looks in a row that found next to nothing
}

const (
	restLook  = 10 * time.Second
	restLooks = 3         // so often it must have been quiet
	restNoise = 512 << 10 // so much is allocated between two looks though nothing is going on
	restWorth = 4 << 20   // with less garbage than this it is not worth the collection
)

func newResting() *resting {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	return &resting{
		allocated: func() uint64 {
			metrics.Read(sample)
			return sample[0].Value.Uint64()
		},
		giveBack: func() {
			runtime.GC() // what lies in pools outlives one collection
			debug.FreeOSMemory()
		},
	}
}

// run looks until ctx ends.
func (r *resting) run(ctx context.Context) {
	tick := time.NewTicker(restLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.look()
		case <-ctx.Done():
			return
		}
	}
}

// look gives memory back if it is time.
func (r *resting) look() {
	now := r.allocated()
	if now-r.last > restNoise {
		r.quiet = 0
	} else {
		r.quiet++
	}
	r.last = now
	if r.quiet >= restLooks && now-r.given > restWorth {
		r.giveBack()
		r.given = now
	}
}
