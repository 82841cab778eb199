package replicate

import "sync/atomic"

// pace is how many documents a peer gets at once. It is halved when they are too many, and
// grows slowly while all is well. So a peer with a small limit is not overloaded repeatedly.
type pace struct{ docs atomic.Int64 }

// most returns how many may be sent now.
func (p *pace) most() int {
	if n := p.docs.Load(); n > 0 {
		return int(n)
	}
	return storeDocs
}

// tooMany notes that n were too many.
func (p *pace) tooMany(n int) { p.docs.Store(int64(max(n/2, 1))) }

// fine notes that the peer accepted n.
func (p *pace) fine(n int) {
	if now := p.most(); n >= now && now < storeDocs {
		p.docs.Store(int64(min(now+now/8+1, storeDocs)))
	}
}
