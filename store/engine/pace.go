package engine

import "context"

// Pace checks a context now and then, so that long reads end soon after it does. It is for one
// goroutine.
type Pace struct {
	ctx  context.Context
	done int
}

// NewPace makes a Pace.
func NewPace(ctx context.Context) *Pace { return &Pace{ctx: ctx} }

// How often the context is checked, in entries, and how many bytes count as one more entry.
const (
	paceEntries = 64
	paceBytes   = 4096
)

// Step counts an entry of this many bytes. It returns the context's error once it has ended.
func (p *Pace) Step(bytes int) error {
	if p.done += 1 + bytes/paceBytes; p.done < paceEntries {
		return nil
	}
	p.done = 0
	return p.ctx.Err()
}
