package script

import (
	"log/slog"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// Options limit what functions may do.
type Options struct {
	// Timeout is how long one call may take; 0: DefaultTimeout (os_process_timeout); negative:
	// the caller limits time and memory.
	Timeout time.Duration
	// Memory is how much the heap of the process may grow during one call before the call is
	// stopped; 0: DefaultMemory. It is measured for the whole process, so it is a last resort
	// and not an allowance.
	Memory int64
	// Output is the most bytes that one call may produce: what it emits for a document, an
	// answer, or what it sends between two rows; 0: 64 MiB.
	Output int
	// Reductions says what becomes of reduce functions whose results grow too fast; "": Refuse.
	Reductions Reductions
	// Log receives what functions log, and thrown errors that have no other place to go; nil:
	// they are lost.
	Log *slog.Logger
}

// Reductions says what becomes of a reduce function whose result does not shrink
// (query_server_config, reduce_limit).
type Reductions string

const (
	Refuse Reductions = "true"  // its query fails
	Report Reductions = "log"   // it is logged
	Permit Reductions = "false" // nothing
)

// Default limits, and limits that always hold.
const (
	DefaultTimeout = 5 * time.Second // CouchDB's os_process_timeout
	DefaultMemory  = 512 << 20

	maxStack  = 2000     // JavaScript calls within calls
	maxOutput = 64 << 20 // bytes of one JSON text
	maxText   = 1 << 28  // characters of a string, as in SpiderMonkey
	tick      = 20 * time.Millisecond
)

// watched reports whether the caller limits time and memory.
func (o Options) watched() bool { return o.Timeout < 0 }

func (o Options) timeout() time.Duration {
	if o.Timeout == 0 {
		return DefaultTimeout
	}
	return o.Timeout
}

func (o Options) output() int {
	if o.Output <= 0 {
		return maxOutput
	}
	return o.Output
}

func (o Options) memory() int64 {
	if o.Memory <= 0 {
		return DefaultMemory
	}
	return o.Memory
}

// guard stops calls of one runtime that take too much. It has no goroutine of its own: a timer
// runs while calls are made, and stops by itself when they cease.
type guard struct {
	opt       Options
	interrupt func(any)
	clear     func()

	hit atomic.Bool // the running call has been interrupted

	mu      sync.Mutex // guards what follows
	began   time.Time  // of the running call; zero: there is none
	heap    int64      // at the first tick of that call; 0: not yet
	ticking bool
}

func (g *guard) begin() {
	if g.opt.watched() {
		return
	}
	g.mu.Lock()
	g.began, g.heap = time.Now(), 0
	if !g.ticking {
		g.ticking = true
		time.AfterFunc(tick, g.tick)
	}
	g.mu.Unlock()
}

// end makes sure that a late interrupt does not hit the next call.
func (g *guard) end() {
	g.mu.Lock()
	g.began = time.Time{}
	g.hit.Store(false)
	g.clear()
	g.mu.Unlock()
}

func (g *guard) tick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.began.IsZero() {
		g.ticking = false
		return
	}
	ran := time.Since(g.began)
	switch {
	case ran >= g.opt.timeout():
		g.stop("OS process timed out.") // CouchDB's words
	case ran >= tick:
		now := heapBytes()
		if g.heap == 0 {
			g.heap = now
		} else if now-g.heap > g.opt.memory() {
			g.stop("the function used too much memory")
		}
	}
	time.AfterFunc(tick, g.tick)
}

// stop interrupts the running call. The caller holds mu.
func (g *guard) stop(reason string) {
	g.hit.Store(true)
	g.interrupt(stopped{reason})
}

// heapBytes is the size of the objects on the heap, including dead ones not yet swept. Reading
// it stops nobody.
func heapBytes() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// limitRegexps limits the time of one match by a regular expression that needs backtracking.
// goja has no other way to stop one, and its library takes the limit from a package variable:
// so it holds for the whole process.
var limitRegexps = sync.OnceFunc(func() { regexp2.DefaultMatchTimeout = DefaultTimeout })
