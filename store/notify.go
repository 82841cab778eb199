package store

import "sync"

// notifier tells waiting feeds that a sequence has been committed.
type notifier struct {
	mu   sync.Mutex    // guards what follows
	seq  uint64        // the newest committed sequence that this process knows of
	wake chan struct{} // nil: nobody waits
}

func newNotifier(seq uint64) *notifier {
	return &notifier{seq: seq}
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// after returns a channel that is closed once a sequence greater than seq is committed.
func (n *notifier) after(seq uint64) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seq > seq {
		return closedChan
	}
	if n.wake == nil {
		n.wake = make(chan struct{})
	}
	return n.wake
}

// newest is the newest committed sequence that this process knows of.
func (n *notifier) newest() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seq
}

// advance announces seq and wakes everybody who waits.
func (n *notifier) advance(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if seq <= n.seq {
		return
	}
	n.seq = seq
	if n.wake != nil {
		close(n.wake)
		n.wake = nil
	}
}
