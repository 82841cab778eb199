package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fickle seems opened anew each time.
type fickle struct {
	*stubPeer
	asked atomic.Int64
}

func (p *fickle) Info(context.Context) (Info, error) {
	return Info{UpdateSeq: "2", Opened: fmt.Sprint(p.asked.Add(1))}, nil
}

func (p *fickle) Holds(context.Context, string) (bool, error) { return true, nil }

// A replication with a peer that seems opened anew each time it is asked fails; it does not begin for ever.
func TestPeerIsAlwaysOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fickle{stubPeer: &stubPeer{name: "source", local: map[string][]byte{}}}
		target := &stubPeer{name: "target", local: map[string][]byte{}, store: func() error { return nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		sure := &steady{target}
		_, err := NewJob(Spec{}, JobOptions{Source: source, Target: sure}).Run(ctx)
		if !errors.Is(err, errReopened) || source.asked.Load() > 20 {
			t.Errorf("after %d questions: %v", source.asked.Load(), err)
		}
	})
}

type steady struct{ *stubPeer }

func (p *steady) Holds(context.Context, string) (bool, error) { return true, nil }
