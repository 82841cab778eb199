package replicate

import "sync/atomic"

// pace is how many documents a peer is given at once. It falls by half when they are too
// many and grows slowly while all is well, so that a peer with a small limit is not asked
// in vain again and again.
type pace struct{ docs atomic.Int64 }

// most is how many may be given now.
func (p *pace) most() int {
	if n := p.docs.Load(); n > 0 {
		return int(n)
	}
	return storeDocs
}

// tooMany takes in that n were too many.
func (p *pace) tooMany(n int) { p.docs.Store(int64(max(n/2, 1))) }

// fine takes in that n were taken.
func (p *pace) fine(n int) {
	if now := p.most(); n >= now && now < storeDocs {
		p.docs.Store(int64(min(now+now/8+1, storeDocs)))
	}
}
