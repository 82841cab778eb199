package engine

import "context"

// Pace looks at a context now and then, so that reads that go over much end soon after it
// has. It is for one goroutine.
type Pace struct {
	ctx  context.Context
	done int
}

// NewPace makes a Pace.
func NewPace(ctx context.Context) *Pace { return &Pace{ctx: ctx} }

// How often the context is looked at, in entries, and how many bytes count as one more.
const (
	paceEntries = 64
	paceBytes   = 4096
)

// Step counts an entry of so many bytes: the error of the context once that has ended.
func (p *Pace) Step(bytes int) error {
	if p.done += 1 + bytes/paceBytes; p.done < paceEntries {
		return nil
	}
	p.done = 0
	return p.ctx.Err()
}
