package wire

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/httpapi/config"
)

// always are the rights of a feed that nobody takes away.
type always struct{}

func (always) Hold(context.Context) (bool, error)  { return true, nil }
func (always) HoldStill(context.Context) error     { return nil }
func (always) Left() (left time.Duration, is bool) { return 0, false }

// A feed of a server that closes still tells what was there before, and then ends, even if
// there is always more.
func TestClosingFeedTellsTheLastNews(t *testing.T) {
	closed := make(chan struct{})
	close(closed)
	c, err := config.Open(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	shared := NewShared(SharedOptions{Config: c})
	for range 100 { // news and the end come at once: either may be seen first
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/db/_changes", nil)
		r = r.WithContext(shared.Begin(w, r).In(r.Context()))
		f := NewFeed(NewStream(w, r, 200), Continuous, 0, FeedTimeout, always{})
		f.closing = closed
		if more, err := f.Wait(t.Context(), closed, nil); !more || err != nil {
			t.Fatalf("news are not told: %v, %v", more, err)
		}
		for rounds := 1; ; rounds++ {
			more, err := f.Wait(t.Context(), closed, nil)
			if err != nil || rounds > 100 {
				t.Fatalf("no end after %d rounds: %v", rounds, err)
			}
			if !more {
				break
			}
		}
		if more, err := f.Wait(t.Context(), make(chan struct{}), nil); more || err != nil {
			t.Fatalf("it waits after its end: %v, %v", more, err)
		}
		f.Stream.Drop()
	}
}

// News that are nothing for the client, however often they come, do not keep heartbeats back.
func TestHeartbeatsBesideWhatIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := config.Open(config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		shared := NewShared(SharedOptions{Config: c})
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/db/_changes", nil)
		r = r.WithContext(shared.Begin(w, r).In(r.Context()))
		const heartbeat = 10 * time.Second
		f := NewFeed(NewStream(w, r, 200), Continuous, heartbeat, FeedTimeout, always{})
		defer f.Stream.Drop()
		began := time.Now()
		for time.Since(began) < time.Hour {
			news := make(chan struct{})
			time.AfterFunc(heartbeat/4+time.Millisecond, func() { close(news) })
			if more, err := f.Wait(t.Context(), news, nil); !more || err != nil {
				t.Fatalf("it ends: %v, %v", more, err)
			}
			if err := f.Working(); err != nil { // the filter takes none of them
				t.Fatal(err)
			}
		}
		if beats := w.Body.Len(); beats != int(time.Hour/heartbeat) {
			t.Errorf("%d heartbeats in an hour, one is wanted every %v", beats, heartbeat)
		}
	})
}
