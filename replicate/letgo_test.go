package replicate

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/widetest"
)

// A large document whose target fails does not keep other jobs from reading theirs, however long its pause is. It is
// fetched again after that.
func TestFailingTargetHoldsUpNobody(t *testing.T) {
	widetest.Only(t)
	long := strings.Repeat("x", storeBytes+largePiece)
	large := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/db/_bulk_get" {
			return false
		}
		fmt.Fprintf(w, `{"results":[{"id":"d1","docs":[{"ok":{"_id":"d1","_rev":"1-a","_revisions":{"start":1,"ids":["a"]},"v":%q}}]}]}`, long)
		return true
	}
	failures := make(chan int, 100)
	var fault error = &StatusError{Status: 503, RetryAfter: time.Hour}
	calls := 0
	target := &storing{stubPeer: &stubPeer{name: "target", local: map[string][]byte{}}}
	target.store = func() error {
		calls++
		failures <- calls
		return fault
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	job := NewJob(Spec{}, JobOptions{Source: sourceOf(t, 1, large), Target: target})
	go func() {
		_, err := job.Run(ctx)
		done <- err
	}()
	<-failures
	other, end := context.WithTimeout(t.Context(), 10*time.Second)
	defer end()
	got := 0
	err := sourceOf(t, 1, large).Fetch(other, []Wanted{{ID: "d1", Revs: []revtree.Rev{{Gen: 1, ID: "a"}}}}, func(*Revision) error { got++; return nil })
	if err != nil || got != 1 {
		t.Errorf("while a target rests, another job gets %d documents, %v", got, err)
	}
	cancel()
	<-done

	// Once the target takes it, the job is done; if it never does, the job fails.
	for _, fails := range []int{2, 100} {
		calls = 0
		target.store = func() error {
			if calls++; calls <= fails {
				return &StatusError{Status: 503}
			}
			return nil
		}
		result, err := NewJob(Spec{Retries: 3}, JobOptions{Source: sourceOf(t, 1, large), Target: target}).Run(t.Context())
		if _, written, _ := result.Counts(); (err == nil) != (fails == 2) || err == nil && written != 1 || calls > 4 {
			t.Errorf("after %d failures: %d written after %d calls, %v", fails, written, calls, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "target: ") {
			t.Errorf("the failure of the target is told as %v", err)
		}
	}
}

// storing lacks d1.
type storing struct{ *stubPeer }

func (p *storing) Missing(context.Context, []Change) ([]Wanted, error) {
	return []Wanted{{ID: "d1", Revs: []revtree.Rev{{Gen: 1, ID: "a"}}}}, nil
}
