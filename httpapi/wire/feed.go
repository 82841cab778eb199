package wire

import (
	"context"
	"time"
)

// Framing says how the rows of a feed are put together.
type Framing string

const (
	Normal      Framing = "normal"      // an object, ended at once
	Longpoll    Framing = "longpoll"    // an object, ended once there are rows
	Continuous  Framing = "continuous"  // a line for each row, without end
	EventSource Framing = "eventsource" // an event for each row, without end
)

// FeedTimeout is how long a feed without rows waits before it ends. It is the default and the
// maximum.
const FeedTimeout = time.Minute

// Rights are the account or token with which a feed was requested, and what its user may do.
// When they no longer hold, the feed ends before its next row.
type Rights interface {
	// Hold tells whether the feed may go on.
	Hold(context.Context) (bool, error)
	// HoldStill is Hold for a feed that is sending rows. It checks only from time to time, and
	// returns the error that cuts the answer.
	HoldStill(context.Context) error
	// Left returns how long the feed may last, if that is limited.
	Left() (left time.Duration, limited bool)
}

// Feed is an answer that may wait for things that have not happened yet.
type Feed struct {
	Stream    *Stream
	Framing   Framing
	heartbeat time.Duration // how often the client wants a sign of life; 0: never
	timeout   time.Duration // without heartbeats: how long to wait for rows
	closing   <-chan struct{}
	rights    Rights
	ending    bool // the server closes, and the feed has looked once more for what it has to tell

	sent time.Time // when the client last heard of us
	rows time.Time // when a row last came
}

// NewFeed begins a feed. Call st's End or Drop after it.
func NewFeed(st *Stream, framing Framing, heartbeat, timeout time.Duration, rights Rights) Feed {
	x, now := ExchangeOf(st.r), time.Now()
	return Feed{
		Stream: st, Framing: framing, closing: x.shared.closing, rights: rights, sent: now, rows: now,
		heartbeat: min(heartbeat, FeedTimeout), timeout: min(timeout, FeedTimeout),
	}
}

// Waits tells whether the feed continues when there are no more rows.
func (f *Feed) Waits() bool { return f.Framing != Normal }

// Framed tells whether the rows are in an array of an object.
func (f *Feed) Framed() bool {
	return f.Framing == Normal || f.Framing == Longpoll
}

// Told notes that rows have come.
func (f *Feed) Told() { f.rows = time.Now() }

// push sends everything. If there is nothing, the client does not hear of us.
func (f *Feed) push() error {
	if len(f.Stream.Buf) > 0 || !f.Stream.started {
		f.sent = time.Now()
	}
	return f.Stream.Push()
}

// Working is called between two pages while rows are searched for. It sends what is ready and,
// if the search takes long, a heartbeat. Then it waits for the turn of the next page.
func (f *Feed) Working() error {
	if err := f.Waiting(); err != nil {
		return err
	}
	return f.Stream.FlushFull()
}

// Waiting is called from time to time while something else works, such as an index.
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

// Wait sends what is ready and waits for news, with heartbeats. It returns false if the feed
// should end: nothing came for too long, its subject is gone, its user may no longer have it,
// or the server closes and the feed has told what was committed before.
func (f *Feed) Wait(ctx context.Context, news, gone <-chan struct{}) (bool, error) {
	if err := f.push(); err != nil {
		return false, err
	}
	ExchangeOf(f.Stream.r).EndReading() // a feed may wait for ever, and nothing of what it has read is left
	if f.ending {
		return false, nil
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
			return f.lastNews(ctx, news)
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

// lastNews is Wait once the server closes. The feed still tells what was committed before, but
// looks only once: a busy writer must not keep it from ending.
func (f *Feed) lastNews(ctx context.Context, news <-chan struct{}) (bool, error) {
	f.ending = true
	select {
	case <-news:
		return f.rights.Hold(ctx)
	default:
		return false, nil
	}
}

// pause returns how long to wait before something must be done.
func (f *Feed) pause() time.Duration {
	pause := time.Until(f.sent.Add(f.heartbeat))
	if f.heartbeat <= 0 {
		pause = time.Until(f.rows.Add(f.timeout))
	}
	if left, limited := f.rights.Left(); limited {
		pause = min(pause, left)
	}
	return pause
}
