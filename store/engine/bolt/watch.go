package bolt

import (
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// broadcast wakes everybody who watches a file.
type broadcast struct {
	mu       sync.Mutex // guards watchers
	watchers map[*watcher]struct{}
}

type watcher struct {
	c    chan struct{} // of capacity one: wake-ups merge
	from *broadcast
}

func (b *broadcast) subscribe() engine.Watcher {
	w := &watcher{c: make(chan struct{}, 1), from: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watchers == nil {
		b.watchers = map[*watcher]struct{}{}
	}
	b.watchers[w] = struct{}{}
	return w
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.watchers {
		select {
		case w.c <- struct{}{}:
		default:
		}
	}
}

func (w *watcher) C() <-chan struct{} { return w.c }

func (w *watcher) Close() {
	w.from.mu.Lock()
	defer w.from.mu.Unlock()
	delete(w.from.watchers, w)
}
