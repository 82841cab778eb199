package replicate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A job that has nothing to record ends at once when it is told to, also if a peer does not answer any more.
func TestNothingToRecordEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var silent context.Context
		target := &stubPeer{name: "target", local: map[string][]byte{}}
		target.info = func() error {
			if silent != nil {
				<-silent.Done()
				return silent.Err()
			}
			return nil
		}
		job := NewJob(Spec{Continuous: true, SinceSeq: "2"}, JobOptions{
			Source: idle{&stubPeer{name: "source", local: map[string][]byte{}}}, Target: target,
		})
		done := make(chan error, 1)
		go func() {
			_, err := job.Run(ctx)
			done <- err
		}()
		synctest.Wait()
		var end context.CancelFunc
		silent, end = context.WithTimeout(t.Context(), time.Minute)
		defer end()
		began := time.Now()
		cancel()
		<-done
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}
