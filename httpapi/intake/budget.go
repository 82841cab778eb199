package intake

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrBusy says that others used up the budget for longer than a request may wait.
var ErrBusy = errors.New("the memory for requests' bodies is used up")

// Free is how many bytes a request may work on without asking the budget. Memory outside the
// budget is at most this times the number of running requests.
const Free = 64 << 10

// unseen is the same for bytes while they arrive. That may take long, and there may be as many
// clients as connections.
const unseen = 8 << 10

// Budget is the memory for all bodies and everything made from them. It has three parts: a
// quarter for bodies while they are read, a quarter for work on short ones, and the rest for
// work on long ones. So slow bodies do not hold up fast ones, nor long ones short ones.
type Budget struct {
	bytes           int64
	wait            time.Duration
	reading         *semaphore.Weighted
	readingBytes    int64
	short, long     *semaphore.Weighted
	shortIs, longIs int64
}

// ShortWork is the most that counts as work on a short body.
const ShortWork = 4 * inMemory

// NewBudget makes a budget of this many bytes. Work waits this long for its share.
func NewBudget(bytes int64, wait time.Duration) *Budget {
	bytes = max(bytes, 16<<20)
	q := bytes / 4
	return &Budget{
		bytes: bytes, wait: wait, readingBytes: q, shortIs: q, longIs: bytes - 2*q,
		reading: semaphore.NewWeighted(q), short: semaphore.NewWeighted(q), long: semaphore.NewWeighted(bytes - 2*q),
	}
}

// Is tells whether a budget has these figures.
func (b *Budget) Is(bytes int64, wait time.Duration) bool {
	return b != nil && b.bytes == max(bytes, 16<<20) && b.wait == wait
}

// Share is a part of the budget that somebody holds. The zero value is empty.
type Share struct {
	of    *semaphore.Weighted
	bytes int64
}

// Long tells whether it is a share for work on a long body.
func (s *Share) Long(b *Budget) bool { return s.of != nil && s.of == b.long }

// Bytes returns how large the share is.
func (s *Share) Bytes() int64 {
	if s.of == nil {
		return 0
	}
	return s.bytes
}

// Release gives the share back. It may be called again.
func (s *Share) Release() {
	if s.of != nil {
		s.of.Release(s.bytes)
		s.of = nil
	}
}

// Work waits until this many bytes of memory may be used. The error is ErrBusy or ctx's. Work
// that needs more than the whole part gets all of it, and so runs alone.
func (b *Budget) Work(ctx context.Context, bytes int64) (Share, error) {
	if bytes <= Free {
		return Share{}, nil
	}
	s := Share{b.long, min(bytes, b.longIs)}
	if bytes <= ShortWork {
		s = Share{b.short, min(bytes, b.shortIs)}
	}
	if s.of.TryAcquire(s.bytes) {
		return s, nil
	}
	ctx, stop := context.WithTimeoutCause(ctx, b.wait, ErrBusy)
	defer stop()
	if err := s.of.Acquire(ctx, s.bytes); err != nil {
		return Share{}, context.Cause(ctx)
	}
	return s, nil
}

// more enlarges a share if there is room without waiting.
func (b *Budget) more(s *Share, bytes int64) bool {
	if s.of == nil && s.bytes+bytes <= unseen {
		s.bytes += bytes // not counted yet
		return true
	}
	want := bytes
	if s.of == nil {
		want += s.bytes
	}
	if !b.reading.TryAcquire(want) {
		return false
	}
	s.of = b.reading
	s.bytes += bytes
	return true
}
