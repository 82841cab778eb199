package wire

import (
	"context"
	"net/http/httptest"
	"testing"
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
