package backup

import (
	"context"
	"time"

	"github.com/tododb/tododb/store"
)

// pacer has a stream rest while somebody writes to any database of the store, so that writers keep
// what they need of the processors and the disk. Who takes the stream needs more of both than who
// makes it, and may be on the same machine.
type pacer struct {
	db  store.Bare
	out *countedWriter

	began  time.Time // since the last rest
	waited time.Duration
	sent   int64
}

// How long a stream rests: so many times longer than it worked, and at least so long for each MiB.
// What it waited for who takes it counts as rest.
const (
	restFor    = 8
	restPerMiB = 50 * time.Millisecond
	longRest   = time.Second // at most
)

// writersPause is the longest gap in the work of somebody who writes all the time.
const writersPause = 50 * time.Millisecond

func (p *pacer) begin() { p.began, p.waited, p.sent = time.Now(), p.out.waited, p.out.n }

// due tells whether enough was sent for a rest.
func (p *pacer) due() bool { return p.out.n-p.sent >= 1<<20 }

func (p *pacer) rest(ctx context.Context) error {
	defer p.begin()
	if !p.db.Writing(writersPause) {
		return nil
	}
	waited := p.out.waited - p.waited
	worked := time.Since(p.began) - waited
	d := max(restFor*worked, time.Duration(p.out.n-p.sent)*restPerMiB>>20) - waited
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(min(d, longRest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
