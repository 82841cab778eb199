package worker

import (
	"os"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// selfWatch has a worker end itself, while it is in a call, when it has too much memory or
// its server is gone. The server watches its workers too; this works where it cannot, and
// where there is no server any more.
type selfWatch struct {
	memory int64
	parent int
	calls  atomic.Int64 // begun and ended ones: odd while one is running
	idle   atomic.Bool  // run waits for a call
	wake   chan struct{}
}

// selfTick is how often it looks; it ceases when nothing has been called for some ticks.
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

// run never ends: it is the process's.
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

// goBytes is what the process has from the system for itself.
func goBytes() int64 {
	m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64() - m[1].Value.Uint64())
}
