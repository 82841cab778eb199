package journal

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// request is what one caller wants to have written.
type request struct {
	kind   kind
	rec    [][]byte
	number uint64 // of a kept frame
	whole  Pos    // of a kept frame, if not 0: it holds only if this is still the end
	urgent bool   // it may use what is reserved
	size   int    // in a batch, with its length

	leads bool          // it was told to lead; guarded by mu
	told  chan struct{} // that it leads, or else that it is done
	at    Pos
	err   error
}

var requests = sync.Pool{New: func() any { return &request{told: make(chan struct{}, 1)} }}

// Append writes a record, whose parts may be anywhere, and returns its position when it is on disk. If ctx ends
// before the writing begins, nothing is written. engine.ErrFull: there is no room, and nothing was written;
// the same with engine.ErrUnavailable; engine.ErrUnknown: nobody knows whether it will be there after the next Open.
func (l *Log) Append(ctx context.Context, rec ...[]byte) (Pos, error) {
	return l.append(ctx, rec, false)
}

// AppendUrgent is Append for a short record after which there will be room. Some of them can be written on a full
// disk.
func (l *Log) AppendUrgent(ctx context.Context, rec []byte) (Pos, error) {
	return l.append(ctx, [][]byte{rec}, true)
}

func (l *Log) append(ctx context.Context, rec [][]byte, urgent bool) (Pos, error) {
	r := requests.Get().(*request)
	r.kind, r.rec, r.size, r.urgent = batchKind, append(r.rec[:0], rec...), lengthSize, urgent
	for _, part := range rec {
		r.size += len(part)
	}
	if r.size > MaxRecord+lengthSize {
		return 0, fmt.Errorf("%w: a record of %d bytes", engine.ErrTooLarge, r.size-lengthSize)
	}
	at, err := l.do(ctx, r)
	clear(r.rec)
	requests.Put(r)
	return at, err
}

// do has a request written, together with those of others.
func (l *Log) do(ctx context.Context, r *request) (Pos, error) {
	r.leads, r.at, r.err = false, 0, nil
	l.mu.Lock()
	err := ctx.Err()
	if l.closed {
		err = engine.ErrClosed
	} else if l.failed != nil {
		err = l.failed
	}
	if err != nil {
		l.mu.Unlock()
		return 0, err
	}
	l.queue = append(l.queue, r)
	r.leads = !l.led
	l.led = true
	leads := r.leads
	l.mu.Unlock()
	if !leads {
		select {
		case <-r.told:
		case <-ctx.Done():
			if l.withdraw(r) {
				return 0, ctx.Err()
			}
			<-r.told
		}
		leads = r.leads
	}
	if leads {
		l.lead(r)
	}
	return r.at, r.err
}

// withdraw takes a request back that nobody has begun with.
func (l *Log) withdraw(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, r)
	if i < 0 || r.leads {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	return true
}

// lead writes the leader's request, the first of the queue, with as many as go together, and hands over to the next one.
func (l *Log) lead(own *request) {
	l.mu.Lock()
	taken := l.take()
	err := l.failed
	l.mu.Unlock()
	var at Pos
	if err == nil {
		at, err = l.write(taken)
	}
	at += frameSize
	for _, r := range taken {
		if r.err = err; err == nil {
			r.at = at
		}
		at += Pos(r.size)
		if r != own {
			r.leads = false
			r.told <- struct{}{}
		}
	}
	l.mu.Lock()
	if len(l.queue) == 0 && err == nil {
		l.mu.Unlock()
		_ = l.w.note(l.end, syncedKind) // whoever writes next meets the same error
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.led = false
		l.idle.Broadcast()
		return
	}
	next := l.queue[0]
	next.leads = true
	next.told <- struct{}{}
}

// plain tells that a request is written together with others.
func (r *request) plain() bool { return r.kind == batchKind && !r.urgent }

// take takes what goes into one frame off the queue. The caller holds mu.
func (l *Log) take() []*request {
	n, size := 1, l.queue[0].size
	for n < len(l.queue) && l.queue[0].plain() && l.queue[n].plain() && size+l.queue[n].size <= maxBatch {
		size += l.queue[n].size
		n++
	}
	l.w.taken = append(l.w.taken[:0], l.queue[:n]...)
	l.queue = slices.Delete(l.queue, 0, n)
	return l.w.taken
}
