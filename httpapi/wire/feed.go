package wire

import (
	"context"
	"time"
)

// Framing is how the rows of a feed are put together.
type Framing string

const (
	Normal      Framing = "normal"      // an object, ended at once
	Longpoll    Framing = "longpoll"    // an object, ended once there are rows
	Continuous  Framing = "continuous"  // a line for each row, goes on
	EventSource Framing = "eventsource" // an event for each row, goes on
)

// FeedTimeout is how long a feed waits in vain when its client says nothing else, and
// at most.
const FeedTimeout = time.Minute

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

// Feed is an answer that may wait for what has not happened yet.
type Feed struct {
	Stream    *Stream
	Framing   Framing
	heartbeat time.Duration // how often the client wants a sign of life; 0: never
	timeout   time.Duration // without heartbeats: when waiting in vain ends
	closing   <-chan struct{}
	rights    Rights

	sent time.Time // when the client last heard of us
	rows time.Time // when a row last came
}

// NewFeed begins a feed; st's end or drop must follow.
func NewFeed(st *Stream, framing Framing, heartbeat, timeout time.Duration, rights Rights) Feed {
	x, now := ExchangeOf(st.r), time.Now()
	return Feed{
		Stream: st, Framing: framing, closing: x.shared.closing, rights: rights, sent: now, rows: now,
		heartbeat: min(heartbeat, FeedTimeout), timeout: min(timeout, FeedTimeout),
	}
}

// Waits tells whether the feed goes on when there is nothing left to tell.
func (f *Feed) Waits() bool { return f.Framing != Normal }

// Framed tells whether the rows stand in an array of an object.
func (f *Feed) Framed() bool {
	return f.Framing == Normal || f.Framing == Longpoll
}

// Told notes that rows have come.
func (f *Feed) Told() { f.rows = time.Now() }

// push sends all there is.
func (f *Feed) push() error {
	f.sent = time.Now()
	return f.Stream.Push()
}

// Working is called between two pages by whoever looks for rows: it sends what has gathered
// and, if looking takes long, a heartbeat, and waits for the turn of the next page.
func (f *Feed) Working() error {
	if err := f.Waiting(); err != nil {
		return err
	}
	return f.Stream.FlushFull()
}

// Waiting is called now and then while the work is another one's, such as an index.
func (f *Feed) Waiting() error {
	f.Stream.EndTurn()
	if err := f.rights.HoldStill(f.Stream.r.Context()); err != nil {
		return err
	}
	if f.heartbeat > 0 && time.Since(f.sent) >= f.heartbeat {
		return f.beat()
	}
	if f.Stream.Full() {
		f.sent = time.Now()
		return f.Stream.Flush()
	}
	return nil
}

func (f *Feed) beat() error {
	if f.Framing == EventSource {
		f.Stream.Buf = append(f.Stream.Buf, "event: heartbeat\ndata: \n\n"...)
	} else {
		f.Stream.Buf = append(f.Stream.Buf, '\n')
	}
	return f.push()
}

// Wait sends what has gathered and waits for news, with heartbeats meanwhile. It gives
// false when the feed is to end instead: nothing came for too long, what it is about
// is gone, its user may no longer have it, or the server closes.
func (f *Feed) Wait(ctx context.Context, news, gone <-chan struct{}) (bool, error) {
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
func (f *Feed) pause() time.Duration {
	pause := f.heartbeat
	if pause <= 0 {
		pause = time.Until(f.rows.Add(f.timeout))
	}
	if left, limited := f.rights.Left(); limited {
		pause = min(pause, left)
	}
	return pause
}
