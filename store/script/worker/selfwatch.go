package worker

import (
	"os"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// selfWatch makes a worker end itself during a call if it takes too much memory or its server
// is gone. The server watches its workers too; this works where the server cannot, and after it
// is gone.
type selfWatch struct {
	memory int64
	parent int
	calls  atomic.Int64 // calls begun plus calls ended: odd while one is running
	idle   atomic.Bool  // run waits for a call
	wake   chan struct{}
}

// selfTick is how often it looks; it stops after some ticks without a call.
const (
	selfTick  = 5 * time.Millisecond
	selfTicks = 20
)

func newSelfWatch(memory int64) *selfWatch {
	return &selfWatch{memory: memory, parent: os.Getppid(), wake: make(chan struct{}, 1)}
}

func (s *selfWatch) begin() {
	s.calls.Add(1)
	if s.idle.Load() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

func (s *selfWatch) end() { s.calls.Add(1) }

// run never ends: it belongs to the process.
func (s *selfWatch) run() {
	last, quiet := int64(0), 0
	for {
		if now := s.calls.Load(); now == last && now%2 == 0 {
			quiet++
		} else {
			last, quiet = now, 0
		}
		if quiet > selfTicks {
			s.idle.Store(true)
			if s.calls.Load() == last { // else a call began before idle was seen
				<-s.wake
			}
			s.idle.Store(false)
			quiet = 0
		}
		time.Sleep(selfTick)
		if goBytes() > s.memory {
			os.Exit(exitMemory)
		}
		if os.Getppid() != s.parent {
			os.Exit(0)
		}
	}
}

// goBytes is the memory that the process has obtained from the system.
func goBytes() int64 {
	m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64() - m[1].Value.Uint64())
}
