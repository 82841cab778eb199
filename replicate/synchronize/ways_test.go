package synchronize

import (
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
)

// Each direction says how it is doing, and the synchronization what somebody should know of both.
func TestOneDirectionDoesNotHideTheOther(t *testing.T) {
	_, _, pulls := troubled(t)
	pulls.over = make(chan error, 1)
	pushes := &observation{x: pulls.x, direction: push, over: make(chan error, 1)}
	pulls.x.setOut([]string{pull, push})
	soon, later := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
	called := pushes.calls()
	for _, step := range []struct {
		what  string
		do    func()
		state string
		next  *time.Time
	}{
		{"nothing has begun", func() {}, waiting, nil},
		{"the pull runs", func() { pulls.notify(t.Context(), replicate.Status{State: replicate.Running}) }, running, nil},
		{"the pull has crashed", func() {
			pulls.notify(t.Context(), replicate.Status{State: replicate.Crashing, LastError: "x", NextTry: later})
		}, retrying, &later},
		{"the push runs", func() { pushes.notify(t.Context(), replicate.Status{State: replicate.Running}) }, retrying, &later},
		{"a call of the push fails", func() { called(replicate.ErrNoDB) }, retrying, &later},
		{"and succeeds", func() { called(nil) }, retrying, &later},
		{"the push has crashed too", func() {
			pushes.notify(t.Context(), replicate.Status{State: replicate.Crashing, LastError: "y", NextTry: soon})
		}, retrying, &soon},
		{"both run", func() {
			pulls.notify(t.Context(), replicate.Status{State: replicate.Running})
			pushes.notify(t.Context(), replicate.Status{State: replicate.Running})
		}, running, nil},
		{"the pull has made room", func() { pulls.notify(t.Context(), replicate.Status{State: replicate.Pending}) }, running, nil},
		{"the push too", func() { pushes.notify(t.Context(), replicate.Status{State: replicate.Pending}) }, waiting, nil},
		{"the push runs again", func() { pushes.notify(t.Context(), replicate.Status{State: replicate.Running}) }, running, nil},
		{"and is done", func() { pushes.notify(t.Context(), replicate.Status{State: replicate.Completed}) }, waiting, nil},
	} {
		step.do()
		_, _, st := pulls.x.shown()
		switch {
		case st.State != step.state, (st.NextTry == nil) != (step.next == nil):
			t.Errorf("%s: %s, next %v", step.what, st.State, st.NextTry)
		case step.next != nil && step.next.Sub(*st.NextTry).Abs() > time.Millisecond:
			t.Errorf("%s: next %v, not %v", step.what, st.NextTry, step.next)
		}
	}
}
