package httpapi

import (
	"context"
	"time"
)

// feedFraming is how the rows of a feed are put together.
type feedFraming string

const (
	framingNormal      feedFraming = "normal"      // an object, ended at once
	framingLongpoll    feedFraming = "longpoll"    // an object, ended once there are rows
	framingContinuous  feedFraming = "continuous"  // a line for each row, goes on
	framingEventSource feedFraming = "eventsource" // an event for each row, goes on
)

// feedTimeout is how long a feed waits in vain when its client says nothing else, and
// at most.
const feedTimeout = time.Minute

// Rights is what a feed stands on: the account or the token that it was asked for with, and
// what its user may do. When that is no longer so the feed ends, before its next row.
type Rights interface {
	// Hold tells whether the feed may go on.
	Hold(context.Context) (bool, error)
	// HoldStill is Hold for a feed in the midst of its rows: it looks now and then, and gives
	// the error that cuts the answer.
	HoldStill(context.Context) error
	// Left is for how long the feed goes on at most, if it is limited.
	Left() (left time.Duration, limited bool)
}

// feed is an answer that may wait for what has not happened yet.
type feed struct {
	st        *stream
	framing   feedFraming
	heartbeat time.Duration // how often the client wants a sign of life; 0: never
	timeout   time.Duration // without heartbeats: when waiting in vain ends
	closing   <-chan struct{}
	rights    Rights

	sent time.Time // when the client last heard of us
	rows time.Time // when a row last came
}

// newFeed begins a feed; st's end or drop must follow.
func newFeed(st *stream, framing feedFraming, heartbeat, timeout time.Duration, rights Rights) feed {
	x, now := exchangeOf(st.r), time.Now()
	return feed{
		st: st, framing: framing, closing: x.shared.opt.Closing, rights: rights, sent: now, rows: now,
		heartbeat: min(heartbeat, feedTimeout), timeout: min(timeout, feedTimeout),
	}
}

// waits tells whether the feed goes on when there is nothing left to tell.
func (f *feed) waits() bool { return f.framing != framingNormal }

// framed tells whether the rows stand in an array of an object.
func (f *feed) framed() bool {
	return f.framing == framingNormal || f.framing == framingLongpoll
}

// told notes that rows have come.
func (f *feed) told() { f.rows = time.Now() }

// push sends all there is.
func (f *feed) push() error {
	f.sent = time.Now()
	return f.st.push()
}

// working is called between two pages by whoever looks for rows: it sends what has gathered
// and, if looking takes long, a heartbeat, and waits for the turn of the next page.
func (f *feed) working() error {
	if err := f.waiting(); err != nil {
		return err
	}
	return f.st.flushFull()
}

// waiting is called now and then while the work is another one's, such as an index.
func (f *feed) waiting() error {
	f.st.endTurn()
	if err := f.rights.HoldStill(f.st.r.Context()); err != nil {
		return err
	}
	if f.heartbeat > 0 && time.Since(f.sent) >= f.heartbeat {
		return f.beat()
	}
	if f.st.full() {
		f.sent = time.Now()
		return f.st.flush()
	}
	return nil
}

func (f *feed) beat() error {
	if f.framing == framingEventSource {
		f.st.buf = append(f.st.buf, "event: heartbeat\ndata: \n\n"...)
	} else {
		f.st.buf = append(f.st.buf, '\n')
	}
	return f.push()
}

// wait sends what has gathered and waits for news, with heartbeats meanwhile. It gives
// false when the feed is to end instead: nothing came for too long, what it is about
// is gone, its user may no longer have it, or the server closes.
func (f *feed) wait(ctx context.Context, news, gone <-chan struct{}) (bool, error) {
	if err := f.push(); err != nil {
		return false, err
	}
	timer := time.NewTimer(f.pause())
	defer timer.Stop()
	for {
		select {
		case <-news:
			return f.rights.Hold(ctx)
		case <-gone:
			return false, nil
		case <-f.closing:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-timer.C:
		}
		if f.heartbeat <= 0 {
			return false, nil
		}
		if holds, err := f.rights.Hold(ctx); !holds || err != nil {
			return false, err
		}
		if err := f.beat(); err != nil {
			return false, err
		}
		timer.Reset(f.pause())
	}
}

// pause is how long to wait before something must be done.
func (f *feed) pause() time.Duration {
	pause := f.heartbeat
	if pause <= 0 {
		pause = time.Until(f.rows.Add(f.timeout))
	}
	if left, limited := f.rights.Left(); limited {
		pause = min(pause, left)
	}
	return pause
}
